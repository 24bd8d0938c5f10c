"""Warming: prompts that a change dropped are assembled again, and the hot set is kept in memory.

The dropped prompts come back most recently used first, up to a bound; the rest wait for their next request.
It is measured how long it takes from a change until everything is warm again (`change_to_warm_ms`).
"""

import asyncio
import time
from collections.abc import Iterable

from promptd.core.library.graph import strongly_connected
from promptd.daemon.tasks import Failures
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.errors import PromptdError
from promptd.protocol.request import Request
from promptd.support import log
from promptd.support.stats import Histogram
from promptd.support.tasks import Spawn

MAX_REWARMED = 256  # prompts assembled again after one change; the rest wait for their next request

_log = log.get_logger("promptd.daemon")


async def warm_up(workspace: Workspace) -> None:
    """Load the vocabulary, read and count what is hot: what the first requests would otherwise wait for.

    Raises ConfigError: the vocabulary is damaged.
    """
    await asyncio.to_thread(workspace.tokenizer.load)
    if not await asyncio.to_thread(workspace.segments.verify):
        _log.warning("token counts kept on disk are wrong: everything is counted afresh")
        workspace.forget_prompts()
    await asyncio.to_thread(strongly_connected, {})  # imports networkx
    await procedures.drive(workspace, procedures.warm(workspace))
    await procedures.drive(workspace, procedures.count_hot(workspace))


class Warmer:
    """Keeps the current workspace warm."""

    def __init__(self, current: Current, spawn: Spawn, failures: Failures) -> None:
        self.rewarmed = 0
        self.change_to_warm_ms = Histogram()
        self.is_running = False
        self._current = current
        self._spawn = spawn
        self._failures = failures
        self._due: dict[Request, None] = {}
        self._changed_s: float | None = None  # when the first change of this run was made

    def __repr__(self) -> str:
        return f"<Warmer {self.rewarmed} re-warmed>"

    def changed(self, dropped: Iterable[Request], began_s: float) -> None:
        """A change that was made at `began_s` (monotonic) made these prompts untrue: make them warm again."""
        if self._changed_s is None:
            self._changed_s = began_s
        self.warm_soon(dropped)

    def warm_soon(self, requests: Iterable[Request]) -> None:
        """Assemble these, unless they are held by then, and pin the hot set; in a task."""
        self._due |= dict.fromkeys(requests)
        if not self.is_running:
            self.is_running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            await self.warm_hot_set()
            for _ in range(MAX_REWARMED):
                if not self._due:
                    break
                await self._failures.survive("warm", self._assemble(self._due.popitem()[0]))
            if self._changed_s is not None:
                self.change_to_warm_ms.record(int(1000 * (time.monotonic() - self._changed_s)))
        finally:
            self._due.clear()
            self._changed_s = None
            self.is_running = False

    async def warm_hot_set(self) -> None:
        """Pin the hot set and read what of it is not in the cache."""
        workspace = self._current.workspace
        await self._failures.survive("warm", procedures.drive(workspace, procedures.warm(workspace)))

    async def _assemble(self, request: Request) -> None:
        workspace = self._current.workspace
        if workspace.prompts.peek(request) is not None:
            return  # a request has asked for it meanwhile
        try:
            made = procedures.cached_prompt(workspace, request, workspace.source.check())
            cached = await procedures.drive(workspace, made)
            cached.uses -= 1  # this is no request
            self.rewarmed += 1
        except PromptdError as error:
            _log.debug("prompt no longer assembles", names=request.names, error=error.type)
        await asyncio.sleep(0)  # requests go first
