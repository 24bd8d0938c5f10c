"""The state: every component we know, how its directives resolve, and the graph between them.

One owner, one way in: `apply` takes readings of places and returns a Delta that says
what became different. A reading with an unchanged digest touches nothing downstream (backdating), and a
new, changed or removed component re-links only those that wrote its name: cost follows what a change
touches, not what exists. No I/O and no clock here; a source reads, `engine.workspace` decides when.

A place is a root and an id. Where several roots hold the same id the first root's file is the component
and the others wait in `shadows`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from promptd.core.library.graph import Graph
from promptd.core.library.linking import Resolution, link_of, named
from promptd.core.library.member import Component, Link
from promptd.core.library.named import Named
from promptd.core.library.recent_changes import RecentChanges
from promptd.core.library.resolve import NamingRules, matches
from promptd.core.library.shadowed import Shadowed
from promptd.core.library.word_index import WordIndex
from promptd.core.syntax.component import Directive, Place, Reading, Signature
from promptd.errors import ComponentError

__all__ = ["Component", "Delta", "Library", "LibraryStatistics", "Link", "Resolution"]

_Row = tuple[str, str, int, int]  # digest, error, dependencies, dependents


@dataclass(frozen=True, slots=True)
class Delta:
    """What one batch of readings changed. `relinked` wrote a name that now means something else.

    `affected` is all of them. A prompt remembers everything it contains, so it stays valid as long as none of
    that is in `affected`; what depends on a change indirectly need not be searched.
    """

    revision: int
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    relinked: tuple[str, ...] = ()
    affected: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class LibraryStatistics:
    """Counts of what is listed: components, those with errors, edges, dangling directives; and the revision.

    An edge is a pair of components of which one names the other, in whatever way and however often.
    """

    components: int
    errors: int
    edges: int
    dangling: int
    cyclic: int
    revision: int


@dataclass
class _Batch:
    added: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    moded: set[str] = field(default_factory=set)
    removed: dict[str, Component] = field(default_factory=dict)
    targets: set[str] = field(default_factory=set)  # of links that are new, or gone

    def add(self, component: Component) -> None:
        before = self.removed.pop(component.id, None)
        if before is None:
            self.added.add(component.id)
        else:  # gone and back within one batch: a change
            component.links = before.links
            self.change(component, was_reference=before.is_reference)

    def change(self, component: Component, *, was_reference: bool) -> None:
        if component.id not in self.added:
            self.changed.add(component.id)
        if component.is_reference is not was_reference:
            self.moded.add(component.id)

    def remove(self, component: Component) -> None:
        self.changed.discard(component.id)
        if component.id in self.added:
            self.added.discard(component.id)
        else:
            self.removed[component.id] = component


class Library:
    """Components, resolutions and graph, changed by batches of readings."""

    def __init__(self, names: NamingRules, roots: int = 1) -> None:
        self.names = names
        self.roots = roots
        self.revision = 0
        self.mark = 0  # another number whenever `readings` would give something that is worth keeping
        self.graph = Graph()
        self._components: dict[str, Component] = {}
        self.shadows = Shadowed()
        self.history = RecentChanges()
        self._shown: dict[str, _Row] = {}  # of what is listed, as of the last change
        self._named = Named()
        self._broken: set[str] = set()  # ids with an error
        self._dangling = 0
        self._unusual: set[str] = set()  # ids of components that a listing shows only where one leads to them
        self._seekers = WordIndex()  # id -> those with a link that looked for it, see `Link`

    def __repr__(self) -> str:
        return f"<Library {len(self._components)} components, revision {self.revision}>"

    def __len__(self) -> int:
        return len(self._components)

    def __contains__(self, id: str) -> bool:
        return id in self._components

    # -- questions ----------------------------------------------------------------------------

    def get(self, id: str) -> Component | None:
        """The component of this id, or None."""
        return self._components.get(id)

    def places_of(self, id: str) -> Iterator[Place]:
        """The places of an id that we hold a reading of: the component's and the hidden ones."""
        if id in self._components:
            yield self._components[id].place
        yield from (reading.place for reading in self.shadows.of(id))

    def held(self) -> Iterator[tuple[Place, Signature | None]]:
        """Every place we hold a reading of, with its signature, or None if that proves nothing yet.

        Of those held now; it may be asked for some at a time, with changes in between.
        """
        for component in list(self._components.values()):
            yield component.place, None if component.is_racy else component.signature
        for reading in list(self.shadows):
            yield reading.place, reading.signature if reading.is_settled else None

    def readings(self) -> Iterator[Reading]:
        """What was read of every place we hold, without texts; some at a time, as with `held`."""
        for component in list(self._components.values()):
            yield component.as_reading()
        yield from list(self.shadows)

    def ids(self, globs: Sequence[str] = ("**",)) -> list[str]:
        """Sorted ids of the components that fit; files outside the suffixes only once referred to."""
        every = tuple(globs) == ("**",)
        return sorted(id for id in self._components if self.is_listed(id) and (every or matches(id, globs)))

    def is_listed(self, id: str) -> bool:
        """True for what a listing of the roots shows, and for what some such component pulls in."""
        return self._is_found(id) or any(map(self._is_found, self.graph.affected((id,))))

    def _is_found(self, id: str) -> bool:
        return id in self._components and self.names.is_discovered(id.rpartition("/")[2])

    def wanted(self) -> Iterator[Place]:
        """Places that directives look for in vain: files that no listing shows may exist there.

        Some at a time, as with `held`.
        """
        for id in self._seekers:
            if id not in self._components:
                yield from (Place(root, id) for root in range(self.roots))

    def is_relevant(self, id: str) -> bool:
        """True if a file of this id is, or might now be, a component: what an event is worth a read for."""
        if id in self._components or id in self._seekers:
            return True
        return self.names.is_discovered(id.rpartition("/")[2]) and not self.names.is_ignored(id)

    def resolve(self, name: str) -> Resolution:
        """What a name in a request means."""
        return named(self.names.candidates(name), self._components, self.is_served)

    def is_served(self, id: str) -> bool:
        """True if a request may name this id: by its suffix, or because a directive does so."""
        return self.names.is_component(id) or id in self._seekers or self.witness(id) is not None

    def witness(self, id: str) -> Component | None:
        """The first component whose directives lead to an id, as evidence that one does."""
        dependents = (held for each in self.graph.dependents(id) if (held := self.get(each)) is not None)
        return min(dependents, key=attrgetter("id"), default=None)

    def link(self, directive: Directive, from_id: str) -> Link:
        """What a directive in a component means."""
        return link_of(directive, from_id, self.names, self._components, self._named)

    def statistics(self) -> LibraryStatistics:
        """Counts, kept as changes come: only what is not listed is looked at, to be left out."""
        graph, unlisted = self.graph.statistics(), list(self._unlisted())
        return LibraryStatistics(
            len(self._components) - len(unlisted),
            len(self._broken) - sum(one.error is not None for one in unlisted),
            graph.edges - sum(len(one.edges) for one in unlisted),
            self._dangling - sum(_dangling(one.links) for one in unlisted),
            graph.cyclic - sum(self.graph.is_cyclic(one.id) for one in unlisted),
            self.revision,
        )

    def _unlisted(self) -> Iterator[Component]:
        return (self._components[id] for id in self._unusual if not self.is_listed(id))

    def changed_since(self, revision: int) -> Iterator[str] | None:
        """The ids of which a list shows something else than at a revision; None if that is not known."""
        return self.history.since(revision, self._shown.get)

    def count_dependents(self, id: str) -> int:
        """How many listed components have an edge to this one."""
        unlisted = (other for other in self._unusual if self.graph.has_edge(other, id))
        return self.graph.count_dependents(id) - sum(not self.is_listed(other) for other in unlisted)

    def dependents(self, id: str) -> list[str]:
        """The listed components with an edge to this one, sorted."""
        return [
            source
            for source in self.graph.dependents(id)
            if source not in self._unusual or self.is_listed(source)
        ]

    # -- the one way in -----------------------------------------------------------------------

    def apply(self, readings: Iterable[Reading]) -> Delta:
        """Take a batch of readings; returns what became different (falsy if nothing did)."""
        batch = _Batch()
        for reading in readings:
            self._take(reading, batch)
        relinked = self._relink(batch)
        touched = batch.added | batch.changed | batch.removed.keys()
        if not touched:
            return Delta(self.revision)
        self.revision += 1
        self._count_broken(touched)
        self._note(touched | relinked | self._seen_otherwise(batch.targets))
        return Delta(
            self.revision,
            tuple(sorted(batch.added)),
            tuple(sorted(batch.changed)),
            tuple(sorted(batch.removed)),
            tuple(sorted(relinked)),
            frozenset(touched | relinked),
        )

    def _note(self, ids: Iterable[str]) -> None:
        """Note in the history those of the ids of which a list shows something else now."""
        before = {}
        for id in ids:
            was, now = self._shown.get(id), self._row(id)
            if was != now:
                before[id] = was
                if now is None:
                    del self._shown[id]
                else:
                    self._shown[id] = now
        self.history.note(self.revision, before)

    def _row(self, id: str) -> _Row | None:
        """What `list` shows of an id, as far as it can change; None if it shows nothing."""
        one = self._components.get(id)
        if one is None or (id in self._unusual and not self.is_listed(id)):
            return None
        return one.digest, _kind(one.error), self.graph.count_dependencies(id), self.count_dependents(id)

    def _seen_otherwise(self, targets: Iterable[str]) -> set[str]:
        """Ids that a listing may show otherwise though nothing in them changed.

        The targets of links that are new or gone have other dependents. Such a target that no listing shows
        by itself may also have come into the list or left it, and with it what it pulls in.
        """
        seen, todo = set[str](), list(targets)
        while todo:
            id = todo.pop()
            if id not in seen:
                seen.add(id)
                if not self._is_found(id):
                    todo += self.graph.requires(id, hard_only=False)
        return seen

    def _count_broken(self, touched: Iterable[str]) -> None:
        for id in touched:
            component = self._components.get(id)
            if component is not None and component.error is not None:
                self._broken.add(id)
            else:
                self._broken.discard(id)

    def _take(self, reading: Reading, batch: _Batch) -> None:
        held = self._components.get(reading.place.id)
        if held is not None and held.place == reading.place and 0 < reading.order < held.order:
            return  # a read that began later was applied first
        self.mark += _is_news(held, reading)
        if held is not None and held.root < reading.place.root:
            self.shadows.put(reading)
        elif reading.is_absent:
            self._drop(reading.place, held, batch)
        elif held is None:
            self._components[reading.place.id] = component = Component(reading)
            if not self._is_found(component.id):
                self._unusual.add(component.id)
            batch.add(component)
        else:
            if held.root > reading.place.root:
                self.shadows.put(held.as_reading())
            self._replace(held, reading, batch)

    def _drop(self, place: Place, held: Component | None, batch: _Batch) -> None:
        if held is None or held.root != place.root:
            return
        hidden = self.shadows.pop(place.id)
        if hidden is not None:
            self._replace(held, hidden, batch)
            return
        batch.remove(self._components.pop(place.id))
        self._unusual.discard(place.id)
        held.digest = ""  # other holders of this record must not take it for current

    def _replace(self, held: Component, reading: Reading, batch: _Batch) -> None:
        same = held.digest == reading.digest and _kind(held.error) == _kind(reading.error)
        if same and held.root == reading.place.root and held.real_id == reading.real_id:
            parsed = held.parsed  # backdating: same bytes, so the old parse and links stay valid
            held.take(reading)
            held.parsed = parsed
            return
        was_reference = held.is_reference
        held.take(reading)
        batch.change(held, was_reference=was_reference)

    def _relink(self, batch: _Batch) -> set[str]:
        """Resolve again whatever the batch may have changed; returns those whose links changed."""
        relink = batch.added | batch.changed
        for id in batch.added | batch.changed | batch.removed.keys():
            relink |= self._named.take(id, self._components.get(id))
        for id in batch.added | batch.removed.keys():
            relink |= self._seekers.of(id)
        for id in batch.moded:  # how it is pulled in is part of its dependents' links
            relink.update(self.graph.dependents(id))
        for id, component in batch.removed.items():
            relink.update(self.graph.dependents(id))
            batch.targets.update(_targets(component.links))
            self._unseek(id, component.links)
            self.graph.remove(id)
        known = sorted(relink & self._components.keys())
        relinked = {id for id in known if self._link_all(id, batch.targets)}
        self.graph.settle()
        return relinked

    def _link_all(self, id: str, targets: set[str]) -> bool:
        """Resolve a component's links; if they changed, note where they led and lead, and return True."""
        component = self._components[id]
        links = tuple(self.link(directive, id) for directive in component.parsed.directives)
        if links == component.links and id in self.graph:
            return False
        self._unseek(id, component.links)
        self._dangling += _dangling(links)
        targets.update(_targets(component.links), _targets(links))
        self._seekers.add(_sought(links), id)
        self._named.seek(id, links)
        component.links = links
        edges: dict[str, bool] = {}
        for link in links:
            if link.target is not None:
                edges[link.target] = edges.get(link.target, False) or link.is_strict
        self.graph.replace(id, edges)
        return True

    def _unseek(self, id: str, links: Sequence[Link]) -> None:
        self._dangling -= _dangling(links)
        self._named.unseek(id, links)
        self._seekers.discard(_sought(links), id)


def _is_news(held: Component | None, reading: Reading) -> bool:
    """True if there is something to keep of a reading that was not known, or nothing any more."""
    is_usable = reading.error is None and not reading.is_absent
    if held is None or held.error is not None:
        return is_usable
    return not is_usable or held.is_racy or (held.place, held.signature) != (reading.place, reading.signature)


def _dangling(links: Iterable[Link]) -> int:
    return sum(link.is_dangling for link in links)


def _sought(links: Iterable[Link]) -> set[str]:
    return {sought for link in links for sought in link.looked_for}


def _targets(links: Iterable[Link]) -> Iterator[str]:
    return (link.target for link in links if link.target is not None)


def _kind(error: ComponentError | None) -> str:
    return "" if error is None else f"{error.type}: {error.message}"
