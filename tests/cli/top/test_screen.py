"""How a state is drawn: never wider or higher than the terminal, whatever is in it."""

import pytest

from promptd.cli.top.screen import frame, sparkline
from promptd.cli.top.state import TopState
from tests.cli.healths import alert, health, prompt


def _state(**given: object) -> TopState:
    state = TopState()
    state.take(health(**given))
    return state


def _text(state: TopState, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain for line in frame(state, width, height))


def test_a_page_says_how_the_daemon_is() -> None:
    """Everything people look for first is on the first screen of 80 by 24."""
    text = _text(_state())
    head = ("promptd 1.2.3  ok  up 2h03", "grade A 97", "280 components, 915 edges")
    figures = ("watcher inotify, 0 missed", "12.34 ms", "98.7 %", "123 MB", "31.0 %")
    for sign in (*head, *figures, "commands/often.md", "no alerts", "Enter token tree"):
        assert sign in text, sign


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 3), (200, 60)])
def test_it_fits_whatever_there_is_to_show(size: tuple[int, int]) -> None:
    """Long names, many alerts, wide characters: cut, and exactly as high as the terminal."""
    width, height = size
    rows = [prompt("x" * 300 + str(number), number, 1) for number in range(50)] + [prompt("長" * 90, 1, 1)]
    alerts = [alert("critical", "word " * 80) for _ in range(9)]
    state = _state(prompts={"hottest": rows, "most_expensive": []}, alerts={"active": alerts})
    lines = frame(state, width, height)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width


def test_the_worst_alert_comes_first_and_problems_are_shown() -> None:
    """Critical above low; a problem of the daemon stands beside them."""
    alerts = [alert("low", "could be better"), alert("critical", "is very slow; raise cache.entries")]
    text = _text(_state(alerts={"active": alerts}, problems=["no statistics of graph"]))
    assert text.index("is very slow") < text.index("could be better") < text.index("no statistics of graph")


def test_a_tree_shows_own_and_whole_tokens() -> None:
    """Includes are indented below what includes them, own tokens without theirs."""
    state = _state()
    entry = {"reason": "included"}
    manifest = [entry | {"id": "a.md", "tokens": 100, "chain": []},
                entry | {"id": "b.md", "tokens": 60, "chain": ["a.md:1"]}]  # fmt: skip
    state.open({"name": "a.md", "tokens": 100, "manifest": manifest})
    lines = _text(state).splitlines()
    assert [line.split() for line in lines if line.lstrip().startswith(("a.md ", "b.md "))] == [
        ["a.md", "40", "100", "100.0%"],
        ["b.md", "60", "60", "60.0%"],
    ]


def test_sparklines_have_a_bar_for_each_value() -> None:
    """From nothing to the largest, a blank where there is no data, and no division by nothing."""
    assert sparkline([0.0, 4.0, 8.0, None]) == "▁▅█ "
    assert sparkline([0.5, 1.0], top=1.0) == "▅█"
    assert sparkline([0.0, None]) == "▁ "
    assert sparkline([]) == ""


def test_a_daemon_without_these_sections_is_shown_all_the_same() -> None:
    """Nothing in a snapshot is taken for granted."""
    state = TopState()
    state.take({"version": "0.0.1", "status": "ok", "uptime_s": 1})
    assert "no prompts requested yet" in _text(state)
