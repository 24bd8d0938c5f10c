"""trends.py: a slope that outliers cannot bend, and the difference between a direction and noise."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.monitor.trends import (
    MAX_POINTS,
    MIN_POINTS,
    Trend,
    TrendSeries,
    kendall_z,
    theil_sen,
)


def trend_of(values: list[float], worse: str = "rising") -> Trend:
    """The trend of one value a minute."""
    series = TrendSeries("memory", "bytes", worse)  # type: ignore[arg-type]
    for minute, value in enumerate(values):
        series.add(60.0 * minute, value)
    return series.trend()


@given(st.floats(-100, 100), st.floats(-1e4, 1e4), st.integers(0, 2**32))
def test_a_fifth_of_wild_points_does_not_bend_the_slope(slope: float, at: float, seed: int) -> None:
    """The estimate stays exact where least squares would be far off (breakdown point 29 %)."""
    draw = random.Random(seed)
    points = [(float(x), at + slope * x) for x in range(40)]
    for number in draw.sample(range(40), 8):
        points[number] = (points[number][0], draw.uniform(-1e9, 1e9))
    found, _ = theil_sen(points)
    assert found == pytest.approx(slope, abs=1e-6)


def test_an_exact_line_has_its_slope_and_no_noise() -> None:
    """Per hour, with the change over the span."""
    trend = trend_of([100 + 2 * minute for minute in range(30)])
    assert trend.slope_per_h == pytest.approx(120)
    assert (trend.noise, trend.change) == (0, pytest.approx(58))
    assert (trend.direction, trend.is_worsening, trend.points) == ("rising", True, 30)


def test_noise_is_no_direction() -> None:
    """Of 200 series without a trend at most a few in a hundred are said to have one."""
    draw = random.Random(7)
    series = [[draw.gauss(50, 10) for _ in range(40)] for _ in range(200)]
    assert sum(trend_of(values).direction != "steady" for values in series) <= 10


def test_a_slope_in_noise_is_found_and_the_noise_is_stated() -> None:
    """Ten times the scatter over the hour."""
    draw = random.Random(7)
    trend = trend_of([50 + minute * 10 * 2 / 40 + draw.gauss(0, 2) for minute in range(40)])
    assert trend.direction == "rising"
    assert trend.noise == pytest.approx(2, rel=0.5)


def test_worse_depends_on_the_figure() -> None:
    """A hit ratio that rises is not an alarm."""
    assert not trend_of([float(each) for each in range(20)], worse="falling").is_worsening
    assert trend_of([-float(each) for each in range(20)], worse="falling").is_worsening


def test_too_few_points_are_no_trend() -> None:
    """Unknown, not steady; and memory is bounded."""
    assert trend_of([1.0] * (MIN_POINTS - 1)).direction == "unknown"
    assert trend_of([]).slope_per_h is None
    assert trend_of([float(each) for each in range(500)]).points == MAX_POINTS


def test_kendall_against_a_published_value() -> None:
    """Gilbert (1987), S = 45 of ten rising values: z = 44 / sqrt(125)."""
    assert kendall_z(list(range(10))) == pytest.approx(44 / 125**0.5)
    assert kendall_z([1, 1, 1]) == 0
