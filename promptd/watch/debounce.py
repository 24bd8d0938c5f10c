"""Debouncing: many file events in, one batch out. Pure; the clock is a parameter.

A save makes several events, a `git checkout` thousands. Changes are gathered until none has come for
`settle_s`, or until `max_settle_s` after the first, and are then handed out as one Batch. A batch says where
to look, not what happened: event kinds are unreliable, so the reader stats everything again. Paths below a
directory that is rescanned anyway are dropped. Past `max_paths` the batch asks for a full scan, which is
cheaper than naming thousands of paths. No files, threads or event loop in here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from promptd.watch.paths import is_within_any, parent

FEW_PLACES = 8  # a save touches one to three; more is a checkout or a copy, and more will follow
BURST_SETTLE_S = 0.1  # longer than the pauses of a `git checkout`, so that it becomes one batch
MAX_PATHS = 2_000  # to stat this many costs as much as a full scan of a medium-sized library


@dataclass(frozen=True, slots=True)
class Changes:
    """The result of one poll: absolute paths to stat again, directories to scan again, or everything.

    `events` counts what the operating system reported, ignored paths included; `seen_s` is the time of the
    earliest, on the clock of the Coalescer.
    """

    paths: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    full: bool = False
    events: int = 0
    seen_s: float = math.inf

    def __bool__(self) -> bool:
        return self.full or bool(self.paths) or bool(self.directories)

    def __len__(self) -> int:
        return len(self.paths) + len(self.directories)

    def covers(self, path: str) -> bool:
        """True if a reader that follows these changes looks at `path`."""
        return self.full or path in self.paths or is_within_any(path, self.directories)

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(
            self.paths | other.paths,
            self.directories | other.directories,
            self.full or other.full,
            self.events + other.events,
            min(self.seen_s, other.seen_s),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """One settled set of changes, absolute paths throughout.

    `paths` are to be stat-ed again, `directories` to be scanned again with all that is below them, and
    `full` asks for a scan of all roots (both sets are then empty). `first_event_monotonic_s` is the time of
    the first event, in seconds on the clock of the Coalescer.
    """

    paths: frozenset[str]
    directories: frozenset[str]
    full: bool
    first_event_monotonic_s: float

    def covers(self, path: str) -> bool:
        """True if a reader that does what the batch asks for looks at `path`."""
        return self.full or path in self.paths or is_within_any(path, self.directories)


class Coalescer:
    """Gathers changes and decides when they have settled. Times are seconds of `clock`."""

    def __init__(
        self,
        settle_s: float,
        max_settle_s: float,
        *,
        clock: Callable[[], float],
        max_paths: int = MAX_PATHS,
    ) -> None:
        self._settle_s = settle_s
        self._max_settle_s = max_settle_s
        self._max_paths = max_paths
        self._clock = clock
        self._held = Changes()
        self._last_s = 0.0

    def __repr__(self) -> str:
        held = "everything" if self._held.full else f"{len(self)} places"
        return f"<Coalescer holds {held}, due in {self.due_in_s()} s>"

    def __len__(self) -> int:
        return len(self._held)

    def add(self, changes: Changes) -> None:
        """Add changes; empty ones have no effect."""
        if not changes:
            return
        self._last_s = self._clock()
        self._held |= replace(changes, seen_s=min(changes.seen_s, self._last_s))
        if self._held.full or len(self) > self._max_paths:
            self._held = Changes(full=True, seen_s=self._held.seen_s)

    def due_in_s(self) -> float | None:
        """Seconds until a batch is ready, 0.0 if it is, None while nothing is held."""
        if not self._held:
            return None
        settle_s = self._settle_s if len(self) <= FEW_PLACES else max(self._settle_s, BURST_SETTLE_S)
        due_s = min(self._last_s + settle_s, self._held.seen_s + self._max_settle_s)
        return max(0.0, due_s - self._clock())

    def take(self) -> Batch | None:
        """The batch if it is ready, else None."""
        if self.due_in_s() != 0.0:
            return None
        held, self._held = self._held, Changes()
        inner = (d for d in held.directories if is_within_any(parent(d), held.directories - {d}))
        directories = held.directories.difference(inner)
        paths = frozenset(path for path in held.paths if not is_within_any(path, directories))
        return Batch(paths, directories, held.full, held.seen_s)
