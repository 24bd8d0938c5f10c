"""A sweep: signatures as of one turn of the event loop, and whether evidence holds against them.

Each path is looked at once, however many ask. Evidence holds if every signature is the one that was read,
every empty place is still empty, and no directory on the way has become a link that leads out. A component
whose signature proves nothing yet (racily clean, as git calls it) must be read again in the same sweep.
Where stat is slow nothing is looked at here: `pending` hands the work out.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.library import Component
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.sources.worktree.stat_proof import StatProof
from promptd.sources.worktree.walk import ancestor_signature, signature_of

SLOW_STAT_S = 0.0001  # local file systems take 0.002 ms; 50 paths at this rate hold the event loop for 5 ms


class SweptTree(Protocol):
    """What a sweep asks of the working tree."""

    @property
    def stat_s(self) -> float:
        """Running mean of the seconds that one stat takes."""

    def observe_stats(self, count: int, seconds: float) -> None:
        """Take the time of some stat calls into the running mean."""

    def is_inside(self, real: str, first: int = 0) -> bool:
        """True if a resolved path lies below a root."""

    def ancestors(self, places: Iterable[Place]) -> tuple[str, ...]:
        """The directories and links through which places are reached."""

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Read one file whole."""


@dataclass(slots=True)
class FileBasis:
    """What the evidence of files is checked by.

    `files` holds (component, its digest, path), `absent` (path, place), `paths` all of these paths.
    `ancestors` are the directories and links through which readable files are reached: a signature says
    nothing of where a file is. `proof` asks the disk whether all is as it was when this was last found to
    hold, which was at the library's revision `proved_at`.
    """

    files: tuple[tuple[Component, str, str], ...]
    absent: tuple[tuple[str, Place], ...]
    paths: tuple[str, ...]
    ancestors: tuple[str, ...] = ()
    proof: Callable[[], bool] | None = None
    proved_at: int = -1


class Sweep:
    """The check of the working tree (`sources.base.Check`); it lives for one turn.

    `seen` are the signatures so far, None where there was nothing or a directory.
    """

    __slots__ = ("_ancestors", "_held", "_readings", "_tree", "seen")

    def __init__(self, tree: SweptTree) -> None:
        self._tree = tree
        self.seen: dict[str, FileSignature | None] = {}
        self._held: dict[Evidence, int] = {}  # found to hold, at which revision of the library
        self._readings: dict[Place, Reading] = {}
        self._ancestors: dict[str, tuple[FileSignature | None, bool]] = {}

    def __repr__(self) -> str:
        return f"<Sweep of {len(self.seen)} paths, {len(self._readings)} readings>"

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
        """Look at the paths; where a stat is slow, return the looking instead."""
        paths = evidence.basis.paths
        if self._tree.stat_s > SLOW_STAT_S:
            new = self._unseen(paths)
            return partial(self.stat, new) if new else None
        self.stat(paths)
        return None

    def stale(self, evidence: Evidence) -> Iterable[Place]:
        """The places that are not what they were."""
        basis: FileBasis = evidence.basis
        for component, _, path in basis.files:
            is_other = self.signature(path) != component.signature
            is_out = component.error is None and not self.are_inside(self._tree.ancestors([component.place]))
            if is_other or is_out or (component.is_racy and self._is_refuted(component)):
                yield component.place
        yield from (place for path, place in basis.absent if self.signature(path) is not None)

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

    # -- paths ----------------------------------------------------------------------------------

    def signature(self, path: str) -> FileSignature | None:
        """The signature of a path, None if there is nothing or a directory."""
        try:
            return self.seen[path]
        except KeyError:
            signature = self.seen[path] = signature_of(path)
            return signature

    def stat(self, paths: Iterable[str]) -> None:
        """Look at all of these paths now, and measure how long that takes."""
        new = self._unseen(paths)
        if new:
            started = time.perf_counter()
            self.seen.update(zip(new, map(signature_of, new), strict=True))
            self._tree.observe_stats(len(new), time.perf_counter() - started)

    def are_inside(self, ancestors: Iterable[str]) -> bool:
        """True if none of these directories and links is by now a symlink that leads out of the library.

        A directory that was moved away and linked to leaves the signatures of its files as they were.
        """
        for path in ancestors:
            if path not in self._ancestors:
                # In this order: what changes in between has another signature.
                self._ancestors[path] = ancestor_signature(path), self._is_inside(path)
            if not self._ancestors[path][1]:
                return False
        return True

    def _unseen(self, paths: Iterable[str]) -> Sequence[str]:
        seen = self.seen
        return [path for path in paths if path not in seen]

    def _is_inside(self, path: str) -> bool:
        return not os.path.islink(path) or self._tree.is_inside(f"{os.path.realpath(path)}/")

    # -- evidence -------------------------------------------------------------------------------

    def _ask(self, basis: FileBasis) -> bool:
        """Ask the proof, unless a stat is slow, and measure how long that takes."""
        tree = self._tree
        if basis.proof is None or not basis.paths or tree.stat_s > SLOW_STAT_S:
            return False
        started = time.perf_counter()
        is_same = basis.proof()
        tree.observe_stats(len(basis.paths), time.perf_counter() - started)
        return is_same

    def _hold_one_by_one(self, basis: FileBasis, revision: int) -> bool:
        if not self._are_all_seen(basis.paths) or not self.are_inside(basis.ancestors):
            return False
        seen = self.seen
        for component, digest, path in basis.files:
            if component.digest != digest or seen[path] != component.signature:
                return False
            if component.is_racy and not self._is_confirmed(component):
                return False
        if not all(seen[path] is None for path, _ in basis.absent):
            return False
        if not any(component.is_racy for component, _, _ in basis.files):
            self._prove(basis, revision)
        return True

    def _are_all_seen(self, paths: Iterable[str]) -> bool:
        """Look at the paths; where a stat is slow, only say whether that has been done."""
        if self._tree.stat_s > SLOW_STAT_S:
            return not self._unseen(paths)
        self.stat(paths)
        return True

    def _prove(self, basis: FileBasis, revision: int) -> None:
        ancestors = [(path, self._ancestors[path][0]) for path in basis.ancestors]
        basis.proof = StatProof([(path, self.seen[path]) for path in basis.paths], ancestors).holds
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
