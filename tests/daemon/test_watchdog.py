"""The proof of life: given only after an answer on our own socket."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from promptd.daemon.watchdog import PING, ask, watch_ourselves
from tests.conftest import Until

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[[Answer], Awaitable[str]]


@pytest_asyncio.fixture
async def listen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listen]:
    """Return an async function that serves each connection by `answer`, and gives the address."""
    path = str(tmp_path_factory.mktemp("s") / "d.sock")
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


async def test_an_answer_is_a_sign_of_life_twice_an_interval(listen: Listen, until: Until) -> None:
    """As long as it runs."""
    alive: list[bool] = []
    address = await listen(pong)
    watching = asyncio.create_task(watch_ourselves(address, 0.02, lambda: alive.append(True)))
    await until(lambda: len(alive) >= 3)
    watching.cancel()


@pytest.mark.parametrize("answer", [silence, hang_up])
async def test_no_answer_is_no_sign_of_life(
    listen: Listen, until: Until, said: io.StringIO, answer: Answer
) -> None:
    """Nobody is told that we live; the log says why, and it is tried again."""
    alive: list[bool] = []
    address = await listen(answer)
    watching = asyncio.create_task(watch_ourselves(address, 0.02, lambda: alive.append(True)))
    await until(lambda: said.getvalue().count("does not answer") >= 2)
    watching.cancel()
    assert not alive


async def test_nobody_there_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Not even a socket."""
    with pytest.raises(OSError, match="No such file"):
        await ask(str(tmp_path_factory.mktemp("s") / "d.sock"))
