"""A progress bar on stderr for work that lasts; what is quick does not make the screen flicker."""

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 0.3  # work shorter than this gets no progress bar


class PatientBar:
    """A bar that is drawn only after PATIENCE_S."""

    def __init__(self, label: str, *, has_colour: bool) -> None:
        self._label = label
        self._has_colour = has_colour
        self._due_s = time.monotonic() + PATIENCE_S
        self._bar: Progress | None = None

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

    def _drawn(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        screen = Console(file=sys.stderr, no_color=not self._has_colour)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        bar = Progress(*columns, console=screen, transient=True)
        bar.add_task(self._label, total=None)
        bar.start()
        return bar
