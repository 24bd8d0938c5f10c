"""The hot path in one process, without sockets: from received bytes to written bytes.

A real workspace, handler and connections over transports that only count what is written; the loop is a list
of callbacks. So a profile or an instruction count sees our own code and the stat calls, and nothing of the
kernel's sockets or of a client. `turn` is one turn of the loop in which every connection asks once.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.libraries import Served
from benchmarks.servers import request
from promptd.config.schema import Config, RootConfig
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import Tokenizer
from promptd.protocol.jsonrpc import codec_factory
from promptd.server.batching import Batching
from promptd.server.connection import Connection, ConnectionContext
from promptd.server.dispatch import Dispatcher
from promptd.server.peer import ConnectionCounts, Limits
from promptd.server.unread import Unread

AGED_S = 2.1  # then a signature proves something: nothing is read again for being young


class _Loop:
    """As much of an event loop as Batching asks for."""

    def __init__(self) -> None:
        self._soon: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        self._soon.append((callback, args))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise context["exception"]

    def run(self) -> None:
        while self._soon:
            soon, self._soon = self._soon, []
            for callback, args in soon:
                callback(*args)


class _Transport(asyncio.Transport):
    """Counts the bytes written to it and keeps the last piece."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_written = 0
        self.last = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        self.bytes_written += len(data)
        self.last = data

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class HotPath:
    """`connections` peers of one handler on a library; everything is read and aged before it is asked."""

    def __init__(self, library: Served, connections: int, tokenizer: Tokenizer | None = None) -> None:
        config = Config(roots=(RootConfig(path=library.directory),))
        self.workspace = open_worktree(config, tokenizer or Tokenizer(), instance="bench", now_s=time.time())
        # Under valgrind a stat takes so long that sweeps would move to a thread; here there is none.
        self.workspace.source.observe_stats = lambda *_: None  # type: ignore[method-assign]
        self._loop = _Loop()
        self.handler = Dispatcher(Current(self.workspace), {}, _never, _report)
        batching = Batching(self._loop, self.handler)  # type: ignore[arg-type]
        limits = Limits()
        unread = Unread(limits.client_memory)
        context = ConnectionContext(
            batching, limits, ConnectionCounts(), unread, codec_factory(), lambda _: None
        )
        self.transports = [_Transport() for _ in range(connections)]
        self.connections = [Connection(context, 1, 0, 0.0) for _ in range(connections)]
        for connection, transport in zip(self.connections, self.transports, strict=True):
            connection.connection_made(transport)
        time.sleep(AGED_S)
        procedures.run(self.workspace, procedures.reconcile(self.workspace))
        self._library = library

    def ask(self, **variables: str) -> bytes:
        """A request line for the prompt."""
        return request("assemble", name=self._library.name, variables=variables)

    def turn(self, lines: Sequence[bytes]) -> None:
        """One turn of the loop: one line to each connection, and every answer written."""
        for connection, line in zip(self.connections, lines, strict=True):
            connection.data_received(line)
        self._loop.run()

    def warm(self, line: bytes) -> None:
        """Have the prompt assembled, and the line recognised: always by the same steps."""
        for _ in range(3):
            self.turn([line] * len(self.connections))
        if not self.transports[0].last.startswith(b'{"jsonrpc":"2.0","id":1,"result"'):
            raise RuntimeError(f"the hot path does not answer: {self.transports[0].last[:200]!r}")


def _never(_: Any) -> Any:
    raise RuntimeError("there is nothing to wait for on the hot path")


def _report(problem: BaseException, _method: str) -> None:
    raise problem
