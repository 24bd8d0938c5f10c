"""Asking a handler in the same process: one answer for each call, and notifications as they come."""

import asyncio

import pytest

from promptd.errors import Busy, Unavailable
from promptd.protocol.calls import Call
from promptd.server.local_peer import LocalPeer
from tests.server.fakes import EchoHandler


async def test_a_call_is_answered_with_its_result() -> None:
    """The parameters go as JSON and the result comes as JSON; each call is a batch of its own."""
    peer = LocalPeer(handler := EchoHandler())
    assert await peer.call("echo", {"n": 1}) == b'{"n":1}'
    assert await peer.call("echo") == b"{}"
    assert [len(batch) for batch in handler.batches] == [1, 1]
    assert peer.in_flight == 0


async def test_an_error_is_raised_as_it_was_answered() -> None:
    """The very leaf, with its details."""
    with pytest.raises(Busy, match="not now") as caught:
        await LocalPeer(EchoHandler()).call("busy")
    assert caught.value.details == {"limit": "patience"}


async def test_an_answer_may_come_later() -> None:
    """Calls wait side by side, and each gets its own answer."""
    peer = LocalPeer(handler := EchoHandler())
    first, second = (asyncio.create_task(peer.call("hold", {"n": number})) for number in (1, 2))
    await asyncio.sleep(0)
    assert peer.in_flight == 2
    handler.release()
    assert [await first, await second] == [b'{"n":1}', b'{"n":2}']


async def test_calls_may_be_handed_over_together() -> None:
    """`expect` gives the answer to a call that is part of a larger batch; ids must differ."""
    peer = LocalPeer(handler := EchoHandler())
    calls = [Call(b"1", "echo", b"1"), Call(b"2", "echo", b"2")]
    answers = [peer.expect(call) for call in calls]
    with pytest.raises(ValueError, match="id"):
        peer.expect(calls[0])
    handler.turn([(peer, call) for call in calls])
    assert [answer.result() for answer in answers] == [b"1", b"2"]


async def test_a_call_is_answered_once() -> None:
    """A second answer is a bug of the handler and says so."""
    peer = LocalPeer(handler := EchoHandler())
    await peer.call("echo")
    with pytest.raises(RuntimeError, match="'echo' was answered twice"):
        peer.fail(handler.batches[0][0][1], Busy("x"))


async def test_a_cancelled_call_may_still_be_answered() -> None:
    """Nothing waits for it; the handler need not know."""
    peer = LocalPeer(handler := EchoHandler())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(peer.call("hold"), 0.001)
    assert peer.in_flight == 0
    handler.release()


async def test_notifications_are_handed_over() -> None:
    """Method and parameters, until it is closed; who does not listen misses them."""
    received: list[tuple[str, bytes]] = []
    peer = LocalPeer(EchoHandler(), lambda *note: received.append(note))
    peer.notify("changed", b"{}")
    peer.close()
    peer.notify("changed", b"{}")
    assert received == [("changed", b"{}")]
    LocalPeer(EchoHandler()).notify("changed", b"{}")


async def test_a_closed_peer_asks_no_more() -> None:
    """Calls in flight are cancelled, the handler forgets it, a further call is refused."""
    peer = LocalPeer(handler := EchoHandler())
    waiting = asyncio.create_task(peer.call("hold"))
    await asyncio.sleep(0)
    assert repr(peer) == "<LocalPeer, 1 in flight>"
    peer.close()
    assert (peer.is_closed, handler.gone) == (True, [peer])
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(Unavailable):
        await peer.call("echo")
    handler.release()
