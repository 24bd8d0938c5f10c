"""Colour, progress and closed streams."""

import io
import sys

import pytest

from promptd.cli import output
from promptd.cli import progress as bars


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets none; a terminal does, unless NO_COLOR is set or it is dumb."""
    monkeypatch.setenv("TERM", "xterm")
    assert not output.has_colour(io.StringIO())
    assert output.has_colour(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.has_colour(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not output.has_colour(Terminal())


def test_an_error_is_red_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word `error` is coloured, the message is not."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    output.fail("no such thing", "try another")
    first, second = screen.getvalue().splitlines()
    assert "\x1b[31m" in first
    assert first.endswith("no such thing")
    assert second == "  try another"


def test_progress_is_silent_in_a_pipe() -> None:
    """Without a terminal there is no callback at all."""
    with output.progress_bar("reading") as progress:
        assert progress is None


def test_quick_work_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal nothing flickers for work that is done at once."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(bars, "PATIENCE_S", 3600.0)
    with output.progress_bar("reading") as progress:
        assert progress is not None
        progress(7, 7)
    assert screen.getvalue() == ""


def test_progress_draws_on_a_terminal_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the bar counts and is wiped when done."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(bars, "PATIENCE_S", 0.0)
    with output.progress_bar("reading") as progress:
        assert progress is not None
        progress(3, 7)
        progress(7, 7)
    assert "reading" in screen.getvalue()
    assert screen.getvalue().rstrip().endswith("\x1b[2K"), "the line is erased"


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning that cannot be written is dropped."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    output.warn("this goes nowhere")
