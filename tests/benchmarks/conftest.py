"""A tiny server over a Unix socket that answers as a test wants, and the load client, compiled once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks import load_client
from benchmarks.load_client import LoadClient
from benchmarks.servers import Missing

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Answer], Awaitable[str]]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> LoadClient:
    """The load client; the test is skipped where it cannot be compiled."""
    try:
        return load_client.compiled(cache=tmp_path_factory.mktemp("load-client"))
    except Missing as problem:
        pytest.skip(str(problem))


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Start a server that calls `answer` with each line it reads and where to write; its socket's path."""
    servers: list[asyncio.Server] = []
    path = f"{tmp_path}/s"

    async def start(answer: Answer) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    await answer(line, writer)
            except ConnectionError:
                pass  # the client has left
            finally:
                writer.close()

        servers.append(await asyncio.start_unix_server(talk, path))
        return path

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
