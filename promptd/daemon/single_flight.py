"""Single flight: concurrent callers of the same work share its next run.

An answer must rest on work that began after its question came. So a caller that comes while a run is under
way waits for the next one, together with everyone else who came meanwhile: however many ask, one run is
under way and at most one is to come. Nothing here knows what the work is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from promptd.support.tasks import Spawn

Shared = TypeVar("Shared")


class SingleFlight(Generic[Shared]):
    """Runs of one kind of work; used from one event loop."""

    def __init__(self, work: Callable[[], Awaitable[Shared]], spawn: Spawn) -> None:
        self._work = work
        self._spawn = spawn
        self._next: asyncio.Future[Shared] | None = None
        self._is_running = False

    def __repr__(self) -> str:
        state, waiting = "running" if self._is_running else "idle", "one" if self._next else "none"
        return f"<SingleFlight, {state}, {waiting} next>"

    async def join(self) -> Shared:
        """The outcome of a run that begins after this call. Raises what the work raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> None:
        try:
            while self._next is not None:
                joined, self._next = self._next, None
                await self._one(joined)
        finally:
            self._is_running = False
            if self._next is not None:  # we are cancelled: so are those who wait
                self._next.cancel()
                self._next = None

    async def _one(self, joined: asyncio.Future[Shared]) -> None:
        try:
            joined.set_result(await self._work())
        except asyncio.CancelledError:
            joined.cancel()
            raise
        except Exception as problem:
            joined.set_exception(problem)
            joined.exception()  # retrieved: those who asked may all be gone
