"""What watching costs: from an edit to a warm prompt, idle CPU, stalls of the loop, batches of a burst.

    python -m benchmarks.watching [SECONDS_IDLE]

Writes below a temporary directory. The figures are those of decisions 0020 and 0094 in docs/decisions/. CPU
times are of the whole process as the kernel counts them; on a busy machine they grow, for every wake-up finds
cold caches.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

from promptd import config
from promptd.config.schema import WatchConfig
from promptd.core.library.resolve import NamingRules
from promptd.daemon.maintenance import Maintenance
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace
from promptd.protocol.request import request_of
from promptd.sources.worktree.files import Worktree
from promptd.support.locks import StateLock
from promptd.watch.watcher import Timing, Watcher

IDLE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
EDITS = 150
TIMINGS = ((50, 30), (20, 30), (20, 10), (25, 5), (10, 10), (10, 5), (5, 5))  # step and settle, in ms
COMPONENTS = 12


def watch(root: str) -> Watcher:
    """A watcher of all directories below `root`."""
    return Watcher([root], Worktree([root], NamingRules((".md",))).directories, lambda _: False, Timing())


def touch(path: str) -> None:
    """Make an empty file."""
    with open(path, "w"):
        pass


def make_directories(root: str, count: int) -> None:
    """Make sure that there are `count` of them."""
    for number in range(count):
        os.makedirs(f"{root}/{number}", exist_ok=True)


def make_library(root: str) -> None:
    """A hundred directories, a prompt that includes twelve components of some lines."""
    make_directories(root, 100)
    includes = "".join(f"<include>{number}/part.md</include>\n" for number in range(COMPONENTS))
    Path(f"{root}/prompt.md").write_text(includes)
    for number in range(COMPONENTS):
        Path(f"{root}/{number}/part.md").write_text(f"Part {number}.\n" + "Be kind to strangers.\n" * 40)


def workspace_of(root: str) -> Workspace:
    """The library, read, with a real vocabulary."""
    settings = config.load(None, {}, {"roots": [root]})
    workspace = open_worktree(
        settings, Tokenizer(settings.tokens.encoding), instance="bench", now_s=time.time()
    )
    workspace.tokenizer.load()
    procedures.run(workspace, procedures.reconcile(workspace))
    return workspace


async def edit_to_warm(root: str) -> None:
    """One edit at a time, with uneven pauses: time until the prompt is assembled anew, without a request."""
    make_library(root)
    workspace, tasks = workspace_of(root), set[asyncio.Task[None]]()
    request = request_of(("prompt",))
    for step_ms, settle_ms in TIMINGS:
        current, lock = Current(workspace), StateLock(Path(root).parent)  # nothing is saved there
        maintenance = Maintenance(
            current, lock, lambda work: (task := asyncio.create_task(work), tasks.add(task))[0]
        )
        workspace.observers[:] = [maintenance.changed]
        await maintenance.follower.watch(WatchConfig(poll_interval=step_ms, debounce=settle_ms))
        maintenance.begin()
        await procedures.drive(workspace, procedures.assemble(workspace, request, workspace.source.check()))
        await asyncio.sleep(1.0)
        idle_from_s = time.process_time()
        await asyncio.sleep(IDLE_S)
        idle_percent = (time.process_time() - idle_from_s) / IDLE_S * 100
        took_ms = [await one_edit(root, workspace, number) for number in range(EDITS)]
        await maintenance.follower.watch(WatchConfig(enabled=False))
        took_ms.sort()
        print(
            f"step {step_ms:2} ms, settle {settle_ms:2} ms: idle {idle_percent:.2f} %, edit to warm "
            f"p50 {statistics.median(took_ms):.0f} ms, p99 {took_ms[-2]:.0f} ms"
        )


async def one_edit(root: str, workspace: Workspace, number: int) -> float:
    """Save one component as editors do and wait until the prompt holds it; ms."""
    text, request = f"Edit {number} of {time.time_ns()}.\n", request_of(("prompt",))
    path = f"{root}/{number % COMPONENTS}/part.md"
    started_s = time.perf_counter()
    Path(f"{path}.tmp").write_text(text)
    os.replace(f"{path}.tmp", path)
    while (held := workspace.prompts.peek(request)) is None or text not in held.prompt.text:  # noqa: ASYNC110
        await asyncio.sleep(0.0005)
    took_ms = (time.perf_counter() - started_s) * 1e3
    await asyncio.sleep(0.05 + number % 7 * 0.003)
    return took_ms


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
    """Twenty directories made and removed: each remakes a notifier, which holds the interpreter lock."""
    sys.setswitchinterval(0.001)  # as the daemon does
    for count in (100, 1_000, 5_000):
        make_directories(root, count)
        async with watch(root) as watcher:
            await anext(watcher)

            async def twenty(count: int = count, watcher: Watcher = watcher) -> None:
                for number in range(20):
                    os.mkdir(f"{root}/new-{count}-{number}")
                    await anext(watcher)
                for number in range(20):
                    os.rmdir(f"{root}/new-{count}-{number}")
                    await anext(watcher)

            stall_ms = await longest_stall_ms(twenty)
            otherwise_ms = await longest_stall_ms(lambda: asyncio.sleep(1.0))
            notifiers = watcher.statistics().notifiers
            print(
                f"{count:5} directories, {notifiers} groups: longest stall {stall_ms:.1f} ms in 40 changes,"
                f" {otherwise_ms:.1f} ms without any"
            )


async def batches_of_a_burst(root: str) -> None:
    """5,000 files in one go."""
    make_directories(root, 1)

    def burst() -> None:
        for number in range(5_000):
            touch(f"{root}/0/burst-{number}.md")

    async with watch(root) as watcher:
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
    for measure in (edit_to_warm, stall_by_directories, batches_of_a_burst):
        with tempfile.TemporaryDirectory() as place:
            root = f"{os.path.realpath(place)}/library"
            os.mkdir(root)
            await measure(root)


if __name__ == "__main__":
    asyncio.run(main())
