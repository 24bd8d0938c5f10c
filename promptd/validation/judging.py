"""Judging: each figure against its target, and a grade from how many of the targets are met.

A ≥ 90 %, B ≥ 80 %, C ≥ 70 %, D ≥ 60 % of the judged targets, F below. A target without a figure (no strategy
is configured, nothing was asked) is not judged, and counts neither way.
"""

from collections.abc import Sequence

import msgspec

from promptd.validation.caching import Caching
from promptd.validation.latency import Latency, Times
from promptd.validation.loading import Loading
from promptd.validation.reduction import Reduction

HIT_RATIO = 0.75
LOADING_SAVED = 0.40
REDUCTION = (0.30, 0.60)
RESPONSE_MS = 100.0
CACHED_MS = 5.0
GRADES = ((0.90, "A"), (0.80, "B"), (0.70, "C"), (0.60, "D"))


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One figure and its bounds; `met` is None where it was not judged, and `note` says why."""

    name: str
    value: float | None
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    met: bool | None = None
    note: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, how many of them were judged and met, and the grade."""

    checks: tuple[Check, ...]
    judged: int
    met: int
    grade: str

    @property
    def is_good(self) -> bool:
        """True if every judged target is met."""
        return self.met == self.judged


def judge(caching: Caching, loading: Loading, reduction: Reduction, latency: Latency) -> Verdict:
    """Hold the figures of a run against the targets."""
    checks = (
        _check("cache hit ratio", caching.hit_ratio, "ratio", at_least=HIT_RATIO),
        _check("loading time saved", loading.saved_share, "ratio", at_least=LOADING_SAVED),
        _reduction(reduction),
        _latency("response time p99", latency.mix, RESPONSE_MS),
        _latency("cached component p99", latency.cached_components, CACHED_MS),
        _check("requests answered with an error", float(_errors(caching, latency)), "requests", at_most=0.0),
    )
    judged = [check for check in checks if check.met is not None]
    met = sum(check.met is True for check in judged)
    return Verdict(checks=checks, judged=len(judged), met=met, grade=grade(met / len(judged)))


def grade(share_met: float) -> str:
    """The letter for a share of targets met."""
    return next((letter for least, letter in GRADES if share_met >= least), "F")


def _check(
    name: str,
    value: float | None,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> Check:
    met = None
    if value is not None:
        met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return Check(name=name, value=value, unit=unit, at_least=at_least, at_most=at_most, met=met, note=note)


def _reduction(reduction: Reduction) -> Check:
    found = reduction.of_configured()
    if found is None:
        note = f'not judged: tokens.strategy is "{reduction.configured}"'
    else:
        note = f"strategy {found.name}"
    least, most = REDUCTION
    value = None if found is None else found.reduction
    return _check("token reduction", value, "ratio", at_least=least, at_most=most, note=note)


def _latency(name: str, times: Sequence[Times], most_ms: float) -> Check:
    """The worst of the numbers of connections."""
    worst = max(times, key=lambda each: each.p99_ms, default=None)
    if worst is None or not worst.requests:
        return _check(name, None, "ms", at_most=most_ms, note="not judged: nothing was answered")
    return _check(
        name, worst.p99_ms, "ms", at_most=most_ms, note=f"the worst, on {_connections(worst.connections)}"
    )


def _connections(number: int) -> str:
    return f"{number} connection" + ("" if number == 1 else "s")


def _errors(caching: Caching, latency: Latency) -> int:
    return caching.errors + sum(each.errors for each in (*latency.mix, *latency.cached_components))
