"""What the tests of serving share: both event loops, and listeners that are stopped whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from promptd.protocol.jsonrpc import codec_factory
from promptd.protocol.peers import CodecFactory, Handler
from promptd.server.binding import bind
from promptd.server.listener import Listener
from promptd.server.peer import Limits
from tests.server.fakes import Dialogue

# Real sockets behave a little differently on each loop; everything else is tested on the usual one.
ON_BOTH_LOOPS = frozenset({"test_listener.py", "test_acceptor.py", "test_codec.py"})

Serve = Callable[..., Awaitable[Listener]]
Dial = Callable[..., Awaitable[Dialogue]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of real sockets on asyncio's loop and on uvloop's."""
    usual = {"asyncio": asyncio.new_event_loop}
    return usual | {"uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH_LOOPS else usual


class ManualClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now_s


@pytest.fixture
def clock() -> ManualClock:
    """A clock moved by hand."""
    return ManualClock()


@pytest_asyncio.fixture
async def serve(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serve]:
    """Return an async function that starts a listener for a handler; every one is stopped at the end."""
    started: list[Listener] = []

    async def start(
        handler: Handler,
        path: str,
        limits: Limits | None = None,
        new_codec: CodecFactory | None = None,
        **more: Any,
    ) -> Listener:
        binding = await asyncio.to_thread(bind, path)
        listener = Listener([binding], handler, new_codec or codec_factory(), limits, **more)
        await listener.start()
        started.append(listener)
        return listener

    yield start
    for listener in started:
        await listener.stop(0)


@pytest_asyncio.fixture
async def dial() -> AsyncIterator[Dial]:
    """Return an async function that connects to a path; every connection is closed at the end."""
    opened: list[Dialogue] = []

    async def connect(path: str, **more: Any) -> Dialogue:
        place = more or {"path": path}
        opened.append(Dialogue(*await asyncio.open_unix_connection(**place, limit=1 << 24)))
        return opened[-1]

    yield connect
    for dialogue in opened:
        await dialogue.close()


@pytest.fixture
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A path short enough for a Unix socket (107 bytes), whatever the test's name."""
    return str(tmp_path_factory.mktemp("s") / "d.sock")
