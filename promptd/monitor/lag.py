"""Event loop lag: how much later than requested a sleeping task wakes up.

What delays this task delays every request. One wake-up each half second: about 20 µs of CPU.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from promptd.support.stats import Histogram

INTERVAL_S = 0.5


class LoopLag:
    """Measures the lag of the loop it runs in, while `run` runs."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.lag_us = Histogram()
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"<LoopLag {self.lag_us!r}>"

    async def run(self) -> None:
        """Sleep and record how late it was, until cancelled."""
        while True:
            due_s = self._clock() + INTERVAL_S
            await self._sleep(INTERVAL_S)
            self.lag_us.record(int(1e6 * (self._clock() - due_s)))
