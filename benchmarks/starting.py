"""Figures of starting, changing and idling: whole processes, from before their interpreter starts."""

import contextlib
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks import libraries, servers
from benchmarks.servers import Daemon
from benchmarks.table import Row, percentile
from promptd.client import Client

FILES, MEAN_BYTES = 280, 2_600
MANY_FILES, MANY_MEAN_BYTES = 10_000, 8_000
STARTS, MANY_STARTS = 5, 3
EDITS = 60
IDLE_S = 10.0


def small(directory: str) -> list[Row]:
    """The library of 280 files: READY, memory, idle CPU, and edits."""
    libraries.layered(f"{directory}/library", FILES, MEAN_BYTES)
    ready = [_ready_s(directory, is_warm=False) for _ in range(STARTS)]
    rows = [
        Row(
            f"{FILES} files: cold start to READY",
            f"{statistics.median(ready):.2f} s",
            "≤ 1.0 s",
            "≤ 0.6 s",
            f"median of {STARTS} processes, page cache warm; best {min(ready):.2f} s",
        )
    ]
    with servers.promptd(f"{directory}/library", directory) as daemon:
        return [*rows, *_edits(daemon, f"{directory}/library"), *_resting(daemon)]


def many(directory: str) -> list[Row]:
    """10,000 files of 80 MB: the first answer of a cold daemon, READY of a warm one."""
    ids = libraries.layered(f"{directory}/library", MANY_FILES, MANY_MEAN_BYTES)
    first = [_first_answer_s(directory, ids[0]) for _ in range(MANY_STARTS)]
    _settle(directory, ids[0])
    warm = [_ready_s(directory, is_warm=True) for _ in range(MANY_STARTS)]
    figure = f"{MANY_FILES:,} files, 80 MB: "
    how = f"median of {MANY_STARTS} processes, page cache warm"
    return [
        Row(f"{figure}cold to first answer", f"{statistics.median(first):.2f} s", "≤ 2 s", "≤ 1 s", how),
        Row(f"{figure}warm restart to READY", f"{statistics.median(warm):.2f} s", "≤ 1 s", "≤ 0.5 s", how),
    ]


def _ready_s(directory: str, *, is_warm: bool) -> float:
    if not is_warm:
        _forget(directory)
    with servers.promptd(f"{directory}/library", directory) as daemon:
        return daemon.ready_s


def _first_answer_s(directory: str, id: str) -> float:
    _forget(directory)
    started = time.perf_counter()
    with servers.promptd(f"{directory}/library", directory, wait=False) as daemon:
        while True:
            with contextlib.suppress(OSError):
                daemon.ask("assemble", name=id, variables={"project": "x"})
                return time.perf_counter() - started
            time.sleep(0.005)


def _settle(directory: str, id: str) -> None:
    """One run that has read everything and was ended in order, so that it leaves what a restart may use."""
    with servers.promptd(f"{directory}/library", directory) as daemon:
        daemon.ask("assemble", name=id, variables={"project": "x"})
        daemon.ask("list", glob=id)  # waits for the whole library


def _forget(directory: str) -> None:
    shutil.rmtree(f"{directory}/state", ignore_errors=True)


def _edits(daemon: Daemon, library: str) -> list[Row]:
    """From the end of a write to the notification that the prompt, assembled again, is in the cache."""
    took = []
    with Client(daemon.path) as client:
        name = "commands/00/commands000000.md"
        changes = iter(client.subscribe(name, variables={"project": "x"}))
        for number, done_s in _writes(Path(library, name), EDITS):
            change = next(changes)
            took.append((time.perf_counter() - done_s) * 1000)
            if change.error:
                raise RuntimeError(f"edit {number}: {change.error}")
    value = f"{percentile(took, 50):.0f} ms / {percentile(took, 99):.0f} ms"
    how = f"p50 / p99 of {EDITS} edits, from the end of the write to the subscriber's notification"
    return [Row("edit to re-warmed prompt, watcher on", value, "≤ 40 / 150 ms", "≤ 20 / 60 ms", how)]


def _writes(path: Path, times: int) -> Iterator[tuple[int, float]]:
    text = path.read_text(encoding="utf-8")
    for number in range(times):
        time.sleep(0.1 + 0.013 * (number % 7))
        path.write_text(f"{text}Edit {number}.\n", encoding="utf-8")
        yield number, time.perf_counter()


def _resting(daemon: Daemon) -> list[Row]:
    process = psutil.Process(daemon.process.pid)
    time.sleep(3.0)  # what the edits left to do
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    idle = 100 * (after.user + after.system - before.user - before.system) / IDLE_S
    rss = process.memory_info().rss / 1e6
    return [
        Row(
            f"memory, {FILES} files, o200k_base",
            f"{rss:.0f} MB",
            "≤ 160 MB",
            "≤ 120 MB",
            "RSS after the edits",
        ),
        Row("idle CPU", f"{idle:.2f} %", "≤ 1 %", "≤ 0.3 %", f"of one core over {IDLE_S:.0f} s, watcher on"),
    ]
