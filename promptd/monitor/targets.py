"""Targets: what is promised of each figure, and how near the measured one comes.

*Attainment* is value / target where more is better and target / value where less is better: 1 is met, 0.5
is half as good. So "beyond 50 % of the target" means the same for a hit ratio of 37 % (of 75) and for a
response of 200 ms (of 100). No data is no failure; nor is what happens while the daemon warms up. Pure.
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
# The value of a window, and how many observations it stands on.
Measure = Callable[[Window], tuple[float | None, int]]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bounds; a bound of 0 is none. `weight` is its part of the score."""

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
        """True if the configuration sets no bound."""
        return not (self.minimum or self.maximum)

    def attained(self, value: float) -> float:
        """How much of the target is attained: 1 is just met, more is room to spare."""
        floor = max(value, 0.0) / self.minimum if self.minimum else INFINITY
        ceiling = self.maximum / value if self.maximum and value > 0 else INFINITY
        return min(floor, ceiling)

    def attainment(self, value: float) -> float:
        """The same, at most 1: nothing is gained by more."""
        return min(self.attained(value), 1.0)

    def attained_optimum(self, value: float) -> float:
        """How much of the optimum is attained; without one there is nothing to wish for."""
        if not self.optimal:
            return INFINITY
        if self.minimum:
            return value / self.optimal
        return self.optimal / value if value > 0 else INFINITY

    def bound(self, value: float) -> float:
        """The bound that a value is to be compared with."""
        return self.minimum if self.minimum and (value < self.minimum or not self.maximum) else self.maximum

    def is_optimal(self, value: float) -> bool:
        """True if nothing is left to wish for."""
        return self.attained_optimum(value) >= 1


class TargetVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A target beside what was measured in `window`, the shortest one with enough `samples`.

    `minimum`, `maximum` and `optimal` are None where there is no such bound.
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
    attainment: float | None
    state: TargetState
    weight: int


def targets_of(config: TargetsConfig) -> tuple[Target, ...]:
    """Every target, as configured. Weights: what a user feels first counts most; they sum to 100."""
    return (*_of_requests(config), *_of_resources(config))


def _of_requests(config: TargetsConfig) -> tuple[Target, ...]:
    return (
        Target(
            "response_time",
            "response time, p95",
            "ms",
            25,
            lambda window: (window.latency_ms.p95, window.latency_ms.count),
            maximum=config.response_ms_max,
            optimal=config.response_ms_optimal,
        ),
        Target(
            "hit_ratio",
            "prompts served from memory",
            "share",
            25,
            lambda window: (window.hit_ratio.served, window.lookups),
            minimum=config.hit_ratio_min,
            optimal=config.hit_ratio_optimal,
        ),
        Target(
            "errors",
            "requests failed through no fault of the client",
            "share",
            20,
            lambda window: (window.error_ratio, window.requests),
            maximum=config.error_ratio_max,
        ),
    )


def _of_resources(config: TargetsConfig) -> tuple[Target, ...]:
    return (
        Target(
            "memory",
            "memory in use",
            "bytes",
            10,
            lambda window: (float(window.memory_bytes_max), _unlimited(window.memory_bytes_max)),
            maximum=float(config.memory_bytes_max),
        ),
        Target(
            "component_load",
            "time to load a component, p95",
            "ms",
            10,
            lambda window: (window.load_ms.p95, window.load_ms.count),
            maximum=config.load_ms_max,
        ),
        Target(
            "token_reduction",
            "tokens saved by strategies",
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
    """Holds measured windows against targets; `min_samples` are wanted for a verdict."""

    def __init__(self, config: TargetsConfig, min_samples: int) -> None:
        self.targets = targets_of(config)
        self._min_samples = min_samples

    def __repr__(self) -> str:
        return f"<Judge of {len(self.targets)} targets>"

    def verdicts(self, measures: Measures, now_s: float) -> list[TargetVerdict]:
        """One verdict a target."""
        windows = {name: measures.judged(name, now_s) for name in SPANS_S}
        is_warming = measures.warm_s is None
        return [self._verdict(target, windows, is_warming=is_warming) for target in self.targets]

    def _verdict(self, target: Target, windows: dict[str, Window], *, is_warming: bool) -> TargetVerdict:
        if target.is_off:
            return _said(target, "off")
        if is_warming:
            return _said(target, "warming")
        for name, value, samples in self._seen(target, windows):
            if value is not None and samples >= self._min_samples:
                return _said(target, _state(target, value), value, name, samples)
        return _said(target, "no_data")

    def _seen(self, target: Target, windows: dict[str, Window]) -> Iterator[tuple[str, float | None, int]]:
        for name, window in windows.items():
            yield name, *target.measure(window)


def _state(target: Target, value: float) -> TargetState:
    if target.attainment(value) < 1:
        return "missed"
    return "optimal" if target.is_optimal(value) else "met"


def _said(
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
        attainment=None if value is None else round(target.attainment(value), 4),
        state=state,
        weight=target.weight,
    )
