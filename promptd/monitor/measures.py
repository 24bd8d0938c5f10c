"""Measures: from samples to the figures of each window.

`SUMS` says where each counter is found in the sections of a sample, `Window` what is reported of it. A
section that is missing or failed lacks its figures and nothing else. Pure: everything comes with the sample,
time included (`uptime_s`, which never goes back).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from promptd import errors
from promptd.monitor.sampler import Sample
from promptd.monitor.windows import (
    SPANS_S,
    Slice,
    Totals,
    Windows,
)
from promptd.support.stats import Histogram

CLIENTS_OWN = frozenset(leaf.__name__ for leaf in errors.leaves(errors.RequestError))
CACHES = ("served", "prompts", "compiled_prompts", "components")
ERROR = "error "  # before the type, in the names of sums
_EMPTY = Histogram()

SUMS: Mapping[str, str] = {
    "requests": "requests.requests",
    **{f"{cache}_{what}": f"cache.{cache}.{what}" for cache in CACHES for what in ("hits", "misses")},
    "loads": "loader.reads",
    "tokens_served": "savings.tokens_served",
    "replies": "savings.savings.replies",
    "replies_without_strategy": "savings.savings.by_strategy.none",
    "tokens_baseline": "savings.savings.tokens_baseline",
    "tokens_saved": "savings.savings.tokens_saved",
    "cost_saved": "savings.savings.cost_saved",
    "missed_events": "maintenance.missed_events_total",
}


class Percentiles(msgspec.Struct, frozen=True):
    """A distribution in milliseconds; all 0 if nothing was recorded."""

    count: int
    mean: float
    minimum: float
    maximum: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float


class HitRatios(msgspec.Struct, frozen=True):
    """Cache hits over look-ups, None without look-ups.

    `served`: prompts that needed no file read over all prompts; the caches of prompts, of compiled prompts
    and of components show where they came from.
    """

    served: float | None
    prompts: float | None
    compiled_prompts: float | None
    components: float | None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What happened within one window; `covered_s` is how much of it was measured.

    `errors` are server-side errors: invalid files, overload, defects. `errors_by_type` has all errors.
    """

    span_s: float
    covered_s: float
    requests: int
    requests_per_s: float | None
    errors: int
    error_ratio: float | None
    errors_by_type: dict[str, int]
    latency_ms: Percentiles
    scan_latency_ms: Percentiles
    service_latency_ms: Percentiles
    load_ms: Percentiles
    loop_lag_ms: Percentiles
    change_to_warm_ms: Percentiles
    hit_ratio: HitRatios
    lookups: int
    loads: int
    parallel_loads_max: int
    tokens_served: int
    replies_with_strategy: int
    tokens_baseline: int
    tokens_saved: int
    reduction: float | None
    cost_saved: float
    cpu_percent: float | None
    memory_bytes_max: int
    descriptors_max: int
    missed_events: int


class Measures:
    """Takes samples and computes the figures of each window."""

    def __init__(self) -> None:
        self._windows = Windows()
        self._last: Totals | None = None
        self.warm_s: float | None = None  # what happened before is not evaluated
        self._known: dict[tuple[str, float, float], Window] = {}  # of the last sample

    def __repr__(self) -> str:
        return f"<Measures {self._windows!r}>"

    def take(self, sample: Sample) -> None:
        """Add what happened since the last sample to every window; a sample that comes late is dropped."""
        now, last = totals_of(sample), self._last or Totals(0.0, {}, {}, {})
        if now.at_s >= last.at_s:
            self._windows.add(now.slice_since(last))
            self._last = now
            self._known.clear()

    def begin_to_judge(self, now_s: float) -> None:
        """The warm-up is over: `judged` counts from now on."""
        self.warm_s = now_s
        self._windows.cut()
        self._known.clear()

    def window(self, name: str, now_s: float) -> Window:
        """One window, warm-up included."""
        return self._window(name, now_s, 0.0)

    def judged(self, name: str, now_s: float) -> Window:
        """One window without what happened during the warm-up."""
        since_s = float("inf") if self.warm_s is None else self.warm_s
        is_past = since_s < now_s - 2 * SPANS_S[name][0]  # then no slice of the window is as old
        return self._window(name, now_s, 0.0 if is_past else since_s)

    def _window(self, name: str, now_s: float, since_s: float) -> Window:
        key = name, now_s, since_s
        if key not in self._known:
            self._known[key] = figures(SPANS_S[name][0], self._windows.read(name, now_s, since_s))
        return self._known[key]

    def all_windows(self, now_s: float) -> dict[str, Window]:
        """Every window by name."""
        return {name: self.window(name, now_s) for name in SPANS_S}


def totals_of(sample: Sample) -> Totals:
    """Every count and gauge of a sample."""
    sums = {name: found for name, path in SUMS.items() if (found := at(sample.sections, path)) is not None}
    by_type = at(sample.sections, "requests.errors")
    for kind, count in by_type.items() if isinstance(by_type, Mapping) else ():
        sums[ERROR + kind] = count
    gauges: dict[str, float] = {}
    if (process := sample.process) is not None:
        sums["cpu_s"] = process.cpu_user_s + process.cpu_system_s
        gauges |= {"memory_bytes": process.rss_bytes, "descriptors": process.open_descriptors}
    return Totals(sample.uptime_s, sums, gauges, sample.histograms)


def at(sections: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path through records and mappings, None if there is none."""
    found: Any = sections
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
    return found


def figures(span_s: float, piece: Slice) -> Window:
    """The figures of one merged slice."""
    covered_s = piece.end_s - piece.start_s
    total = _counter(piece)
    by_type = {name.removeprefix(ERROR): int(n) for name, n in piece.sums.items() if name.startswith(ERROR)}
    by_type = {name: count for name, count in sorted(by_type.items()) if count}
    ours = sum(count for name, count in by_type.items() if name.rpartition(".")[2] not in CLIENTS_OWN)
    requests = total("requests")
    return Window(
        span_s=span_s,
        covered_s=round(covered_s, 3),
        requests=requests,
        requests_per_s=round(requests / covered_s, 3) if covered_s else None,
        errors=ours,
        error_ratio=ours / requests if requests else None,
        errors_by_type=by_type,
        latency_ms=spread(piece, "latency_us"),
        scan_latency_ms=spread(piece, "scan_latency_us"),
        service_latency_ms=spread(piece, "service_latency_us"),
        load_ms=spread(piece, "load_us"),
        loop_lag_ms=spread(piece, "loop_lag_us"),
        change_to_warm_ms=spread(piece, "change_to_warm_ms"),
        hit_ratio=HitRatios(*(_hit_ratio(total, cache) for cache in CACHES)),
        lookups=total("served_hits") + total("served_misses"),
        loads=total("loads"),
        parallel_loads_max=piece.histograms.get("loads_at_once", _EMPTY).statistics().maximum,
        tokens_served=total("tokens_served"),
        replies_with_strategy=total("replies") - total("replies_without_strategy"),
        tokens_baseline=total("tokens_baseline"),
        tokens_saved=total("tokens_saved"),
        reduction=_share(total("tokens_saved"), total("tokens_baseline")),
        cost_saved=round(piece.sums.get("cost_saved", 0.0), 6),
        cpu_percent=round(100 * piece.sums["cpu_s"] / covered_s, 2) if _has_cpu(piece) else None,
        memory_bytes_max=int(piece.peaks.get("memory_bytes", 0)),
        descriptors_max=int(piece.peaks.get("descriptors", 0)),
        missed_events=total("missed_events"),
    )


def spread(piece: Slice, name: str) -> Percentiles:
    """A histogram of µs (or of ms, by its name) in milliseconds."""
    found = piece.histograms.get(name, _EMPTY).statistics()
    unit = 1000 if name.endswith("_us") else 1
    ms = (getattr(found, each) / unit for each in Percentiles.__struct_fields__[1:])
    return Percentiles(found.count, *(round(each, 4) for each in ms))


def _counter(piece: Slice) -> Callable[[str], int]:
    return lambda name: int(piece.sums.get(name, 0))


def _has_cpu(piece: Slice) -> bool:
    return "cpu_s" in piece.sums and piece.end_s > piece.start_s


def _hit_ratio(total: Callable[[str], int], cache: str) -> float | None:
    return _share(total(f"{cache}_hits"), total(f"{cache}_hits") + total(f"{cache}_misses"))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
