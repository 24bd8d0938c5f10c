"""Charts and the dependency map: lines where there are figures, gaps where there are none."""

import re

import pytest

from promptd.cli.report import depmap
from promptd.cli.report.charts import (
    POINTS,
    Chart,
    ChartLine,
    draw,
    nice,
)

CHART = Chart("response time", (ChartLine("p50_ms", "p50", "s1"),), lambda value: f"{value:g} ms", bound=50.0)


def _history(values: list[float | None]) -> list[dict[str, float | None]]:
    return [
        {"time_unix_s": 1_767_000_000.0 + 60 * number, "p50_ms": each} for number, each in enumerate(values)
    ]


def _lines(svg: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline[^>]* points="([^"]*)"', svg)
    return [[tuple(map(float, each.split(","))) for each in line.split()] for line in found]  # type: ignore[misc]


def test_a_line_breaks_where_there_was_no_data() -> None:
    """Two stretches are two lines; time goes right, more goes up; the latest figure stands above."""
    svg = draw(CHART, _history([10.0, 20.0, None, 40.0, 80.0]))
    first, second = _lines(svg)
    assert [len(first), len(second)] == [2, 2]
    assert first[0][0] < first[1][0] < second[0][0]
    assert first[0][1] > first[1][1] > second[1][1]
    assert "<b>80 ms</b>" in svg
    assert 'class="bound"' in svg


def test_no_data_is_said_and_one_point_is_drawn() -> None:
    """Neither is an empty picture."""
    assert "no data yet" in draw(CHART, [])
    assert "no data yet" in draw(CHART, _history([None, None]))
    assert len(_lines(draw(CHART, _history([3.0])))) == 1


def test_a_fortnight_is_gathered_and_the_worst_stays_visible() -> None:
    """20,000 minutes are at most POINTS points; a percentile's peak is among them."""
    values: list[float | None] = [1.0] * 20_000
    values[12_345] = 900.0
    worst = Chart("x", (ChartLine("p50_ms", "p99", "s3", is_worst=True),), str)
    (line,) = _lines(draw(worst, _history(values)))
    assert len(line) <= POINTS
    assert min(y for _, y in line) < 30 < max(y for _, y in line)


@pytest.mark.parametrize(
    ("value", "top"), [(0.0, 1.0), (0.93, 1.0), (1.0, 1.0), (33.0, 40.0), (150e6, 200e6)]
)
def test_scales_end_at_a_round_number(value: float, top: float) -> None:
    """At or above the largest value."""
    assert nice(value) == pytest.approx(top)


def test_times_stand_on_powers_of_ten() -> None:
    """A slow start a thousand times above the rest does not press the rest flat; 0 is drawn at the floor."""
    lines = (ChartLine("p50_ms", "p50", "s1"),)
    svg = draw(Chart("x", lines, lambda value: f"{value:g}", is_log=True), _history([900.0, 1.0, 2.0, 0.0]))
    (line,) = _lines(svg)
    heights = [y for _, y in line]
    assert heights[1] - heights[2] > 5
    assert heights[3] == max(heights)
    for tick in ("0.001", "0.01", "0.1", "1", "10", "100", "1000"):
        assert f">{tick}</text>" in svg


def test_the_map_shows_what_is_shared() -> None:
    """An edge for each component of a prompt; what two of them include stands out; names are escaped."""
    prompts = [
        {"name": "a<b>.md", "components": ["a<b>.md", "x.md", "y.md", "x.md"]},
        {"name": "c.md", "components": ["c.md", "x.md"]},
    ]
    svg = depmap.draw(prompts)
    assert len(re.findall(r'<path class="edge', svg)) == 3
    assert len(re.findall(r'<path class="edge shared"', svg)) == 2
    assert "a&lt;b&gt;" in svg
    assert "<b>" not in svg
    assert depmap.draw([{"name": "alone.md", "components": ["alone.md"]}]) == ""


def test_long_names_keep_their_end() -> None:
    """Which is what tells files apart."""
    assert depmap.short("commands/review.md") == "commands/review"
    assert depmap.short("x" * 99 + "/the-end.md").endswith("/the-end")
