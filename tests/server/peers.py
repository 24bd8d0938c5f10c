"""A local peer that keeps what it is sent, and a fake of the daemon's spawn that keeps the tasks.

The peer is the real one of server.local_peer: only the socket is missing. The peer over a socket is
connection.py's, seen together with a handler in tests/daemon.
"""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from math import inf
from typing import Any

from promptd.protocol.calls import Call
from promptd.protocol.peers import Handler, Peer
from promptd.server.local_peer import LocalPeer


class NoHandler:
    """For a peer that asks nothing and is only notified."""

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Nothing is asked here."""
        raise NotImplementedError

    def closed(self, peer: Peer) -> None:
        """Nothing is kept for it."""


class NotedPeer(LocalPeer):
    """A local peer that keeps its notifications: `changed` in `notes`, `alert` in `alerts`."""

    def __init__(self, handler: Handler | None = None) -> None:
        super().__init__(handler or NoHandler(), self._note)
        self.notes: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []

    def _note(self, method: str, params: bytes) -> None:
        assert method in ("changed", "alert")
        (self.notes if method == "changed" else self.alerts).append(json.loads(params))


class Tasks:
    """What was spawned: to be waited for, or to be shown not to exist."""

    def __init__(self) -> None:
        self.all: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it beside the test."""
        self.all.append(asyncio.create_task(work))
        return self.all[-1]

    async def done(self) -> None:
        """Wait for all of them, those that they spawn included."""
        while waiting := [task for task in self.all if not task.done()]:
            await asyncio.wait(waiting)


def call_of(method: str, identity: int | None = 1, **params: Any) -> Call:
    """One call as the wire hands it over."""
    raw = None if identity is None else b"%d" % identity
    return Call(raw, method, json.dumps(params).encode() if params else b"")
