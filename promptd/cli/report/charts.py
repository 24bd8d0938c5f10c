"""Line charts of the history as inline SVG: one chart a figure, lines that break where there was no data.

The drawing is 360 units wide and scales with its card, so that labels are readable on a telephone and not
huge on a desk. A long history is gathered into at most POINTS points: the mean of each stretch, for a
percentile its largest.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from promptd.support.escape import html as escape

WIDTH, HEIGHT = 360, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 6, 8, 20
POINTS = 240
Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line: the key in a line of the history, its name, its colour, and how points are gathered."""

    key: str
    name: str
    colour: str
    is_worst: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure over time; `bound` is the target, drawn where it is near the data. `top` fixes the scale.

    `is_log`: powers of ten at equal steps, for times: a slow start does not hide what came after it.
    """

    title: str
    lines: tuple[ChartLine, ...]
    show: Show
    bound: float | None = None
    top: float | None = None
    is_log: bool = False


def draw(chart: Chart, history: Sequence[Mapping[str, Any]]) -> str:
    """The card of a chart."""
    series = [(line, _gathered(history, line)) for line in chart.lines]
    values = [value for _, points in series for _, value in points if value is not None]
    latest = next((value for _, value in reversed(series[0][1]) if value is not None), None)
    body = _svg(chart, series, values, history) if values else '<p class="soft small">no data yet</p>'
    shown = "" if latest is None else f"<b>{escape(chart.show(latest))}</b>"
    legend = "".join(
        f'<i style="background:var(--{line.colour})"></i>{escape(line.name)}' for line in chart.lines
    )
    head = f'<div><h3>{escape(chart.title)}</h3>{shown}</div><span class="legend">{legend}</span>'
    return f'<div class="card chart tile"><div class="top">{head}</div>{body}</div>'


_Points = list[tuple[float, float | None]]


def _gathered(history: Sequence[Mapping[str, Any]], line: ChartLine) -> _Points:
    """Points of (time, value), POINTS at most; None where a whole stretch has no data."""
    size = max(math.ceil(len(history) / POINTS), 1)
    points: _Points = []
    for at in range(0, len(history), size):
        stretch = history[at : at + size]
        known = [float(each[line.key]) for each in stretch if each.get(line.key) is not None]
        gathered = (max(known) if line.is_worst else sum(known) / len(known)) if known else None
        points.append((float(stretch[-1]["time_unix_s"]), gathered))
    return points


def _svg(
    chart: Chart,
    series: Sequence[tuple[ChartLine, _Points]],
    values: Sequence[float],
    history: Sequence[Mapping[str, Any]],
) -> str:
    ticks = _decades(values) if chart.is_log else _halves(chart.top or nice(max(values)))
    low, top = ticks[0], ticks[-1]
    first, last = (float(history[at]["time_unix_s"]) for at in (0, -1))
    x = _scale(first, last, LEFT, WIDTH - RIGHT)
    y = _height(low, top, is_log=chart.is_log)
    parts = [*_axis(chart, ticks, y), *_times(first, last)]
    if chart.bound is not None and low < chart.bound <= top:
        at = y(chart.bound)
        parts.append(f'<line class="bound" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
    for number, (line, points) in enumerate(series):
        for run in _runs(points):
            path = " ".join(f"{x(time):.1f},{y(min(max(value, low), top)):.1f}" for time, value in run)
            if number == 0 and len(series) == 1 and len(run) > 1:
                floor = HEIGHT - BOTTOM
                ends = f"M{x(run[0][0]):.1f},{floor} L{path} L{x(run[-1][0]):.1f},{floor} Z"
                parts.append(f'<path class="area" d="{ends}"/>')
            drawn = path if len(run) > 1 else f"{path} {path}"
            parts.append(
                f'<polyline class="line" data-points="{len(run)}" style="stroke:var(--{line.colour})"'
                f' points="{drawn}"/>'
            )
    label = escape(f"{chart.title} over time")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low
    return lambda value: start + (end - start) * ((value - low) / span if span else 1.0)


def _height(low: float, top: float, *, is_log: bool) -> Callable[[float], float]:
    if not is_log:
        return _scale(low, top, HEIGHT - BOTTOM, TOP)
    scale = _scale(math.log10(low), math.log10(top), HEIGHT - BOTTOM, TOP)
    return lambda value: scale(math.log10(value))


def _halves(top: float) -> list[float]:
    return [0.0, top / 2, top]


def _decades(values: Sequence[float]) -> list[float]:
    """The powers of ten around the values; values below a thousandth count as one."""
    least, most = (max(value, 1e-3) for value in (min(values), max(values)))
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _axis(chart: Chart, ticks: Sequence[float], y: Callable[[float], float]) -> Iterator[str]:
    for tick in ticks:
        at = y(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        label = escape(chart.show(tick))
        yield f'<text x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{label}</text>'


def _times(first: float, last: float) -> Iterator[str]:
    form = "%H:%M:%S" if last - first < 600 else "%H:%M" if last - first < 86_400 else "%d %b %H:%M"
    for time, at, anchor in ((first, LEFT, "start"), (last, WIDTH - RIGHT, "end")):
        shown = datetime.fromtimestamp(time, UTC).strftime(form)
        yield f'<text x="{at}" y="{HEIGHT - 5}" text-anchor="{anchor}">{shown}</text>'


def _runs(points: _Points) -> Iterator[list[tuple[float, float]]]:
    """Stretches without a gap."""
    run: list[tuple[float, float]] = []
    for time, value in [*points, (0.0, None)]:
        if value is not None:
            run.append((time, value))
        elif run:
            yield run
            run = []


def nice(value: float) -> float:
    """The next round number: 1, 2, 2.5, 4, 5 or 8 of a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 8, 10, 20) if step * power >= value)
