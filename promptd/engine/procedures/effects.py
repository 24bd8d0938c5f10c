"""Effects: what a procedure asks its driver to do, and what was found: records, and one way to apply it.

A procedure (`procedures`) yields effects and is sent their outcomes; only its driver does anything.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from promptd.core.library.library import Delta
from promptd.core.syntax.component import Place, Reading

READ_AT_ONCE = 100  # components that are applied in one go, which takes some 3 ms
LINK_AT_ONCE = 2_000  # directives whose components are applied in one go: some 10 µs each

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Read:
    """Read and parse these places; the outcome is a list of readings. `filled` were not empty before.

    `is_wanted`: they are for a prompt, so their tokens are counted at once, away from the event loop.
    `of`: how many were read before in the same phase, and of how many, to show progress.
    """

    places: tuple[Place, ...]
    filled: frozenset[Place] = frozenset()
    is_wanted: bool = False
    of: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """Wait for memory for texts of so many bytes; the outcome is True if there was none at once."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Scan:
    """List all roots; the outcome is a Listing."""


@dataclass(frozen=True, slots=True)
class Exists:
    """Find which of these places hold something; the outcome is a list of places."""

    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """Ask file systems, which may not answer for a while; nothing comes back."""

    run: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Make the whole library true; the outcome is a Reconciled. Who asks at the same time may share one."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Call a pure function that takes its time; the outcome is what it returns."""

    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Let others have the loop before going on with what takes long; nothing comes back."""


Effect = Read | Reserve | Scan | Exists | Look | Reconcile | Compute | Pause
Procedure = Generator[Effect, Any, Outcome]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconcile found to differ from what was held."""

    added: int
    changed: int
    removed: int
    revision: int
    ids: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class DeltaSum:
    """Ids that several deltas added, changed and removed."""

    def __init__(self) -> None:
        self.added, self.changed, self.removed = set[str](), set[str](), set[str]()

    def __repr__(self) -> str:
        return f"<DeltaSum {len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed>"

    def take(self, delta: Delta) -> None:
        """Count one delta."""
        self.added.update(delta.added)
        self.changed.update(delta.changed)
        self.removed.update(delta.removed)

    def add(self, other: "DeltaSum") -> None:
        """Count what another counted."""
        self.added |= other.added
        self.changed |= other.changed
        self.removed |= other.removed

    @property
    def ids(self) -> set[str]:
        """All of them."""
        return self.added | self.changed | self.removed

    def total(self, revision: int) -> Reconciled:
        """A frozen record of them, as of a revision."""
        counts = len(self.added), len(self.changed), len(self.removed)
        return Reconciled(*counts, revision, frozenset(self.ids))


def applied(apply: Callable[[list[Reading]], Delta], readings: Iterable[Reading]) -> Procedure[DeltaSum]:
    """Have readings applied: as one revision, unless that would hold up requests; some at a time then."""
    found, portion, links = DeltaSum(), list[Reading](), 0
    for reading in readings:
        size = len(reading.parsed.directives) if reading.parsed is not None else 0
        if portion and (links + size > LINK_AT_ONCE or len(portion) == READ_AT_ONCE):
            found.take(apply(portion))
            yield Pause()
            portion, links = [], 0
        portion.append(reading)
        links += size
    found.take(apply(portion))
    return found
