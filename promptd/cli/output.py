"""Where output goes: results to stdout as bytes, warnings, errors and progress to stderr.

Colour is for terminals, and never used if NO_COLOR is set. A reader that closes the pipe (`| head`) ends the
process quietly. rich is imported by the functions that draw, not by this module.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from promptd.cli.exits import Exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 10_000  # a pipe has no width: nothing is wrapped, one fact stays on one line
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) != "\t"}
PATIENCE_S = 0.3  # work shorter than this gets no progress bar
ShowProgress = Callable[[int, int], None]  # (done, total), both counts of files


def emit(data: bytes) -> None:
    """Write a result to stdout exactly as it is."""
    with _quiet_when_the_reader_left():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def emit_line(text: str | bytes) -> None:
    """Write a result to stdout and end the line."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
    emit(data + b"\n")


def emit_json(value: Any) -> None:
    """Write a value to stdout as one line of JSON."""
    import json

    emit_line(json.dumps(value, ensure_ascii=False))


def plain(text: str) -> str:
    """Text with control characters escaped: the name of a file may hold them, and a terminal obeys them."""
    return text.translate(_CONTROLS)


def revision(clock: str) -> str:
    """`c:1f-2a-1:7` → `revision 7`: the last part of a clock counts the changes that were applied."""
    return f"revision {clock.rpartition(':')[2]}"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def emit_lines(lines: Iterable[str]) -> None:
    """Write results to stdout, each on one line whatever its text holds."""
    emit("".join(f"{plain(line)}\n" for line in lines).encode("utf-8", "backslashreplace"))


def warn(message: str) -> None:
    """Write a warning about the result to stderr."""
    note("promptd: " + _styled("warning", fg="yellow") + f": {message}")


def fail(message: str, *hints: str) -> None:
    """Write to stderr why there is no result; each hint is a line of its own."""
    note("promptd: " + _styled("error", fg="red", bold=True) + f": {message}")
    for hint in hints:
        note(f"  {hint}")


def note(message: str = "") -> None:
    """Write one line to stderr; a closed stderr is not an error."""
    try:
        sys.stderr.write(message + "\n")
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


def draw(renderable: Any) -> None:
    """Print something rich can draw to stdout."""
    screen = console()
    with screen.capture() as drawn:
        screen.print(renderable)
    emit("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()).encode())


@contextmanager
def progress_bar(label: str) -> Iterator[ShowProgress | None]:
    """A progress callback drawn on stderr, or None if stderr is not a terminal.

    The bar disappears when it is done: only the result remains on the screen.
    """
    if not is_terminal(sys.stderr):
        yield None
        return
    bar = _PatientBar(label)
    try:
        yield bar.show
    finally:
        bar.hide()


class _PatientBar:
    """A bar that is drawn only for work that lasts; what is quick does not make the screen flicker."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._due_s = time.monotonic() + PATIENCE_S
        self._bar: Any = None

    def show(self, done: int, total: int) -> None:
        """Draw the state, if the work has lasted long enough."""
        if self._bar is None and time.monotonic() >= self._due_s:
            self._bar = self._drawn()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def hide(self) -> None:
        """Wipe the bar from the screen."""
        if self._bar is not None:
            self._bar.stop()

    def _drawn(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        screen = Console(file=sys.stderr, no_color=not has_colour(sys.stderr))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        bar = Bar(*columns, console=screen, transient=True)
        bar.add_task(self._label, total=None)
        bar.start()
        return bar


def _styled(text: str, **style: Any) -> str:
    return click.style(text, **style) if has_colour(sys.stderr) else text


@contextmanager
def _quiet_when_the_reader_left() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        abandon_stdout()
        raise SystemExit(int(Exit.PIPE_CLOSED)) from None


def abandon_stdout() -> None:
    """Point stdout at /dev/null so that the interpreter's last flush cannot complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
