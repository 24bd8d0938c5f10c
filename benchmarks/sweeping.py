"""How long a reconcile of 100,000 files keeps the event loop, and what a start from the index costs there.

The loop is a real one, watched from inside by a callback in every turn: processor time of the loop's own
thread is what a reconcile puts there; the time on the clock includes what other threads and programs took.
The library has a line a file: what is measured is the state and the walk, not the disk.
"""

import asyncio
import gc
import os
import statistics
import time
from array import array
from collections.abc import Awaitable, Sequence
from pathlib import Path

from benchmarks import libraries
from benchmarks.scaling import _opened
from benchmarks.table import Row, percentile
from promptd.daemon.lifecycle import GARBAGE
from promptd.daemon.state.index_file import (
    AT_ONCE,
    IndexFile,
    Writing,
    shelves_of,
)
from promptd.engine import procedures
from promptd.engine.workspace import Workspace

FILES, CHANGED = 100_000, 1_000


def reconciling(directory: str) -> list[Row]:
    """Turns of the loop during reconciles that find nothing, and that find a thousand changes."""
    ids = _written(f"{directory}/library")
    workspace = _opened(f"{directory}/library")
    procedures.run(workspace, procedures.reconcile(workspace))
    _age(workspace)
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    rows = [
        _row(
            "nothing changed",
            asyncio.run(_turns(procedures.drive(workspace, procedures.reconcile(workspace)))),
        )
    ]
    for at in range(0, FILES, FILES // CHANGED):
        libraries.write(f"{directory}/library/{ids[at]}", f"Changed {at}.\n")
    rows.append(
        _row(
            "1,000 changed", asyncio.run(_turns(procedures.drive(workspace, procedures.reconcile(workspace))))
        )
    )
    recalled_s = _recalled(workspace, directory)
    workspace.close()
    how = "in process, median of 3: read the index, walk, apply"
    return [*rows, Row(f"{FILES:,} files: whole state from the index", f"{recalled_s:.2f} s", "", "", how)]


def _written(directory: str) -> list[str]:
    ids = [f"{at % 100:02}/{at // 100 % 10}/c{at:06}.md" for at in range(FILES)]
    for at, id in enumerate(ids):
        target = ids[(at * 7919) % (FILES // 3)]
        include = f"<include>{target}</include>\n" if at % 3 else ""
        libraries.write(f"{directory}/{id}", f"Text {at}.\n{include}")
    return ids


def _age(workspace: Workspace) -> None:
    """As after some seconds: what was racily clean has been read again."""
    time.sleep(2.1)
    procedures.run(workspace, procedures.reconcile(workspace))


async def _turns(work: Awaitable[object]) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds of each turn of the loop while some work goes on: of its thread, and on the clock."""
    turns, clock = array("d"), array("d")  # numbers only: lists of tuples would be seen by the collector
    task = asyncio.ensure_future(work)
    own_s, clock_s = time.thread_time(), time.perf_counter()
    while not task.done():
        await asyncio.sleep(0)
        turns.append((time.thread_time() - own_s) * 1000)
        clock.append((time.perf_counter() - clock_s) * 1000)
        own_s, clock_s = time.thread_time(), time.perf_counter()
    await task
    return turns, clock


def _row(what: str, turns: tuple[Sequence[float], Sequence[float]]) -> Row:
    own, clock = turns
    how = (
        f"processor time of the loop's thread, of {len(own):,} turns; on the clock {max(clock):.1f} ms, p99.9"
    )
    figure = f"longest event loop turn of a rescan, {FILES:,} files, {what}"
    return Row(figure, f"{max(own):.1f} ms", "≤ 5 ms", "", f"{how} {percentile(clock, 99.9):.1f} ms")


def _recalled(workspace: Workspace, directory: str) -> float:
    """Seconds from an index on disk to a whole library, garbage collection off as in a daemon's start."""
    file, writing = IndexFile(Path(directory)), Writing(shelves_of(workspace))
    readings = list(workspace.library.readings())
    for at in range(0, len(readings), AT_ONCE):
        writing.add(readings[at : at + AT_ONCE])
    file.write(writing)
    del readings, writing
    took = []
    for _ in range(3):
        gc.collect()
        gc.disable()
        started = time.perf_counter()
        again = _opened(f"{directory}/library")
        again.loader.index = file.read(shelves_of(again))
        procedures.run(again, procedures.reconcile(again))
        took.append(time.perf_counter() - started)
        gc.enable()
        again.close()
    return statistics.median(took)


if __name__ == "__main__":
    import sys
    import tempfile

    from benchmarks.table import render

    sys.setswitchinterval(0.001)  # as the daemon does
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("TMPDIR")) as place:
        print(render(reconciling(place)))
