"""The dependency graph: who requires whom, and which components sit on a cycle.

Nodes are ids; an edge u -> v that is hard means that the text of v is put into u in any case
(`Link.is_strict`), so that a cycle of such edges gives no prompt; by any other edge v is imported or only
referred to. Edges are kept both ways in plain dictionaries. Knots (strongly connected sets of hard edges) are
kept current incrementally: a knot that appears runs through a new edge, so it lies below that edge's target;
one that falls apart has lost an edge. Only those are searched, with one pass for a whole batch, and only what
cannot be ordered at all is given to networkx, which no start has to wait for. Chains to show are found when
they are asked for.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphStatistics:
    """Counts of nodes, edges and of components on a cycle."""

    nodes: int
    edges: int
    cyclic: int


class Graph:
    """A directed graph over ids, changed one component at a time."""

    def __init__(self) -> None:
        self._requires: dict[str, dict[str, bool]] = {}  # id -> target -> is the edge hard
        self._dependents: dict[str, dict[str, bool]] = {}  # id -> source -> is the edge hard; no empty ones
        self._knots: dict[str, frozenset[str]] = {}  # id on a cycle -> the strongly connected set it is in
        self._sources: set[str] = set()  # got new hard edges since the last `settle`
        self._targets: set[str] = set()  # where those edges lead
        self._loose: set[str] = set()  # members of knots that lost an edge since
        self._edges = 0
        self._ranking: tuple[int, list[str]] = (0, [])  # how far ranked, ids by number of dependents

    def __repr__(self) -> str:
        return f"<Graph {len(self._requires)} components, {self._edges} edges>"

    def __len__(self) -> int:
        return len(self._requires)

    def __contains__(self, id: str) -> bool:
        return id in self._requires

    # -- changes ------------------------------------------------------------------------------

    def replace(self, id: str, requires: Mapping[str, bool]) -> bool:
        """Set the out-edges of one component: target id -> is the edge hard. Cycles: call `settle`.

        Returns True if they became different.
        """
        held = self._requires.setdefault(id, {})
        if list(held.items()) == list(requires.items()):
            return False
        self._part(id, held)
        self._requires[id] = dict(requires)
        for target, hard in requires.items():
            self._dependents.setdefault(target, {})[id] = hard
        self._edges += len(requires)
        gained = {target for target, hard in requires.items() if hard and not held.get(target)}
        if gained:
            self._sources.add(id)
            self._targets |= gained
        self._loose |= self._knots.get(id, frozenset())
        self._ranking = (0, [])
        return True

    def _part(self, id: str, targets: Iterable[str]) -> None:
        """Take the edges of a component away from their targets."""
        for target in targets:
            self._edges -= 1
            sources = self._dependents[target]
            del sources[id]
            if not sources:
                del self._dependents[target]

    def remove(self, id: str) -> None:
        """Remove a component and its edges. Cycles: call `settle`."""
        if id in self._requires or id in self._dependents:
            self._part(id, self._requires.pop(id, {}))
            for source in self._dependents.pop(id, {}):
                del self._requires[source][id]
                self._edges -= 1
            self._loose |= self._knots.get(id, frozenset())
            self._ranking = (0, [])

    def settle(self) -> None:
        """Bring the knots up to date after any number of `replace` and `remove`.

        All of a knot that appeared lies below the target of a new edge and above its source; a knot that
        fell apart lost an edge: no other component can have joined or left one.
        """
        below = self._reach(self._targets)
        suspects = self._loose | self._above(self._sources & below, below)
        for id in suspects:
            self._knots.pop(id, None)
        if suspects:
            self._tie(suspects)
        self._sources, self._targets, self._loose = set(), set(), set()

    def _tie(self, suspects: set[str]) -> None:
        among = {id: [at for at in self.requires(id) if at in suspects] for id in suspects}
        for members in knots(among):
            self._knots |= dict.fromkeys(members, members)

    def _reach(self, starts: set[str]) -> set[str]:
        """The starts and everything below them over hard edges."""
        seen = set(starts)
        stack = list(seen)
        while stack:
            for following in self.requires(stack.pop()):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return seen

    def _above(self, starts: set[str], among: set[str]) -> set[str]:
        """The starts and everything above them over hard edges, as far as it is among these."""
        seen = set(starts)
        stack = list(starts)
        while stack:
            for source, hard in self._dependents.get(stack.pop(), {}).items():
                if hard and source in among and source not in seen:
                    seen.add(source)
                    stack.append(source)
        return seen

    # -- questions ----------------------------------------------------------------------------

    def requires(self, id: str, *, hard_only: bool = True) -> Iterator[str]:
        """Targets of a component's edges, in the order they were set."""
        for target, hard in self._requires.get(id, {}).items():
            if hard or not hard_only:
                yield target

    def dependents(self, id: str, *, hard_only: bool = False) -> list[str]:
        """Components with an edge to this one, sorted."""
        sources = self._dependents.get(id, {}).items()
        return sorted(source for source, hard in sources if hard or not hard_only)

    def count_dependencies(self, id: str) -> int:
        """How many components this one has an edge to."""
        return len(self._requires.get(id, ()))

    def count_dependents(self, id: str) -> int:
        """How many components have an edge to this one."""
        return len(self._dependents.get(id, ()))

    def has_edge(self, source: str, target: str) -> bool:
        """True if one component has an edge to another."""
        return source in self._dependents.get(target, {})

    def most_required(self, limit: int) -> list[str]:
        """The ids with most dependents, most first, ties by id; those without any are left out.

        Ranked anew only after edges have changed, so a mere edit of text costs nothing here.
        """
        if self._ranking[0] < limit:
            required = self._dependents
            ranked = heapq.nsmallest(limit, required, key=lambda id: (-len(required[id]), id))
            self._ranking = (limit, ranked)
        return self._ranking[1][:limit]

    def affected(self, ids: Iterable[str]) -> set[str]:
        """The ids and everything that directly or indirectly depends on them."""
        seen = set(ids)
        stack = list(seen)
        while stack:
            for source in self._dependents.get(stack.pop(), ()):
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
        return seen

    def is_cyclic(self, id: str) -> bool:
        """True if a component sits on a cycle."""
        return id in self._knots

    def cycle_through(self, id: str) -> tuple[str, ...]:
        """A shortest chain from a component back to itself, both ends included; () if it sits on no cycle."""
        return self._chain_back(id) if id in self._knots else ()

    def _chain_back(self, id: str) -> tuple[str, ...]:
        knot = self._knots[id]
        came_from: dict[str, str] = {}
        frontier = [id]
        while id not in came_from:
            steps = [(at, to) for at in frontier for to in self.requires(at) if to in knot]
            frontier = []
            for source, target in steps:
                if target not in came_from:
                    came_from[target] = source
                    frontier.append(target)
        return _unwound(came_from, id)

    def cycles(self) -> list[tuple[str, ...]]:
        """One chain for each knot, which passes through its first id and starts there.

        Breaking it may leave others in the same knot, which the next look shows: how many there are can
        grow exponentially with a knot's size.
        """
        firsts = {members: min(members) for members in set(self._knots.values())}
        return sorted(_from_its_first(self.cycle_through(id)) for id in firsts.values())

    def statistics(self) -> GraphStatistics:
        """Counts of nodes, edges and cyclic components."""
        return GraphStatistics(len(self._requires), self._edges, len(self._knots))


def strongly_connected(edges: Mapping[str, Iterable[str]]) -> list[frozenset[str]]:
    """The strongly connected sets of a graph of ids.

    The first call imports networkx, which takes 0.07 s and reads many files: where that must not happen
    later on an event loop, call this with nothing beforehand.
    """
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph(edges)
    return [frozenset(members) for members in nx.strongly_connected_components(graph)]


def knots(among: dict[str, list[str]]) -> list[frozenset[str]]:
    """The sets of ids that lead to one another, and of those that lead to themselves. Takes `among` apart."""
    _discard_orderly(among)
    found = strongly_connected(among) if among else []
    return [members for members in found if len(members) > 1 or all(id in among[id] for id in members)]


def _discard_orderly(among: dict[str, list[str]]) -> None:
    """Take away, again and again, what nothing left leads to; what stays lies on a cycle or below one."""
    sources = Counter(target for targets in among.values() for target in targets)
    free = [id for id in among if id not in sources]
    while free:
        for target in among.pop(free.pop()):
            sources[target] -= 1
            if not sources[target]:
                free.append(target)


def _unwound(came_from: Mapping[str, str], id: str) -> tuple[str, ...]:
    chain = [id]
    last = came_from[id]
    while last != id:
        chain.append(last)
        last = came_from[last]
    return (id, *reversed(chain))


def _from_its_first(chain: tuple[str, ...]) -> tuple[str, ...]:
    """The same cycle, written from the first of its ids in sort order."""
    ring = chain[:-1]
    at = ring.index(min(ring))
    return (*ring[at:], *ring[:at], ring[at])
