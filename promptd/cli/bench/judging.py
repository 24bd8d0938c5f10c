"""Judging: each figure against its target, and a grade from how many of the targets are met.

The targets are those of the configuration's `[targets]`, so that `promptd bench` and a daemon's health agree;
times are judged at p95, as there. A target without a figure (no strategy configured, no requests) or a target
of 0, which disables it, is not judged. Grades: A from 90 % of the judged targets met, B 80, C 70, D 60.
"""

from collections.abc import Sequence

from promptd.cli.bench.results import (
    BenchCheck,
    BenchVerdict,
    Caching,
    Latency,
    Loading,
    Reduction,
    Times,
)
from promptd.config.schema import TargetsConfig
from promptd.monitor.health import grade_of

LOADING_SAVED = 0.40  # of the time of a plain loader; not a target of a running daemon, which loads once
SHORT_S = 0.05  # what a plain loader does in less is over before anything could be saved
CACHED_MS = 5.0


def judge(
    targets: TargetsConfig, caching: Caching, loading: Loading, reduction: Reduction, latency: Latency
) -> BenchVerdict:
    """Hold the figures of a run against the targets."""
    checks = (
        _check("cache hit ratio", caching.hit_ratio, "ratio", at_least=targets.hit_ratio_min),
        _loading(loading),
        _reduction(reduction, targets),
        _latency("response time p95", latency.mix, targets.response_time_max),
        _latency("cached component p95", latency.cached_components, CACHED_MS),
        _check("failed requests", float(_errors(caching, latency)), "requests", at_most=0.0),
    )
    judged = [check for check in checks if check.met is not None]
    met = sum(check.met is True for check in judged)
    return BenchVerdict(checks=checks, judged=len(judged), met=met, grade=grade_of(met / len(judged)))


def _check(
    name: str,
    value: float | None,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> BenchCheck:
    met = None
    if value is not None and not (at_least == 0.0 and at_most is None):
        met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return BenchCheck(
        name=name, value=value, unit=unit, at_least=at_least, at_most=at_most, met=met, note=note
    )


def _loading(loading: Loading) -> BenchCheck:
    if loading.plain_s < SHORT_S:
        note = f"not judged: the baseline takes only {1000 * loading.plain_s:.0f} ms"
        return _check("loading time saved", None, "ratio", at_least=LOADING_SAVED, note=note)
    return _check("loading time saved", loading.saved_share, "ratio", at_least=LOADING_SAVED)


def _reduction(reduction: Reduction, targets: TargetsConfig) -> BenchCheck:
    found = reduction.of_configured()
    if found is None:
        note = f'not judged: tokens.strategy is "{reduction.configured}"'
    else:
        note = f"strategy {found.name}"
    return _check(
        "token reduction",
        None if found is None else found.reduction,
        "ratio",
        at_least=targets.reduction_min,
        at_most=targets.reduction_max or None,
        note=note,
    )


def _latency(name: str, times: Sequence[Times], most_ms: float) -> BenchCheck:
    """The worst of the numbers of connections."""
    if not most_ms:
        return _check(name, None, "ms", note="disabled: the target is 0")
    worst = max(times, key=lambda each: each.p95_ms, default=None)
    if worst is None or not worst.requests:
        return _check(name, None, "ms", at_most=most_ms, note="not judged: no replies")
    return _check(
        name, worst.p95_ms, "ms", at_most=most_ms, note=f"slowest, on {_connections(worst.connections)}"
    )


def _connections(number: int) -> str:
    return f"{number} connection" + ("" if number == 1 else "s")


def _errors(caching: Caching, latency: Latency) -> int:
    return caching.errors + sum(each.errors for each in (*latency.mix, *latency.cached_components))
