"""End to end: the latency of requests over a real socket, on one connection and on sixteen.

Two kinds of request: the mix (with new values, so that prompts are really assembled), and components that the
daemon has just sent, which are in its cache. The daemon is warmed by the mix; client and daemon share the
machine, and with more connections a request also waits for those before it.
"""

from itertools import cycle
from pathlib import Path

from promptd.cli.bench.load import Timings, closed_loop
from promptd.cli.bench.mix import Mix, line
from promptd.cli.bench.results import Latency, Times
from promptd.sources.loader import Progress

CONNECTIONS = (1, 16)
SECONDS = 2.0
CACHED = 40  # components; fewer than any sensible cache holds


def measure(
    socket: Path, mix: Mix, *, seconds: float | None = None, progress: Progress | None = None
) -> Latency:
    """Ask for `seconds` (by default SECONDS) in each of the four ways."""
    seconds = seconds or SECONDS
    names = mix.components[:CACHED]
    cached = [line(number, "get", {"name": name}) for number, name in enumerate(names, 1)]
    closed_loop(socket, 1, cycle(cached), count=2 * len(cached))  # now they are in the cache
    took: dict[str, list[Times]] = {"mix": [], "cached": []}
    for number, connections in enumerate(CONNECTIONS):
        lines = mix.lines(label=f"latency {connections}")
        took["mix"].append(_times(closed_loop(socket, connections, lines, seconds=seconds), connections))
        closed_loop(socket, 1, cycle(cached), count=2 * len(cached))
        took["cached"].append(
            _times(closed_loop(socket, connections, cycle(cached), seconds=seconds), connections)
        )
        if progress is not None:
            progress(number + 1, len(CONNECTIONS))
    return Latency(mix=tuple(took["mix"]), cached_components=tuple(took["cached"]))


def _times(timings: Timings, connections: int) -> Times:
    return Times(
        connections=connections,
        requests=len(timings.took_ms),
        errors=timings.errors,
        rate=timings.rate,
        p50_ms=timings.percentile(50),
        p95_ms=timings.percentile(95),
        p99_ms=timings.percentile(99),
    )
