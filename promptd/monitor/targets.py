"""Targets: the configured bound of each figure, and how far the measured value meets it.

*Progress* toward a target is value / target where more is better and target / value where less is better: 1
is met, 0.5 is half as good. So 0.5 means the same for a hit ratio of 37.5 % (target 75 %) and a response time
of 200 ms (target 100 ms). Missing data is not a miss, and the warm-up is not evaluated. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from promptd.config.schema import TargetsConfig
from promptd.monitor.measures import Measures, Window
from promptd.monitor.windows import SPANS_S

INFINITY = float("inf")
TargetState = Literal["optimal", "met", "missed", "no_data", "warming", "off"]
# The value of a window, and its number of observations.
Measure = Callable[[Window], tuple[float | None, int]]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bounds; 0 disables a bound. `weight` is its part of the score."""

    name: str
    label: str
    unit: str
    weight: int
    measure: Measure
    minimum: float = 0.0
    maximum: float = 0.0
    optimal: float = 0.0

    @property
    def is_off(self) -> bool:
        """True if the configuration disables it."""
        return not (self.minimum or self.maximum)

    def progress(self, value: float) -> float:
        """Progress toward the target: 1 is just met, more is a margin."""
        least = max(value, 0.0) / self.minimum if self.minimum else INFINITY
        most = self.maximum / value if self.maximum and value > 0 else INFINITY
        return min(least, most)

    def capped_progress(self, value: float) -> float:
        """The same, at most 1."""
        return min(self.progress(value), 1.0)

    def progress_to_optimum(self, value: float) -> float:
        """Progress toward the optimum; infinite without one."""
        if not self.optimal:
            return INFINITY
        if self.minimum:
            return value / self.optimal
        return self.optimal / value if value > 0 else INFINITY

    def bound(self, value: float) -> float:
        """The bound that applies to a value."""
        return self.minimum if self.minimum and (value < self.minimum or not self.maximum) else self.maximum

    def is_optimal(self, value: float) -> bool:
        """True if the optimum is reached, or there is none."""
        return self.progress_to_optimum(value) >= 1


class TargetVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A target and the value measured in `window`, the shortest one with enough `samples`.

    `progress` is 1 if the target is met. `minimum`, `maximum` and `optimal` are None without such a bound.
    """

    name: str
    label: str
    unit: str
    minimum: float | None
    maximum: float | None
    optimal: float | None
    value: float | None
    window: str | None
    samples: int
    progress: float | None
    state: TargetState
    weight: int


def targets_of(config: TargetsConfig) -> tuple[Target, ...]:
    """Every target, as configured. Weights: what a user notices first counts most; they sum to 100."""
    return (*_targets_of_requests(config), *_targets_of_resources(config))


def _targets_of_requests(config: TargetsConfig) -> tuple[Target, ...]:
    return (
        Target(
            "response_time",
            "response time, p95",
            "ms",
            25,
            lambda window: (window.latency_ms.p95, window.latency_ms.count),
            maximum=config.response_time_max,
            optimal=config.response_time_optimal,
        ),
        Target(
            "hit_ratio",
            "cache hit ratio",
            "share",
            25,
            lambda window: (window.hit_ratio.served, window.lookups),
            minimum=config.hit_ratio_min,
            optimal=config.hit_ratio_optimal,
        ),
        Target(
            "errors",
            "server-side errors",
            "share",
            20,
            lambda window: (window.error_ratio, window.requests),
            maximum=config.error_ratio_max,
        ),
    )


def _targets_of_resources(config: TargetsConfig) -> tuple[Target, ...]:
    return (
        Target(
            "memory",
            "resident memory",
            "bytes",
            10,
            lambda window: (float(window.memory_bytes_max), _unlimited(window.memory_bytes_max)),
            maximum=float(config.memory_bytes_max),
        ),
        Target(
            "component_load",
            "component load time, p95",
            "ms",
            10,
            lambda window: (window.load_ms.p95, window.load_ms.count),
            maximum=config.load_time_max,
        ),
        Target(
            "token_reduction",
            "token reduction",
            "share",
            10,
            lambda window: (window.reduction, window.replies_with_strategy),
            minimum=config.reduction_min,
            maximum=config.reduction_max,
        ),
    )


def _unlimited(value: float) -> int:
    """A gauge needs no number of observations: it is known or not."""
    return 1_000_000 if value else 0


class Judge:
    """Compares measured windows with targets; a verdict needs `min_samples` observations."""

    def __init__(self, config: TargetsConfig, min_samples: int) -> None:
        self.targets = targets_of(config)
        self._min_samples = min_samples

    def __repr__(self) -> str:
        return f"<Judge of {len(self.targets)} targets>"

    def verdicts(self, measures: Measures, now_s: float) -> list[TargetVerdict]:
        """One verdict for each target."""
        windows = {name: measures.judged(name, now_s) for name in SPANS_S}
        is_warming = measures.warm_s is None
        return [self._verdict(target, windows, is_warming=is_warming) for target in self.targets]

    def _verdict(self, target: Target, windows: dict[str, Window], *, is_warming: bool) -> TargetVerdict:
        if target.is_off:
            return _verdict_of(target, "off")
        if is_warming:
            return _verdict_of(target, "warming")
        for name, value, samples in self._seen(target, windows):
            if value is not None and samples >= self._min_samples:
                return _verdict_of(target, _state(target, value), value, name, samples)
        return _verdict_of(target, "no_data")

    def _seen(self, target: Target, windows: dict[str, Window]) -> Iterator[tuple[str, float | None, int]]:
        for name, window in windows.items():
            yield name, *target.measure(window)


def _state(target: Target, value: float) -> TargetState:
    if target.capped_progress(value) < 1:
        return "missed"
    return "optimal" if target.is_optimal(value) else "met"


def _verdict_of(
    target: Target,
    state: TargetState,
    value: float | None = None,
    window: str | None = None,
    samples: int = 0,
) -> TargetVerdict:
    return TargetVerdict(
        name=target.name,
        label=target.label,
        unit=target.unit,
        minimum=target.minimum or None,
        maximum=target.maximum or None,
        optimal=target.optimal or None,
        value=value if value is None else round(value, 6),
        window=window,
        samples=samples,
        progress=None if value is None else round(target.capped_progress(value), 4),
        state=state,
        weight=target.weight,
    )
