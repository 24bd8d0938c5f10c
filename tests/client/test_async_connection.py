"""The asyncio connection by hand: what comes when nothing waits for it."""

import asyncio
from typing import cast

import pytest

from promptd import errors
from promptd.client import Changed
from promptd.client.async_connection import AsyncClientConnection
from promptd.client.wire import Broken


class Transport:
    """A transport that only notes that it was closed."""

    is_closed = False

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def link_with_transport() -> tuple[AsyncClientConnection, Transport]:
    """A connection that was just made."""
    link, transport = AsyncClientConnection("/s"), Transport()
    link.connection_made(cast(asyncio.BaseTransport, transport))
    return link, transport


async def test_a_refusal_before_the_first_question_is_its_answer() -> None:
    """The daemon refuses on connect: the next request gets the reason, not just a closed connection."""
    link, transport = link_with_transport()
    link.data_received(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32017,"message":"full","data":')
    link.data_received(b'{"type":"promptd.Busy"}}}\n')
    assert transport.is_closed
    with pytest.raises(errors.Busy, match="full"):
        await link.exchange(1, b"")


async def test_a_line_without_an_id_ends_the_connection() -> None:
    """A reply without a request breaks the protocol."""
    link, transport = link_with_transport()
    link.data_received(b'{"jsonrpc":"2.0","result":{}}\n')
    assert transport.is_closed
    with pytest.raises(errors.Unavailable):
        await link.exchange(1, b"")


async def test_an_ended_connection_is_broken() -> None:
    """Asking over it, or routing a subscription over it, says so at once."""
    link, _ = link_with_transport()
    before = link.route(1)
    link.connection_lost(None)
    assert repr(link) == "<AsyncClientConnection to /s, 0 waiting, broken>"
    with pytest.raises(Broken):
        await link.exchange(1, b"")
    assert (before.get_nowait(), link.route(2).get_nowait()) == (None, None)


async def test_early_changes_wait_for_their_subscription() -> None:
    """Changes that came before `route` are there, those of other subscriptions are not."""
    link, _ = link_with_transport()
    for number in (7, 8):
        link.data_received(
            b'{"jsonrpc":"2.0","method":"changed","params":'
            b'{"subscription":%d,"digest":"b","previous":"a","clock":"c"}}\n' % number
        )
    changes = link.route(8)
    assert changes.get_nowait() == Changed(subscription=8, digest="b", previous="a", clock="c")
    assert changes.empty()
