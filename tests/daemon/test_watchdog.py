"""The proof of life: given only after an answer of the handler and another on our own socket."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from math import inf

import pytest
import pytest_asyncio

from promptd.daemon.watchdog import PING, ask_socket, is_answering, watch_ourselves
from promptd.errors import Busy
from promptd.protocol.calls import Call
from promptd.protocol.jsonrpc import codec_factory
from promptd.protocol.peers import Peer
from promptd.server.binding import bind
from promptd.server.listener import Listener
from promptd.server.local_peer import LocalPeer
from tests.conftest import Until

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[[Answer], Awaitable[str]]


class Pinged:
    """A handler that answers every ping, refuses it, or never says anything."""

    def __init__(self, manner: str = "answer") -> None:
        self.manner = manner
        self.pings = 0

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Do as the test says."""
        for peer, call in batch:
            assert call.method == "ping"
            self.pings += 1
            if self.manner == "answer":
                peer.answer(call, b'{"pong":true}')
            elif self.manner == "refuse":
                peer.fail(call, Busy("stopping"))
        return len(batch)

    def closed(self, peer: Peer) -> None:
        """Nothing is kept."""


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the socket is."""
    return str(tmp_path_factory.mktemp("s") / "d.sock")


@pytest_asyncio.fixture
async def listen(path: str) -> AsyncIterator[Listen]:
    """Return an async function that serves each connection by `answer`, and gives the address."""
    servers: list[asyncio.Server] = []

    async def start(answer: Answer) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answer(reader, writer)
            writer.close()

        servers.append(await asyncio.start_unix_server(serve, path))
        return path

    yield start
    for server in servers:
        server.close()


async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the ping."""
    assert await reader.readline() == PING
    writer.write(b'{"jsonrpc":"2.0","id":0,"result":{"pong":true}}\n')
    await writer.drain()


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read and say nothing, as a daemon that hangs does."""
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    await reader.readline()


async def test_answers_are_a_sign_of_life_twice_an_interval(listen: Listen, until: Until) -> None:
    """As long as it runs; the handler is asked each time, without a socket."""
    alive: list[bool] = []
    address, handler = await listen(pong), Pinged()
    peer = LocalPeer(handler)
    watching = asyncio.create_task(watch_ourselves(peer, address, 0.02, lambda: alive.append(True)))
    await until(lambda: len(alive) >= 3)
    watching.cancel()
    assert handler.pings >= 3


async def test_a_refusal_is_an_answer(listen: Listen) -> None:
    """A daemon that is stopping answers with an error, and lives."""
    assert await is_answering(LocalPeer(Pinged("refuse")), await listen(pong), 5.0)


@pytest.mark.parametrize("answer", [silence, hang_up])
async def test_a_socket_that_does_not_answer_is_no_sign_of_life(
    listen: Listen, until: Until, said: io.StringIO, answer: Answer
) -> None:
    """The supervisor is not notified; the log says why, and it is tried again."""
    alive: list[bool] = []
    address = await listen(answer)
    peer = LocalPeer(Pinged())
    watching = asyncio.create_task(watch_ourselves(peer, address, 0.02, lambda: alive.append(True)))
    await until(lambda: said.getvalue().count("the daemon's own socket does not answer") >= 2)
    watching.cancel()
    assert not alive


async def test_a_handler_that_does_not_answer_is_no_sign_of_life(listen: Listen, said: io.StringIO) -> None:
    """Even behind a socket that does, and nothing waits for the lost answer any longer."""
    peer = LocalPeer(Pinged("hang"))
    assert not await is_answering(peer, await listen(pong), 0.02)
    assert "the daemon's request handler does not answer" in said.getvalue()
    assert peer.in_flight == 0


async def test_a_listener_that_stops_accepting_is_found(path: str, said: io.StringIO) -> None:
    """The real one: it answers, then accepts no more while the kernel still queues connections."""
    handler = Pinged()
    binding = await asyncio.to_thread(bind, path)
    listener = Listener([binding], handler, codec_factory())
    await listener.start()
    assert await is_answering(LocalPeer(handler), path, 5.0)
    assert handler.pings == 2, "once without the socket and once over it"
    listener._acceptor.stop()
    assert not await is_answering(LocalPeer(handler), path, 0.05)
    assert "the daemon's own socket does not answer" in said.getvalue()
    await listener.stop(0)


async def test_no_socket_is_an_error(path: str) -> None:
    """Not even a file."""
    with pytest.raises(OSError, match="No such file"):
        await ask_socket(path)


async def test_a_queue_full_of_others_is_waited_out(path: str) -> None:
    """A flood by those who may not ask fills the kernel's queue: that the daemon is dead it does not mean."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        flood = []
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            flood.append(one)
            if one.connect_ex(path):
                break
        asked = asyncio.create_task(ask_socket(path))
        await asyncio.sleep(0.05)
        assert not asked.done()
        for one in flood:
            one.close()
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        while not asked.done():
            accepted, _ = await loop.sock_accept(listening)
            with accepted:
                if await loop.sock_recv(accepted, 1000) == PING:
                    await loop.sock_sendall(accepted, b"{}\n")
                    break
        await asked
