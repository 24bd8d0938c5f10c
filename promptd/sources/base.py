"""What every source of components has in common: list them, read one, and say whether an answer still holds.

A source decides where texts come from and what proves that they have not changed; it knows no prompt, no
cache and no request. `Source` and `Check` are protocols: the working tree (`worktree`) and a dictionary
(`memory`) follow them today, and one set of tests runs against both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.library import Component
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place, Reading, Signature


@dataclass(frozen=True, slots=True)
class Listing:
    """One scan of a source. `problems` are sentences about what could not be listed.

    `links` are those of the found that are reached through a symlink of their own; `order` is that of a read
    which began with the scan. `lookalikes` are files whose suffix differs from a component's in case only.
    The receiver of a listing owns `found` and may empty it.
    """

    found: dict[Place, Signature]
    problems: tuple[str, ...] = ()
    links: frozenset[Place] = frozenset()
    order: int = 0
    lookalikes: tuple[Place, ...] = ()


class Check(Protocol):
    """One look at a source, shared by all requests of the same turn of the event loop.

    Each path is looked at once, after the check was made: what was written before that is seen.
    """

    def holds(self, evidence: Evidence, revision: int) -> bool:
        """True if nothing in the evidence has changed since it was read; `revision` is the library's.

        False also if that cannot be said yet: `pending` and `doubted` then say what has to be looked at.
        """

    def pending(self, evidence: Evidence) -> Callable[[], None] | None:
        """What must be done in a thread before `stale` can answer, for it may take long; None if nothing."""

    def stale(self, evidence: Evidence) -> Iterable[Place]:
        """The places whose evidence does not hold any more: to be read again."""

    def doubted(self, evidence: Evidence) -> Iterable[Place]:
        """The places whose signature proves nothing yet (racily clean): to be handed to `compare`."""

    def compare(self, places: Iterable[Place]) -> None:
        """Read these places, in a thread, to compare them with what is held."""


class Source(Protocol):
    """Where components come from. All methods are safe in threads and raise nothing a source can hold.

    `name` identifies a source ("worktree", "git:1f3c…"). The evidence of an immutable source is never asked
    again. `roots` says for each root of the library where it is, for people; `names` are its naming rules.
    """

    @property
    def name(self) -> str:
        """What identifies this source."""

    @property
    def is_immutable(self) -> bool:
        """True if nothing that was read here can ever change."""

    @property
    def roots(self) -> tuple[str, ...]:
        """Where each root is."""

    @property
    def names(self) -> NamingRules:
        """Which names are components, and which are ignored."""

    def scan(self) -> Listing:
        """Every component with its signature, in a fixed order; no text is read."""

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places where something is."""

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """The text at a place, not parsed yet. `was_filled`: it was not empty when it was last seen."""

    def evidence(self, components: Sequence[Component], absent: Sequence[Place]) -> Evidence:
        """Evidence that these components are what they are and that nothing is at these places."""

    def check(self) -> Check:
        """A new look at the source."""


class Unchanging:
    """The check of an immutable source: what was read holds for good, and is not asked again.

    Only while an answer is being made are places looked at that were not read before: the `basis` of its
    evidence are the places that were found empty in the library. `exists` is the source's.
    """

    __slots__ = ("_exists",)

    def __init__(self, exists: Callable[[Sequence[Place]], list[Place]]) -> None:
        self._exists = exists

    def holds(self, _evidence: Evidence, _revision: int) -> bool:
        """True."""
        return True

    def pending(self, _evidence: Evidence) -> None:
        """Nothing."""

    def stale(self, evidence: Evidence) -> Iterable[Place]:
        """The places that hold something which has not been read yet."""
        return self._exists(evidence.basis)

    def doubted(self, _evidence: Evidence) -> Iterable[Place]:
        """None."""
        return ()

    def compare(self, _places: Iterable[Place]) -> None:
        """Nothing to compare."""
