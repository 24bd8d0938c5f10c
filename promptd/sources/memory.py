"""A dictionary as a source: texts by id, without a disk.

For tests, for libraries that a program makes itself, and as the shortest example of a source. A mutable one
counts a version for each id; an immutable one is never asked again.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptd.core.assembly.evidence import Evidence, ids_of
from promptd.core.library.library import Component
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place, Reading, Signature
from promptd.sources.base import Check, Listing, Unchanging

SUFFIXES = (".md", ".markdown", ".mdc", ".txt", ".prompt")
_orders = itertools.count(1)


class Version(NamedTuple):
    """The signature of a text in memory: it proves at once that nothing changed."""

    number: int
    size: int

    def is_racy_at(self, _read_at_ns: int) -> bool:
        """Never: each change has a number of its own."""
        return False


class MemorySource:
    """Texts by id, below one root that is shown as `memory:NAME`.

    >>> source = MemorySource({"hello.md": "Hello {name}"})
    >>> source.put("tone.md", "Be brief.")
    """

    def __init__(
        self,
        texts: Mapping[str, str] | None = None,
        *,
        name: str = "memory",
        is_immutable: bool = False,
        names: NamingRules | None = None,
    ) -> None:
        self.name = name
        self.is_immutable = is_immutable
        self.names = names or NamingRules(SUFFIXES)
        self.roots = (f"memory:{name}",)
        self._numbers = itertools.count(1)
        self._held = {id: (text, self._version(text)) for id, text in (texts or {}).items()}

    def __repr__(self) -> str:
        return f"<MemorySource {self.name}, {len(self._held)} texts>"

    # -- changes --------------------------------------------------------------------------------

    def put(self, id: str, text: str) -> None:
        """Add or replace a text. Raises TypeError for an immutable source."""
        self._assert_mutable()
        self._held[id] = text, self._version(text)

    def remove(self, id: str) -> None:
        """Take a text away; nothing if there is none. Raises TypeError for an immutable source."""
        self._assert_mutable()
        self._held.pop(id, None)

    def _assert_mutable(self) -> None:
        if self.is_immutable:
            raise TypeError(f"{self.name} is immutable")

    def _version(self, text: str) -> Version:
        return Version(next(self._numbers), len(text.encode()))

    # -- sources.base.Source --------------------------------------------------------------------

    def scan(self) -> Listing:
        """Every text whose name is that of a component, by id."""
        order = next(_orders)
        found: dict[Place, Signature] = {
            Place(0, id): version for id, (_, version) in sorted(self._held.items()) if self._is_listed(id)
        }
        return Listing(found, order=order)

    def _is_listed(self, id: str) -> bool:
        return self.names.is_discovered(id.rpartition("/")[2]) and not self.names.is_ignored(id)

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places that hold a text."""
        return [place for place in places if self._at(place) is not None]

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """The text at a place; `was_filled` says nothing here, for no write is ever half done."""
        order, held = next(_orders), self._at(place)
        if held is None:
            return Reading(place, order=order)
        text, version = held
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Reading(place, version, 0, digest, text, order=order)

    def evidence(self, components: Sequence[Component], absent: Sequence[Place]) -> Evidence:
        """Evidence of versions; of an immutable source only what was not read yet can differ."""
        empty = tuple(absent)
        basis = empty if self.is_immutable else VersionBasis(tuple((c, c.digest) for c in components), empty)
        return Evidence(tuple(components), ids_of(components, absent), basis)

    def check(self) -> Check:
        """A look at the versions as they are now."""
        return Unchanging(self.exists) if self.is_immutable else VersionCheck(self.signature)

    def signature(self, place: Place) -> Signature | None:
        """The version of the text at a place, None if there is none."""
        held = self._at(place)
        return None if held is None else held[1]

    def _at(self, place: Place) -> tuple[str, Version] | None:
        return self._held.get(place.id) if place.root == 0 else None


@dataclass(frozen=True, slots=True)
class VersionBasis:
    """What the evidence of texts in memory is checked by: components with their digests, and empty places."""

    components: tuple[tuple[Component, str], ...]
    absent: tuple[Place, ...]


class VersionCheck:
    """The check of a mutable dictionary (`sources.base.Check`): nothing takes long, nothing is doubted."""

    __slots__ = ("_signature",)

    def __init__(self, signature: Callable[[Place], Signature | None]) -> None:
        self._signature = signature

    def __repr__(self) -> str:
        return "<VersionCheck>"

    def holds(self, evidence: Evidence, _revision: int) -> bool:
        """True if every version is what it was and every empty place still is."""
        basis: VersionBasis = evidence.basis
        are_same = all(component.digest == digest for component, digest in basis.components)
        return are_same and not any(True for _ in self.stale(evidence))

    def pending(self, _evidence: Evidence) -> None:
        """Nothing takes long."""
        return

    def stale(self, evidence: Evidence) -> Iterable[Place]:
        """The places whose text is another one, or that are not empty any more."""
        basis: VersionBasis = evidence.basis
        for component, _ in basis.components:
            if self._signature(component.place) != component.signature:
                yield component.place
        yield from (place for place in basis.absent if self._signature(place) is not None)

    def doubted(self, _evidence: Evidence) -> Iterable[Place]:
        """None: a version proves what it says."""
        return ()

    def compare(self, _places: Iterable[Place]) -> None:
        """Nothing to compare."""
