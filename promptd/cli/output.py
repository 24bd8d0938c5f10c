"""Where output goes: results to stdout, warnings, errors and progress to stderr.

What people read is escaped here (promptd.support.escape), on a terminal and in a pipe; JSON, and the text
of a prompt in a pipe, are written exactly as they are. Colour is for terminals, and never used if NO_COLOR is
set. The streams themselves are in `streams`. rich is imported by the functions that draw, not by this module.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment
    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 10_000  # a pipe has no width: nothing is wrapped, one fact stays on one line
ShowProgress = Callable[[int, int], None]  # (done, total), both counts of files


def emit(data: bytes) -> None:
    """Write a result to stdout exactly as it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def emit_text(text: str) -> None:
    """Write the text of a library: exact in a pipe; a terminal gets escapes for what it would obey."""
    if not sys.stdout.isatty():
        emit(text.encode("utf-8", "backslashreplace"))
        return
    from promptd.support import escape

    shown = escape.terminal(text)
    emit(shown.encode())
    if shown != text:
        note("promptd: hidden characters are shown as escapes on a terminal; in a pipe the text is exact")


def emit_line(text: str | bytes) -> None:
    """Write a result to stdout as one line: JSON as bytes, exact; a sentence or a name as text, escaped."""
    if isinstance(text, str):
        emit_lines((text,))
    else:
        emit_json_bytes(text)


def emit_json(value: Any) -> None:
    """Write a value to stdout as one line of JSON."""
    import json

    emit_json_bytes(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def emit_json_bytes(data: bytes) -> None:
    """Write JSON to stdout and end the line: as it is; on a terminal with escapes that mean the same."""
    if sys.stdout.isatty():
        from promptd.support import escape

        data = escape.json(data.decode("utf-8", "surrogatepass")).encode()
    emit(data + b"\n")


def plain(text: str) -> str:
    """Text on one line, with escapes for what a terminal obeys or a reader cannot see."""
    from promptd.support import escape

    return escape.one_line(text)


def cell(text: str, style: str = "") -> "Text":
    """The same for rich: a label or a cell of a table."""
    from rich.text import Text

    return Text(plain(text), style)


def revision(clock: str) -> str:
    """`c:1f-2a-1:7` → `revision 7`: the last part of a clock counts the changes that were applied."""
    return f"revision {clock.rpartition(':')[2]}"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def emit_lines(lines: Iterable[str]) -> None:
    """Write results to stdout, each on one line whatever its text holds."""
    emit("".join(f"{plain(line)}\n" for line in lines).encode())


def warn(message: str) -> None:
    """Write a warning about the result to stderr."""
    _say("promptd: " + _styled("warning", fg="yellow"), f": {message}")


def fail(message: str, *hints: str) -> None:
    """Write to stderr why there is no result; each hint is a line of its own."""
    _say("promptd: " + _styled("error", fg="red", bold=True), f": {message}")
    for hint in hints:
        note(f"  {hint}")


def note(message: str = "") -> None:
    """Write one line to stderr; a closed stderr is not an error."""
    _say("", message)


def note_lines(text: str) -> None:
    """Write several lines to stderr: a help page, a traceback."""
    for line in text.splitlines():
        note(line)


def _say(head: str, message: str) -> None:
    try:
        sys.stderr.write(f"{head}{plain(message)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def is_terminal(stream: TextIO) -> bool:
    """True if a person is likely to be looking at `stream`."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # already closed
        return False


def has_colour(stream: TextIO) -> bool:
    """True if colour may be written to `stream` (see https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def console() -> "Console":
    """A rich console on stdout that is plain in a pipe."""
    from rich.console import Console

    width = None if is_terminal(sys.stdout) else PIPE_WIDTH
    return Console(file=sys.stdout, highlight=False, no_color=not has_colour(sys.stdout), width=width)


def table(*headings: str, **options: Any) -> "Table":
    """A rich table without lines; a heading that begins with `>` is aligned to the right."""
    from rich.table import Table

    style: dict[str, Any] = {"box": None, "pad_edge": False, "header_style": "bold"}
    grid = Table(**style | options)
    for heading in headings:
        justify: Any = "right" if heading.startswith(">") else "left"
        grid.add_column(heading.removeprefix(">"), justify=justify, no_wrap=True)
    return grid


class Safe:
    """Something rich can draw, with what a terminal obeys escaped, wherever in it that came from."""

    def __init__(self, renderable: Any) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Segment]":
        from rich.segment import Segment

        from promptd.support import escape

        for text, style, control in console.render(self._renderable, options):
            yield Segment(text if control else escape.terminal(text), style, control)


def draw(renderable: Any) -> None:
    """Print something rich can draw to stdout."""
    screen = console()
    with screen.capture() as drawn:
        screen.print(Safe(renderable))
    emit("".join(f"{line.rstrip()}\n" for line in drawn.get().split("\n")[:-1]).encode())


@contextmanager
def progress_bar(label: str) -> Iterator[ShowProgress | None]:
    """A progress callback drawn on stderr, or None if stderr is not a terminal.

    The bar disappears when it is done: only the result remains on the screen.
    """
    if not is_terminal(sys.stderr):
        yield None
        return
    from promptd.cli.progress import PatientBar

    bar = PatientBar(label, has_colour=has_colour(sys.stderr))
    try:
        yield bar.show
    finally:
        bar.hide()


def _styled(text: str, **style: Any) -> str:
    return click.style(text, **style) if has_colour(sys.stderr) else text
