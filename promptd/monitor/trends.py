"""Trends: in which direction a figure moves, by an estimate that is robust against outliers.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, which stays right while
up to 29 % of the points are wild. Whether it is more than noise is decided by the Mann-Kendall test (5 %, two
sided, normal approximation without ties) and by the size of the change against the scatter around the line.
Own code: scipy's `theilslopes` and pymannkendall bring numpy and scipy into a daemon that needs
neither (docs/decisions/0060). Pure.
"""

from collections import deque
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Literal

import msgspec

MAX_POINTS = 60  # one a minute over an hour: 1,770 pairs, under a millisecond
MIN_POINTS = 8  # below, the approximation of Mann-Kendall does not hold
CRITICAL_Z = 1.96
MAD_TO_SIGMA = 1.4826  # of a normal distribution

Direction = Literal["rising", "falling", "steady", "unknown"]


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """How one figure moved over `span_s`.

    `change` is the slope over the whole span; `noise` the scatter (robust sigma) around the line, in the
    figure's own unit. Direction is "steady" where the change is not more than noise.
    """

    name: str
    unit: str
    slope_per_h: float | None
    direction: Direction
    is_worsening: bool
    noise: float | None
    change: float | None
    points: int
    span_s: float


class TrendSeries:
    """The last points of one figure; `worse` is the direction that makes it worse, if any."""

    def __init__(self, name: str, unit: str, worse: Direction | None) -> None:
        self.name = name
        self.unit = unit
        self.worse = worse
        self._points: deque[tuple[float, float]] = deque(maxlen=MAX_POINTS)

    def __repr__(self) -> str:
        return f"<TrendSeries {self.name}, {len(self._points)} points>"

    def add(self, at_s: float, value: float) -> None:
        """Add a point; the oldest is dropped."""
        self._points.append((at_s, value))

    def trend(self) -> Trend:
        """The trend over all points."""
        points = list(self._points)
        span_s = points[-1][0] - points[0][0] if points else 0.0
        if len(points) < MIN_POINTS or span_s <= 0:
            return self._trend("unknown", None, None, span_s)
        slope, noise = theil_sen(points)
        change = slope * span_s
        is_real = abs(kendall_z([value for _, value in points])) > CRITICAL_Z and abs(change) > 2 * noise
        direction: Direction = "steady" if not is_real else "rising" if slope > 0 else "falling"
        return self._trend(direction, slope, noise, span_s)

    def _trend(self, direction: Direction, slope: float | None, noise: float | None, span_s: float) -> Trend:
        return Trend(
            name=self.name,
            unit=self.unit,
            slope_per_h=_rounded(slope, 3600),
            direction=direction,
            is_worsening=direction == self.worse,
            noise=_rounded(noise),
            change=_rounded(slope, span_s),
            points=len(self._points),
            span_s=round(span_s, 3),
        )


def theil_sen(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope a second, and the robust sigma of the points around the line."""
    slope = median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1)
    rests = [y - slope * x for x, y in points]
    middle = median(rests)
    return slope, MAD_TO_SIGMA * median(abs(rest - middle) for rest in rests)


def kendall_z(values: Sequence[float]) -> float:
    """The statistic of the Mann-Kendall test: beyond 1.96 either way a series has a direction (5 %)."""
    n = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    sigma = (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    return (score - (score > 0) + (score < 0)) / sigma if score else 0.0


def _rounded(value: float | None, scale: float = 1.0) -> float | None:
    return None if value is None else float(f"{value * scale:.6g}")
