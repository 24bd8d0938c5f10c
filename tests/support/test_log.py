"""Logs: shape, level, what is withheld, which other loggers are included, and what a broken stream costs."""

import asyncio
import datetime
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from promptd.support import log

SECRET = "the whole prompt, which must not be in a log"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _silent_afterwards() -> Iterator[None]:
    yield
    log.silence()


@pytest.fixture
def stream() -> io.StringIO:
    """A stream to which JSON is logged from debug upwards."""
    written = io.StringIO()
    log.configure("json", "debug", written)
    return written


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged, one object a line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# -- shape ----------------------------------------------------------------------------------------


def test_json_is_one_object_a_line_with_time_level_and_event_first(stream: io.StringIO) -> None:
    """Fields in reading order, the time in UTC and ISO 8601."""
    log.get_logger("promptd.server").info("batch applied", changed=3, settle_ms=30.5, ids=("a.md", "b.md"))
    (line,) = lines(stream)
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    moment = datetime.datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() == datetime.timedelta(0)
    assert line == {
        "level": "info",
        "event": "batch applied",
        "logger": "promptd.server",
        "changed": 3,
        "settle_ms": 30.5,
        "ids": ["a.md", "b.md"],
    }


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    """The same call for a person and for a collector; colours only for a person."""
    terminal, pipe = Terminal(), io.StringIO()
    for target in (terminal, pipe):
        log.configure("auto", "info", target)
        log.get_logger("x").info("hello", n=1)
    assert "\x1b[" in terminal.getvalue()
    assert "hello" in terminal.getvalue()
    assert lines(pipe)[0]["n"] == 1


def test_console_in_a_pipe_has_no_colours() -> None:
    """`--log-format console | less` stays readable, with the time in UTC."""
    pipe = io.StringIO()
    log.configure("console", "info", pipe)
    log.get_logger("promptd.x").warning("hello", n=1)
    assert "\x1b" not in pipe.getvalue()
    assert pipe.getvalue().split()[0].endswith("Z")
    assert "[promptd.x]" in pipe.getvalue()


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output belongs to prompts."""
    log.configure("json", "info")
    log.get_logger("x").info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "hello"


def test_a_traceback_is_one_field(stream: io.StringIO) -> None:
    """One event stays one line of JSON, and the traceback can be read in it."""
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.get_logger("x").exception("internal", method="assemble")
    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].endswith("ValueError: no such thing")
    assert "test_log.py" in line["exception"]


def test_bound_values_are_carried(stream: io.StringIO) -> None:
    """What a connection is called is said once."""
    log.get_logger("x").bind(connection=7).debug("request", duration_us=12)
    assert (lines(stream)[0]["connection"], lines(stream)[0]["duration_us"]) == (7, 12)


# -- level ----------------------------------------------------------------------------------------


def test_nothing_is_said_before_configure(capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded engine is a guest."""
    log.get_logger("x").error("hello")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_below_the_level_nothing_is_written(level: str, count: int) -> None:
    """Each level lets its own and the graver ones through."""
    written = io.StringIO()
    log.configure("json", level, written)
    logger = log.get_logger("x")
    for method in (logger.debug, logger.info, logger.warning, logger.error):
        method("hello")
    assert len(lines(written)) == count


def test_a_living_logger_follows_a_new_configuration() -> None:
    """A reload changes level, format and stream of loggers that were made and used before."""
    first, second = io.StringIO(), io.StringIO()
    logger = log.get_logger("x").bind(n=1)
    log.configure("json", "warning", first)
    logger.info("lost")
    log.configure("console", "info", second)
    logger.info("found")
    assert first.getvalue() == ""
    assert "found" in second.getvalue()


@pytest.mark.parametrize(("level", "enabled"), [("debug", True), ("info", False)])
def test_whether_a_line_would_be_written_can_be_asked(level: str, enabled: bool) -> None:
    """Before values for a line are gathered, it can be asked whether it is logged."""
    assert not log.is_enabled("error")
    log.configure("json", level, io.StringIO())
    assert log.is_enabled("debug") is enabled


def test_a_call_below_the_level_evaluates_nothing() -> None:
    """Its values are not even looked at: the pipeline does not run."""

    class Touchy:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError("looked at")

    log.configure("json", "info", io.StringIO())
    log.get_logger("x").debug("request", thing=Touchy())


# -- what is withheld -----------------------------------------------------------------------------


def test_a_prompt_is_never_written(stream: io.StringIO) -> None:
    """Under its usual names, nested, as bytes, or inside a record: only its length or type is said."""

    class Reading:
        def __repr__(self) -> str:
            return SECRET

    logger = log.get_logger("x")
    for name in sorted(log.WITHHELD):
        logger.info("one", **{name: SECRET})
        logger.info("nested", details={name: SECRET, "list": [{name: [SECRET]}]})
    logger.info("bytes", payload=SECRET.encode())
    logger.info("object", reading=Reading(), readings=[Reading()])
    assert SECRET not in stream.getvalue()
    assert lines(stream)[0]["arguments"] == f"<{len(SECRET)} withheld>"
    assert lines(stream)[-1]["readings"] == ["<Reading>"]


def test_what_is_long_or_deep_is_cut(stream: io.StringIO) -> None:
    """Whatever name a text hides under, no more than a few hundred characters of it get out."""
    deep: Any = "x" * 5000
    for _ in range(6):
        deep = [deep]
    log.get_logger("x").info("e" * 5000, path="p" * 5000, deep=deep, many=list(range(5000)))
    (line,) = lines(stream)
    assert len(line["event"]) == len(line["path"]) == log.MAX_VALUE_CHARACTERS
    assert line["deep"] == [[["<list>"]]]
    assert len(line["many"]) == 50


def test_paths_and_errors_say_themselves(stream: io.StringIO) -> None:
    """They are what one looks for in a log."""
    log.get_logger("x").info("x", path=Path("/a/b"), error=OSError("gone"), ratio=float("nan"), none=None)
    (line,) = lines(stream)
    assert (line["path"], line["error"], line["ratio"], line["none"]) == ("/a/b", "OSError: gone", None, None)


def test_a_file_name_cannot_forge_a_line() -> None:
    """Newlines, terminal escapes and bytes that are not UTF-8 come out as escapes."""
    evil = "a\nFORGED \x1b[2J\udcff\x9b31m\u202e\u2066\u200b\u2028\x7f"
    for format_ in ("console", "json"):
        pipe = io.StringIO()
        log.configure(format_, "info", pipe)  # type: ignore[arg-type]
        log.get_logger("x").info("changed", id=evil, ids=[evil], by_id={evil: evil}, error=OSError(evil))
        assert pipe.getvalue().count("\n") == 1
        assert not set(pipe.getvalue().rstrip("\n")) & (set(evil) - set("aFORGED []2J31m"))
        assert "nFORGED" in pipe.getvalue()


# Of 30 leaves each: what Hypothesis itself takes to draw a hundred is most of the time of this test.
VALUES = st.recursive(st.text() | st.floats() | st.integers(), st.lists, max_leaves=30)


@given(st.dictionaries(st.text(), VALUES))
def test_any_values_make_one_valid_line(values: dict[str, Any]) -> None:
    """No value, however strange, breaks a line or raises into the caller."""
    written = io.StringIO()
    log.configure("json", "info", written)
    log.get_logger("x").info("event", values_=values, ids=list(values))
    assert written.getvalue().count("\n") == 1
    written.getvalue().encode()
    assert len(lines(written)) == 1


# -- others, and a broken stream ------------------------------------------------------------------


def test_the_standard_library_is_logged_in_the_same_shape(stream: io.StringIO) -> None:
    """A record of any logger, its severity and traceback; odd levels are rounded down."""
    try:
        raise KeyError("k")
    except KeyError:
        logging.getLogger("another.program").critical("failed %s", "twice", exc_info=True)
    logging.getLogger("another.program").log(35, "between")
    critical, between = lines(stream)
    assert (critical["level"], critical["event"], critical["logger"]) == (
        "error",
        "failed twice",
        "another.program",
    )
    assert "KeyError" in critical["exception"]
    assert between["level"] == "warning"


def test_libraries_are_quieter_than_promptd() -> None:
    """The watcher's library says something at each change: only under debug."""
    for level, count in (("info", 0), ("debug", 1)):
        written = io.StringIO()
        log.configure("json", level, written)
        logging.getLogger("library").info("1 change detected")
        assert len(lines(written)) == count


def test_warnings_are_logged(stream: io.StringIO) -> None:
    """A deprecation in a running daemon is a line like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in lines(stream)[0]["event"]


def test_structlog_itself_takes_the_same_way(stream: io.StringIO) -> None:
    """A logger that was got from structlog directly is withheld from as well."""
    structlog.get_logger("x").info("hello", text=SECRET)
    assert lines(stream)[0]["text"] == f"<{len(SECRET)} withheld>"


def test_a_broken_stream_costs_lines_and_nothing_else() -> None:
    """A closed pipe is counted; the request that logged goes on, and a new stream works."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    before = log.statistics()
    closed = io.StringIO()
    closed.close()
    for broken in (closed, Full()):
        log.configure("json", "info", broken)
        log.get_logger("x").info("hello")
    log.configure("json", "info", io.StringIO())
    log.get_logger("x").info("hello")
    after = log.statistics()
    assert (after.written - before.written, after.lost - before.lost) == (1, 2)


async def test_logging_does_not_block_the_loop(stream: io.StringIO) -> None:
    """Called from the loop and from a thread at once, every line arrives whole."""
    logger = log.get_logger("x")
    await asyncio.gather(*(asyncio.to_thread(logger.info, "hello", n=n) for n in range(50)))
    logger.info("hello", n=50)
    ours = (line for line in lines(stream) if line["logger"] == "x")  # the loop may say that it was slow
    assert sorted(line["n"] for line in ours) == list(range(51))
