"""Background tasks: the types by which they are started and reported, and how they let requests go first.

No task is made here: the daemon owns its tasks and hands a `Spawn` to the parts that need one, so that they
can be tested with a list of tasks and need not know the event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

BackgroundTask = asyncio.Task[None]
Spawn = Callable[[Coroutine[Any, Any, None]], BackgroundTask]  # starts a task that its owner keeps and ends
ReportError = Callable[[BaseException, str], None]  # an unforeseen error, and the method it happened in or ""


async def yield_to_requests() -> None:
    """Let the event loop handle what has arrived; to be awaited between the steps of background work."""
    await asyncio.sleep(0)
