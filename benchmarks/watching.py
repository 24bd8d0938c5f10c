"""What watching costs: latency and idle CPU by step, stalls by number of directories, batches of a burst.

    python benchmarks/watching.py [SECONDS_IDLE]

Writes below a temporary directory. The figures are those of docs/decisions/0020-watching.md.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import psutil

from promptd.watch.watcher import Timing, Watcher

IDLE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0


def cpu_s() -> float:
    """CPU time of this process so far, in seconds."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def watch(root: str, timing: Timing) -> Watcher:
    """A watcher of all directories below `root`."""
    return Watcher([root], lambda: [place for place, _, _ in os.walk(root)], lambda _: False, timing)


def touch(path: str) -> None:
    """Make an empty file."""
    with open(path, "w"):
        pass


def make_directories(root: str, count: int) -> None:
    """Make sure that there are `count` of them."""
    for number in range(count):
        os.makedirs(f"{root}/{number}", exist_ok=True)


async def latency_by_step(root: str) -> None:
    """One new file at a time, with uneven pauses: time until the reader holds the batch."""
    make_directories(root, 100)
    for timing in (Timing(50, 30), Timing(20, 30), Timing(10, 30), Timing(5, 10)):
        async with watch(root, timing) as watcher:
            await anext(watcher)
            idle_from_s = cpu_s()
            await asyncio.sleep(IDLE_S)
            idle_percent = (cpu_s() - idle_from_s) / IDLE_S * 100
            took_ms = []
            for number in range(100):
                started_s = time.perf_counter()
                touch(f"{root}/{number}/{timing.step_ms}.md")
                await anext(watcher)
                took_ms.append((time.perf_counter() - started_s) * 1e3)
                await asyncio.sleep(0.05 + number % 7 * 0.003)
        p99 = sorted(took_ms)[98]
        print(
            f"step {timing.step_ms:3} ms, settle {timing.settle_ms} ms: idle {idle_percent:.1f} %, "
            f"p50 {statistics.median(took_ms):.0f} ms, p99 {p99:.0f} ms"
        )


async def longest_stall_ms(during: Callable[[], Awaitable[None]]) -> float:
    """The longest time the event loop was away while `during` ran."""
    ticks = [time.perf_counter()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.0005)
            ticks.append(time.perf_counter())

    ticking = asyncio.create_task(tick())
    await during()
    ticking.cancel()
    return max(later - earlier for earlier, later in pairwise(ticks)) * 1e3


async def stall_by_directories(root: str) -> None:
    """Five directories made one after the other: each makes a new notifier, which holds the GIL."""
    for count in (100, 1_000, 5_000):
        make_directories(root, count)
        async with watch(root, Timing()) as watcher:
            await anext(watcher)

            async def five(count: int = count, watcher: Watcher = watcher) -> None:
                for number in range(5):
                    os.mkdir(f"{root}/new-{count}-{number}")
                    await anext(watcher)

            print(f"{count:5} directories: longest stall at a mkdir {await longest_stall_ms(five):.0f} ms")


async def batches_of_a_burst(root: str) -> None:
    """5,000 files in one go."""
    make_directories(root, 1)

    def burst() -> None:
        for number in range(5_000):
            touch(f"{root}/0/burst-{number}.md")

    async with watch(root, Timing()) as watcher:
        await anext(watcher)
        await asyncio.to_thread(burst)
        touch(f"{root}/last.md")
        count = 0
        try:
            async with asyncio.timeout(1.5):
                while await anext(watcher):
                    count += 1
        except TimeoutError:
            print(f"5,000 files: {count} batches of {watcher.statistics().events} events")


async def main() -> None:
    """Run all three, each on a library of its own."""
    for measure in (latency_by_step, stall_by_directories, batches_of_a_burst):
        with tempfile.TemporaryDirectory() as place:
            root = f"{place}/library"
            os.mkdir(root)
            await measure(root)


if __name__ == "__main__":
    asyncio.run(main())
