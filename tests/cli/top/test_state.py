"""What a key does to what is shown."""

import pytest

from promptd.cli.top.keyboard import keys_of
from promptd.cli.top.state import TopState
from tests.cli.healths import health


@pytest.fixture
def state() -> TopState:
    """A state that has seen one snapshot."""
    state = TopState()
    state.take(health())
    return state


def _names(state: TopState) -> list[str]:
    return [row["name"] for row in state.rows()]


def test_rows_are_the_busiest_and_the_most_expensive_once_each(state: TopState) -> None:
    """By requests first; `s` goes on to total tokens and so on, and round."""
    assert _names(state) == ["commands/often.md", "commands/rare.md", "agents/dear.md"]
    state.press("s")
    assert (state.order, _names(state)[0]) == ("total", "agents/dear.md")
    for _ in range(4):
        state.press("s")
    assert state.order == "requests"


def test_a_filter_is_typed_and_cleared(state: TopState) -> None:
    """Letters narrow the rows at once; Enter keeps the filter, Esc clears it."""
    for key in ("/", "q", "backspace", "R", "a", "r", "enter"):
        assert state.press(key) is None
    assert _names(state) == ["commands/rare.md"]
    state.press("escape")
    assert len(_names(state)) == 3


def test_the_cursor_stays_on_the_rows(state: TopState) -> None:
    """Up from the first and down from the last go nowhere; fewer rows take the cursor with them."""
    state.press("up")
    assert state.cursor == 0
    for _ in range(9):
        state.press("down")
    assert state.selected() == state.rows()[2]
    state.take(health(prompts={"hottest": [], "most_expensive": []}))
    assert (state.cursor, state.selected(), state.press("enter")) == (0, None, None)


def test_enter_opens_and_escape_goes_back(state: TopState) -> None:
    """The tree scrolls by the same keys; `q` quits from both."""
    assert state.press("enter") == "open"
    state.open({"name": "x", "tokens": 3, "manifest": [{}, {}, {}]})
    state.press("end")
    assert state.scroll == 2
    assert state.press("q") == "quit"
    state.press("escape")
    assert (state.opened, state.press("q")) == (None, "quit")


def test_a_rate_is_between_two_snapshots_of_one_life() -> None:
    """None at first and after a restart."""
    state = TopState()
    for uptime_s, requests in ((10.0, 100), (12.0, 150), (1.0, 5)):
        state.take(health(uptime_s=uptime_s, requests={"requests": requests}))
    assert list(state.series.requests_per_s) == [None, 25.0, None]


def test_keys_have_names() -> None:
    """Escape sequences, control characters, letters; a lone Esc is Esc."""
    assert list(keys_of("\x1b[Aj\r\x7f\x1b")) == ["up", "j", "enter", "backspace", "escape"]
