"""Calls in progress: each whose answer has to be waited for has a task, and a peer that may hang up."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from promptd.protocol.peers import Peer
from promptd.support.tasks import BackgroundTask, Spawn


class InProgress:
    """The tasks of calls, by the peer that waits for them; used from one event loop only."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._tasks: dict[BackgroundTask, Peer] = {}

    def __repr__(self) -> str:
        return f"<InProgress {len(self._tasks)}>"

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(
        self, peer: Peer, work: Coroutine[Any, Any, None], on_end: Callable[[BackgroundTask], None]
    ) -> None:
        """Do work for a peer in a task; `on_end` gets the task when it is over, in whatever way."""
        task = self._spawn(work)
        self._tasks[task] = peer
        task.add_done_callback(partial(self._ended, on_end))

    def drop(self, peer: Peer) -> None:
        """Cancel what a peer was waiting for."""
        for task in [task for task, asker in self._tasks.items() if asker is peer]:
            task.cancel()

    def cancel(self) -> None:
        """Cancel all."""
        for task in list(self._tasks):
            task.cancel()

    def _ended(self, on_end: Callable[[BackgroundTask], None], task: BackgroundTask) -> None:
        self._tasks.pop(task, None)
        on_end(task)
