"""The floor under the daemon: a server of uvloop that knows its one reply, and looks at some files before it.

    python -m benchmarks.floor SOCKET REPLY_FILE (echo|stat|proof) [PATH ...]

`echo` only answers; `stat` calls os.stat for each path first; `proof` asks a Proof of them, as we do.
What the daemon takes beyond these is its own.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from promptd.core.syntax.component import Place
from promptd.sources.worktree import beneath
from promptd.sources.worktree.stat_proof import StatProof, prove


class _Answer(asyncio.Protocol):
    def __init__(self, reply: bytes, look: Callable[[], object]) -> None:
        self._reply = reply
        self._look = look

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._look()
        self._write(self._reply)


def _look(what: str, paths: list[str]) -> Callable[[], object]:
    if what == "stat":
        return lambda: [os.stat(path) for path in paths]
    return _proof(paths).holds if what == "proof" else lambda: None


def _proof(paths: list[str]) -> StatProof:
    """The proof that these files are as they are now."""
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    roots = beneath.RootPaths([root])
    places = [Place(0, os.path.relpath(path, root)) for path in paths]
    found = prove(roots, beneath.signatures(roots, places, stay=True)[0])
    assert found is not None
    return found


async def _serve(path: str, reply: bytes, look: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: _Answer(reply, look), path)
    await server.serve_forever()


if __name__ == "__main__":
    socket, reply_file, what, *paths = sys.argv[1:]
    uvloop.run(_serve(socket, Path(reply_file).read_bytes(), _look(what, paths)))
