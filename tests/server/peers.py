"""A fake peer that keeps what it is told, and a fake of the daemon's spawn that keeps the tasks.

The real peer is connection.py's, seen together with a handler in tests/daemon.
"""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from promptd.errors import PromptdError
from promptd.protocol.calls import Call


class FakePeer:
    """A Peer (promptd.serve.peer) without a socket."""

    def __init__(self) -> None:
        self.uid = 1000
        self.pid = 4242
        self.in_flight = 0
        self.is_closed = False
        self.answers: dict[bytes | None, Any] = {}
        self.errors: dict[bytes | None, PromptdError] = {}
        self.notes: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []

    def answer(self, call: Call, body: bytes) -> None:
        """Keep a result under the call's id."""
        self._settle(call)
        self.answers[call.id] = json.loads(body)

    def fail(self, call: Call, error: PromptdError) -> None:
        """Keep an error under the call's id."""
        self._settle(call)
        self.errors[call.id] = error

    def notify(self, method: str, params: bytes) -> None:
        """Keep a notification."""
        assert method in ("changed", "alert")
        (self.notes if method == "changed" else self.alerts).append(json.loads(params))

    def _settle(self, call: Call) -> None:
        if call.is_answered:
            raise RuntimeError("answered twice")
        call.is_answered = True


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
