"""Figures of size, in process: one change among 100,000 components, memory a component, loading with latency.

`Keeper.apply` is what the daemon does with every batch. The components are made without files: what is
measured is the state, not the disk.
"""

import gc
import os
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import libraries
from benchmarks.table import Row, ratios
from promptd import flows
from promptd.config.schema import Config, RootConfig
from promptd.engine.component import Place, Reading, Signature
from promptd.engine.parse import parse
from promptd.files import Files, Look
from promptd.keeper import Keeper
from promptd.tokenizer import Tokenizer

SMALL, LARGE = 1_000, 100_000
CHANGES = 200
DIALECTS = ("include", "component", "front-matter", "at-import")
LATENCY_S = 0.002  # a read over a network file system


def _keeper(*roots: str) -> Keeper:
    config = Config(roots=tuple(RootConfig(path=root) for root in roots))
    return Keeper(config, Tokenizer(), instance="bench", now_s=time.time())


def _reading(at: int, of: int, version: int) -> Reading:
    text = f"---\ndescription: file {at}\n---\nVersion {version} of {at}.\n"
    if at % 3:
        text += f"<include>c/{(at * 7919) % (of // 3) * 3:06}.md</include>\n"
    id = f"c/{at:06}.md"
    digest = f"{at:032x}{version:032x}"
    return Reading(
        Place(0, id), Signature(1, at, len(text), 1 + version, 1), 10**18, digest, text, parse(text, DIALECTS)
    )


def one_change() -> list[Row]:
    """One change at 100,000 components against one at 1,000, interleaved; memory of a component."""
    small = _keeper("/nowhere")
    small.apply(_reading(at, SMALL, 0) for at in range(SMALL))
    gc.collect()
    tracemalloc.start()
    large = _keeper("/nowhere")
    large.apply(_reading(at, LARGE, 0) for at in range(LARGE))
    gc.collect()
    texts = large.texts.statistics().size_bytes
    each = (tracemalloc.get_traced_memory()[0] - texts) / LARGE
    tracemalloc.stop()
    took: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for version in range(1, CHANGES + 1):
        for keeper, size in ((small, SMALL), (large, LARGE)):
            reading = _reading(1 + version * 3, size, version)
            started = time.perf_counter()
            keeper.apply([reading])
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
            f"memory a component at {LARGE:,}, without body",
            f"{each / 1000:.2f} KB",
            "≤ 3 KB",
            "",
            "tracemalloc",
        ),
    ]


# -- loading -------------------------------------------------------------------------------------


def loading(directory: str) -> list[Row]:
    """The whole library cold against the plain sequential loader; and with a file system that has latency."""
    libraries.layered(directory, 1_400, 8_000)
    plain, ours = [], []
    for _ in range(3):
        plain.append(_timed(lambda: _plain(directory)))
        ours.append(_timed(lambda: _load(directory)))
    shown = f"{statistics.median(ours):.2f} s against {statistics.median(plain):.2f} s"
    saved = 100 * (1 - ratios(ours, plain))
    return [
        Row(
            "whole library cold, time saved against a sequential loader",
            f"{saved:.0f} %",
            "≥ 40 %",
            "≥ 80 %",
            shown,
        ),
        _latency(directory),
    ]


def _timed(call: object) -> float:
    started = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - started


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


def _load(directory: str) -> Keeper:
    keeper = _keeper(directory)
    keeper.tokenizer.load()
    flows.run(keeper, flows.reconcile(keeper))
    for id in keeper.library.ids():
        keeper.segments.count(keeper.texts.peek(id) or "")
    keeper.close()
    return keeper


class _SlowFiles(Files):
    """A file-system door where each look takes LATENCY_S."""

    def look(self, place: Place, *, was_filled: bool = False) -> Look:
        started = time.perf_counter()
        time.sleep(LATENCY_S)
        look = super().look(place, was_filled=was_filled)
        return replace(look, seconds=time.perf_counter() - started)


def _latency(directory: str) -> Row:
    took = []
    for workers in (1, 8):
        keeper = _keeper(directory)
        files = keeper.files
        keeper.loader.files = _SlowFiles(files.roots, files.names)
        keeper.loader.workers.maximum = workers
        places: Sequence[Place] = list(files.scan().found)[:600]
        took.append(_timed(lambda keeper=keeper, places=places: keeper.loader.load_now(places)))
        keeper.close()
    figure = f"loading where each read takes {LATENCY_S * 1000:.0f} ms, up to 8 workers against 1"
    return Row(
        figure,
        f"{took[0] / took[1]:.1f} x faster",
        "",
        "",
        f"{took[1]:.2f} s against {took[0]:.2f} s, 600 files",
    )
