"""Figures of size, in process: one change among 100,000 components, memory a component, loading with latency.

`Workspace.apply` is what the daemon does with every batch. The components are made without files: what is
measured is the state, not the disk.
"""

import gc
import os
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import libraries
from benchmarks.table import Row, ratios
from promptd.config.schema import Config, RootConfig
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.daemon.state.index_file import IndexFile, Writing, shelves_of
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.engine import procedures
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace
from promptd.sources.worktree.files import Worktree

SMALL, LARGE = 1_000, 100_000
CHANGES = 200
DIALECTS = ("include", "component", "front-matter", "at-import")
LATENCY_S = 0.002  # a read over a network file system


def _opened(*roots: str) -> Workspace:
    config = Config(roots=tuple(RootConfig(path=root) for root in roots))
    return open_worktree(config, Tokenizer(), instance="bench", now_s=time.time())


def _reading(at: int, of: int, version: int) -> Reading:
    text = f"---\ndescription: file {at}\n---\nVersion {version} of {at}.\n"
    if at % 3:
        text += f"<include>c/{(at * 7919) % (of // 3) * 3:06}.md</include>\n"
    id = f"c/{at:06}.md"
    digest = f"{at:032x}{version:032x}"
    return Reading(
        Place(0, id),
        FileSignature(1, at, len(text), 1 + version, 1),
        10**18,
        digest,
        text,
        parse(text, DIALECTS),
    )


def one_change() -> list[Row]:
    """One change at 100,000 components against one at 1,000, interleaved; memory of a component."""
    small = _opened("/nowhere")
    small.apply(_reading(at, SMALL, 0) for at in range(SMALL))
    gc.collect()
    tracemalloc.start()
    large = _opened("/nowhere")
    large.apply(_reading(at, LARGE, 0) for at in range(LARGE))
    gc.collect()
    texts = large.texts.statistics().size_bytes
    each = (tracemalloc.get_traced_memory()[0] - texts) / LARGE
    tracemalloc.stop()
    took: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for version in range(1, CHANGES + 1):
        for workspace, size in ((small, SMALL), (large, LARGE)):
            reading = _reading(1 + version * 3, size, version)
            started = time.perf_counter()
            workspace.apply([reading])
            took[size].append((time.perf_counter() - started) * 1e6)
    medians = f"{statistics.median(took[LARGE]):.0f} µs against {statistics.median(took[SMALL]):.0f} µs"
    return [
        Row(
            f"one change at {LARGE:,} components against {SMALL:,}",
            f"{ratios(took[LARGE], took[SMALL]):.2f} x",
            "≤ 2 x",
            "≤ 1.2 x",
            f"in process, {CHANGES} interleaved; {medians}",
        ),
        Row(
            f"memory per component at {LARGE:,}, without body",
            f"{each / 1000:.2f} KB",
            "≤ 3 KB",
            "",
            "tracemalloc",
        ),
    ]


# -- loading -------------------------------------------------------------------------------------


def loading(directory: str) -> list[Row]:
    """The whole library cold against the plain sequential loader; and with a file system that has latency."""
    library, state = f"{directory}/library", Path(f"{directory}/state")
    libraries.layered(library, 1_400, 8_000)
    state.mkdir()
    time.sleep(2.1)  # what is read sooner is racily clean and proves nothing
    _keep(_load(library, state), state)
    plain, ours, known = [], [], []
    for _ in range(3):
        plain.append(_timed(lambda: _plain(library)))
        ours.append(_timed(lambda: _load(library, state)))
        known.append(_timed(lambda: _known(library, state)))
    figure = (
        "whole library cold, kept index, time saved against a sequential loader that reads, parses and counts"
    )
    return [
        _saved(
            f"{figure}: components, graph and counts (texts on request)", known, plain, "≥ 40 %", "≥ 80 %"
        ),
        _saved(f"{figure}: every text read and counted as well", ours, plain, "", ""),
        _latency(library),
    ]


def _saved(figure: str, ours: Sequence[float], plain: Sequence[float], must: str, aim: str) -> Row:
    shown = f"{statistics.median(ours):.2f} s against {statistics.median(plain):.2f} s"
    return Row(figure, f"{100 * (1 - ratios(ours, plain)):.0f} %", must, aim, f"{shown}, processor time")


def _timed(call: object) -> float:
    """Seconds of processor time: nothing waits here, and other programs do not count."""
    started = time.process_time()
    call()  # type: ignore[operator]
    return time.process_time() - started


def _plain(directory: str) -> int:
    """What people write first: read one file after another, parse it, count it."""
    tokenizer = Tokenizer()
    tokenizer.load()
    total = 0
    for above, _, names in os.walk(directory):
        for name in names:
            with open(f"{above}/{name}", encoding="utf-8") as file:
                text = file.read()
            parse(text, DIALECTS)
            total += tokenizer.count(text)
    return total


def _known(directory: str, state: Path) -> Workspace:
    """What a daemon knows when it is READY: every component, the graph, and the counts of its last run."""
    workspace = _opened(directory)
    workspace.loader.index = IndexFile(state).read(shelves_of(workspace))
    workspace.segments.recall(TokenCountsFile(state).read(workspace.tokenizer.identity))
    procedures.run(workspace, procedures.reconcile(workspace))
    workspace.close()
    return workspace


def _load(directory: str, state: Path) -> Workspace:
    """The same with every text read and counted."""
    workspace = _known(directory, state)
    for id in workspace.library.ids():
        component = workspace.library.get(id)
        look = workspace.source.read(component.place) if component is not None else None
        if component is None or look is None or look.text is None or look.digest != component.digest:
            raise RuntimeError(f"{id} is not what it was")
        workspace.segments.count(look.text[component.parsed.body_start :])
    return workspace


def _keep(workspace: Workspace, state: Path) -> None:
    """What a daemon leaves behind for its next start."""
    writing = Writing(shelves_of(workspace))
    writing.add(list(workspace.library.readings()))
    IndexFile(state).write(writing)
    TokenCountsFile(state).save(workspace.segments, workspace.tokenizer.identity)


class _SlowFiles(Worktree):
    """File access where each look takes LATENCY_S."""

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        started = time.perf_counter()
        time.sleep(LATENCY_S)
        look = super().read(place, was_filled=was_filled)
        return replace(look, seconds=time.perf_counter() - started)


def _latency(directory: str) -> Row:
    took = []
    for workers in (1, 8):
        workspace = _opened(directory)
        files = workspace.source
        workspace.loader._source = _SlowFiles(files.roots, files.names)
        workspace.loader.workers.maximum = workers
        places: Sequence[Place] = list(files.scan().found)[:600]
        started = time.perf_counter()  # on the clock: waiting is the point
        workspace.loader.load_now(places)
        took.append(time.perf_counter() - started)
        workspace.close()
    figure = f"loading where each read takes {LATENCY_S * 1000:.0f} ms, up to 8 workers against 1"
    return Row(
        figure,
        f"{took[0] / took[1]:.1f} x faster",
        "",
        "",
        f"{took[1]:.2f} s against {took[0]:.2f} s, 600 files",
    )
