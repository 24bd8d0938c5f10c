"""Work beside the rest: background tasks, the loops among them, and how their failures are survived.

Every task of the daemon is kept here, so that stopping can cancel it and an unhandled error is logged.
Nothing here knows what a task does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from promptd.support import log
from promptd.support.tasks import Spawn

_log = log.get_logger("promptd.daemon")


class BackgroundTasks:
    """The tasks that are running, until each of them ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<BackgroundTasks {len(self._tasks)} running>"

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest; what it raises is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            report_unforeseen(problem)

    async def end(self) -> None:
        """Cancel everything and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def report_unforeseen(problem: BaseException, method: str = "") -> None:
    """Log an error that no code handles, with its traceback, and the wire method that ran into it."""
    _log.error("unforeseen error", method=method, exc_info=problem)


class Timers:
    """The loops that run at configured intervals; `loops` makes them by the configuration of the moment."""

    def __init__(self, spawn: Spawn, loops: Callable[[], Iterable[Coroutine[Any, Any, None]]]) -> None:
        self._spawn = spawn
        self._loops = loops
        self._running: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Timers {len(self._running)} loops>"

    def start(self) -> None:
        """Start every loop; those that run already begin anew."""
        self.cancel()
        self._running = [self._spawn(loop) for loop in self._loops()]

    def cancel(self) -> None:
        """End every loop."""
        for timer in self._running:
            timer.cancel()
        self._running = []


class Failures:
    """Counts failures of work that goes on all the same: a loop survives any one of them."""

    def __init__(self) -> None:
        self.total = 0

    def __repr__(self) -> str:
        return f"<Failures {self.total}>"

    async def survive(self, what: str, work: Awaitable[object]) -> None:
        """Do the work; an exception is logged and counted, and the caller tries again when it is next due."""
        try:
            await work
        except Exception as problem:
            self.total += 1
            _log.exception("maintenance failed", what=what, error=repr(problem))
