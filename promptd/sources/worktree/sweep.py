"""A sweep: signatures as of one turn of the event loop, and whether evidence holds against them.

Each place is looked at once, however many ask. Evidence holds if every signature is the one that was read,
and every empty place is still empty. A component whose signature proves nothing yet (racily clean, as git
calls it) must be read again in the same sweep. Where stat is slow, or the file system may not answer at
all, nothing is looked at here: `pending` hands the work out.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.library import Component
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.sources.worktree.beneath import RootPaths, Signatures
from promptd.sources.worktree.stat_proof import prove

SLOW_STAT_S = 0.0001  # local file systems take 0.002 ms; 50 paths at this rate hold the event loop for 5 ms
MAX_LOOK_S = 0.02  # of places that are looked at on the event loop


class SweptTree(Protocol):
    """What a sweep asks of the working tree."""

    @property
    def stat_s(self) -> float:
        """Running mean of the seconds that one stat takes."""

    def observe_stats(self, count: int, seconds: float) -> None:
        """Take the time of some stat calls into the running mean."""

    @property
    def beneath(self) -> RootPaths:
        """The roots."""

    def may_hang(self, places: Iterable[Place]) -> bool:
        """True if looking at these places may block for ever."""

    def glance(self, places: Iterable[Place]) -> Signatures:
        """The signatures of those places that can be looked at here and now."""

    def look(self, places: Iterable[Place]) -> Signatures:
        """The signature of each place, in a thread."""

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Read one file whole."""


@dataclass(slots=True)
class FileBasis:
    """What the evidence of files is checked by.

    `files` holds (component, its digest), `places` are theirs and the `absent` ones. `proof` asks the disk
    whether all is as it was when this was last found to hold, which was at the library's revision
    `proved_at`.
    """

    files: tuple[tuple[Component, str], ...]
    absent: tuple[Place, ...]
    places: tuple[Place, ...]
    proof: Callable[[], bool] | None = None
    proved_at: int = -1


class Sweep:
    """The check of the working tree (`sources.base.Check`); it lives for one turn.

    `seen` are the signatures so far, None where there was nothing or a directory.
    """

    __slots__ = ("_held", "_readings", "_tree", "seen")

    def __init__(self, tree: SweptTree) -> None:
        self._tree = tree
        self.seen: Signatures = {}
        self._held: dict[Evidence, int] = {}  # found to hold, at which revision of the library
        self._readings: dict[Place, Reading] = {}

    def __repr__(self) -> str:
        return f"<Sweep of {len(self.seen)} places, {len(self._readings)} readings>"

    # -- sources.base.Check ---------------------------------------------------------------------

    def holds(self, evidence: Evidence, revision: int) -> bool:
        """True if nothing in the evidence has changed on disk since it was read.

        What held before is looked at whole (0.4 to 1.5 µs a path), and one by one only if something is
        different, or if the library is: then a component may have another digest.
        """
        if self._held.get(evidence) == revision:
            return True
        basis: FileBasis = evidence.basis
        is_proved = basis.proved_at == revision and self._ask(basis)
        if not is_proved and not self._hold_one_by_one(basis, revision):
            return False
        self._held[evidence] = revision
        return True

    def pending(self, evidence: Evidence) -> Callable[[], None] | None:
        """Look at the places; return the looking at those that are slow or may not answer."""
        places = evidence.basis.places
        if not self._is_slow(places):
            self.stat(places)
        new = self._unseen(places)
        return partial(self._look, new) if new else None

    def stale(self, evidence: Evidence) -> Iterable[Place]:
        """The places that are not what they were."""
        basis: FileBasis = evidence.basis
        for component, _ in basis.files:
            is_other = self.signature(component.place) != component.signature
            if is_other or (component.is_racy and self._is_refuted(component)):
                yield component.place
        yield from (place for place in basis.absent if self.signature(place) is not None)

    def doubted(self, evidence: Evidence) -> Iterable[Place]:
        """The places whose signature proves nothing and that were not read in this sweep."""
        for component in evidence.components:
            if component.is_racy and component.place not in self._readings:
                yield component.place

    def compare(self, places: Iterable[Place]) -> None:
        """Read these places whole."""
        for place in places:
            if place not in self._readings:
                self._readings[place] = self._tree.read(place)

    # -- places ---------------------------------------------------------------------------------

    def signature(self, place: Place) -> FileSignature | None:
        """The signature of a place, None if there is nothing or a directory."""
        if place not in self.seen:
            self.stat((place,))
        if place not in self.seen:
            self._look((place,))
        return self.seen[place]

    def stat(self, places: Iterable[Place]) -> None:
        """Look at all of these places now, as far as they answer, and measure how long that takes."""
        self._timed(self._tree.glance, places)

    def _look(self, places: Iterable[Place]) -> None:
        """The same in a thread: all of them, however long it takes."""
        self._timed(self._tree.look, places)

    def _timed(self, look: Callable[[Iterable[Place]], Signatures], places: Iterable[Place]) -> None:
        new = self._unseen(places)
        if new:
            started = time.perf_counter()
            self.seen.update(look(new))
            self._tree.observe_stats(len(new), time.perf_counter() - started)

    def _unseen(self, places: Iterable[Place]) -> Sequence[Place]:
        seen = self.seen
        return [place for place in places if place not in seen]

    def _is_slow(self, places: Collection[Place]) -> bool:
        """True if these are better looked at in a thread."""
        tree = self._tree
        is_long = len(places) * tree.stat_s > MAX_LOOK_S
        return is_long or tree.stat_s > SLOW_STAT_S or tree.may_hang(places)

    # -- evidence -------------------------------------------------------------------------------

    def _ask(self, basis: FileBasis) -> bool:
        """Ask the proof, unless a stat is slow, and measure how long that takes."""
        tree = self._tree
        if basis.proof is None or not basis.places or self._is_slow(basis.places):
            return False
        started = time.perf_counter()
        is_same = basis.proof()
        tree.observe_stats(len(basis.places), time.perf_counter() - started)
        return is_same

    def _hold_one_by_one(self, basis: FileBasis, revision: int) -> bool:
        if not self._is_slow(basis.places):
            self.stat(basis.places)
        seen = self.seen
        if any(place not in seen for place in basis.places):
            return False
        for component, digest in basis.files:
            if component.digest != digest or seen[component.place] != component.signature:
                return False
            if component.is_racy and not self._is_confirmed(component):
                return False
        if not all(seen[place] is None for place in basis.absent):
            return False
        if not any(component.is_racy for component, _ in basis.files):
            self._prove(basis, revision)
        return True

    def _prove(self, basis: FileBasis, revision: int) -> None:
        """Have the next look at all of it made in one call, where that cannot block."""
        if self._tree.may_hang(basis.places):
            return
        proof = prove(self._tree.beneath, {place: self.seen[place] for place in basis.places})
        basis.proof = None if proof is None else proof.holds
        basis.proved_at = revision

    def _is_refuted(self, component: Component) -> bool:
        return component.place in self._readings and not self._is_confirmed(component)

    def _is_confirmed(self, component: Component) -> bool:
        """True if the component was read in this sweep and is what it was; that is then remembered.

        The same bytes are the same component; without bytes (no digest) the failure must be the same.
        """
        reading = self._readings.get(component.place)
        if reading is None or reading.signature is None or reading.digest != component.digest:
            return False
        if not reading.digest and str(reading.error) != str(component.error):
            return False
        component.confirm(reading.signature, reading.read_at_ns)
        return True
