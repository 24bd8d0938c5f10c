"""Logging, for all of promptd: structured lines on standard error, and never a prompt's text among them.

`get_logger` gives a logger that is silent until `configure` is called, so that the embedded engine says
nothing in another program. `configure` may be called again at any time (a reload that changes
the level): every logger follows, cached or not. Records of the standard library's logging (asyncio, the
watcher's library, warnings) come out of the same pipeline. What to log is up to the callers.
"""

import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from promptd.support import escape

Format = Literal["auto", "console", "json"]
LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_OFF = 100

# What carries a prompt's text, a value of a variable or a whole message under these names is withheld.
WITHHELD = frozenset(
    {
        *("arguments", "body", "content", "contents", "frame", "metadata", "params", "prompt", "reply"),
        *("request", "result", "text", "value", "values", "variables"),
    }
)
MAX_VALUE_CHARACTERS = 300
MAX_EXCEPTION_CHARACTERS = 16_000  # about 150 frames
_MAX_ITEMS = 50
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """Lines written, and lines lost because the stream was closed or full."""

    written: int
    lost: int


class _Sink:
    """Where finished lines go; a stream that fails costs lines, never a request."""

    def __init__(self) -> None:
        self.threshold = _OFF
        self._stream: TextIO | None = None
        self._lock = threading.Lock()
        self._written = 0
        self._lost = 0

    def __repr__(self) -> str:
        return (
            f"<log sink to {getattr(self._stream, 'name', None)}, {self._written} written, {self._lost} lost>"
        )

    def direct(self, stream: TextIO | None, threshold: int) -> None:
        """Send lines to `stream`, none of them below `threshold`."""
        self._stream = stream
        self.threshold = threshold

    def write(self, line: str) -> None:
        """Write one finished line, or count it as lost."""
        with self._lock:
            try:
                if self._stream is not None:
                    self._stream.write(f"{line}\n")
                    self._stream.flush()
                    self._written += 1
            except (OSError, ValueError):  # ValueError: closed, or a character the stream cannot say
                self._lost += 1

    def statistics(self) -> LogStatistics:
        """What went out so far."""
        return LogStatistics(self._written, self._lost)

    debug = info = warning = error = write


_SINK = _Sink()
_PIPELINE: list[Processor] = []  # changed in place, so that loggers that exist already follow


class Logger(structlog.BoundLoggerBase):
    """A bound logger whose level can change while it lives; a call below the level costs a comparison.

    An event is a short constant sentence; what varies goes into keywords (numbers with their unit).
    """

    def debug(self, event: str, **values: Any) -> None:
        """For looking closely: one line a request."""
        if _SINK.threshold <= 10:
            self._proxy_to_logger("debug", event, **values)

    def info(self, event: str, **values: Any) -> None:
        """What an operator may want to know later: one line a batch."""
        if _SINK.threshold <= 20:
            self._proxy_to_logger("info", event, **values)

    def warning(self, event: str, **values: Any) -> None:
        """Something is not as it should be; promptd goes on."""
        if _SINK.threshold <= 30:
            self._proxy_to_logger("warning", event, **values)

    def error(self, event: str, **values: Any) -> None:
        """Something failed that should not have."""
        if _SINK.threshold <= 40:
            self._proxy_to_logger("error", event, **values)

    def exception(self, event: str, **values: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self.error(event, **{"exc_info": True, **values})


def get_logger(name: str) -> Logger:
    """A logger whose lines carry `logger=name`; usable at import time."""
    return Logger(_SINK, _PIPELINE, {"logger": name})


def is_enabled(level: str) -> bool:
    """True if lines of this severity are written: ask before gathering what only such a line would hold."""
    return _SINK.threshold <= LEVELS[level]


def configure(format: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Start, or change, what is logged.

    Args:
        format: `auto` is `console` on a terminal and `json` elsewhere.
        level: least severity that is written, a key of LEVELS; the standard library's loggers are held to
            `warning`, or to `info` when this is `debug`.
        stream: where lines go; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    is_console = format == "console" or (format == "auto" and stream.isatty())
    _PIPELINE[:] = [_describe, structlog.processors.format_exc_info, _withhold, _renderer(stream, is_console)]
    _SINK.direct(stream, LEVELS[level])
    structlog.configure(
        processors=_PIPELINE,
        wrapper_class=Logger,
        logger_factory=lambda *_names: _SINK,
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    logging.root.addHandler(_HANDLER)  # a second time is no time
    logging.root.setLevel(logging.INFO if level == "debug" else logging.WARNING)


def silence() -> None:
    """Undo `configure`: promptd's loggers are silent again, structlog and logging as they come."""
    _SINK.direct(None, _OFF)
    structlog.reset_defaults()
    logging.captureWarnings(False)
    logging.root.removeHandler(_HANDLER)
    logging.root.setLevel(logging.WARNING)


def statistics() -> LogStatistics:
    """Lines written and lost since the process started."""
    return _SINK.statistics()


class _FromStandardLibrary(logging.Handler):
    """Hands records of the standard library's logging to the same pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record under its own logger's name, its severity rounded down to one of ours."""
        severity = [name for name, number in LEVELS.items() if number <= max(record.levelno, 10)][-1]
        getattr(get_logger(record.name), severity)(record.getMessage(), exc_info=record.exc_info)


_HANDLER = _FromStandardLibrary()


# -- the pipeline ---------------------------------------------------------------------------------

_now = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _describe(logger: Any, method: str, event: EventDict) -> EventDict:
    """Time, severity and event first, so that a line can be read from its beginning."""
    head = _now(logger, method, {})
    return {**head, "level": method, "event": event.pop("event", ""), **event}


def _withhold(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Nothing of a prompt leaves here: texts under known names are withheld, everything else is bounded."""
    exception = event.pop("exception", None)
    kept = {name: _bounded(item, name) for name, item in event.items()}
    if exception:
        kept["exception"] = escape.terminal(_cut(str(exception), MAX_EXCEPTION_CHARACTERS))
    return kept


def _bounded(item: Any, name: str = "", depth: int = 0) -> Any:
    if item is None or isinstance(item, bool | int | float):
        return item
    if name in WITHHELD or isinstance(item, bytes | bytearray | memoryview):
        return f"<{len(item)} withheld>" if hasattr(item, "__len__") else "<withheld>"
    if isinstance(item, str):
        return _printable(item, MAX_VALUE_CHARACTERS)
    if depth < _MAX_DEPTH and isinstance(item, Mapping):
        pairs = list(item.items())[:_MAX_ITEMS]
        return {_printable(str(key), 100): _bounded(value, str(key), depth + 1) for key, value in pairs}
    if depth < _MAX_DEPTH and isinstance(item, list | tuple | set | frozenset):
        return [_bounded(value, depth=depth + 1) for value in list(item)[:_MAX_ITEMS]]
    return _described(item)


def _described(item: Any) -> str:
    """An object in a few words: paths and errors say themselves, anything else only its type."""
    if isinstance(item, BaseException):
        return _printable(f"{type(item).__name__}: {item}", MAX_VALUE_CHARACTERS)
    if hasattr(item, "__fspath__"):
        return _printable(str(item), MAX_VALUE_CHARACTERS)
    return f"<{type(item).__name__}>"


def _printable(text: str, max_characters: int) -> str:
    """The text cut to length, with what cannot be seen as escapes: one event, one line."""
    return escape.one_line(_cut(text, max_characters))


def _cut(text: str, max_characters: int) -> str:
    return text if len(text) <= max_characters else f"{text[: max_characters - 1]}…"


def _renderer(stream: TextIO, is_console: bool) -> Processor:
    if is_console:
        return structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return _as_json


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event).decode()
