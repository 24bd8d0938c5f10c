"""The dependency graph: who requires whom, and which components sit on a cycle.

The only user of networkx. Nodes are ids; an edge u -> v with `hard=True` means the text of v is pulled
into u, otherwise v is only referred to. Knots (strongly connected sets of hard edges) are kept current
incrementally: a knot that appears runs through a new edge, so it lies below that edge's target; one that
falls apart has lost an edge. Only those are searched, with one pass for a whole batch. Chains to show
are found when they are asked for.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import networkx as nx


@dataclass(frozen=True, slots=True)
class GraphStatistics:
    """Counts of nodes, edges and of components on a cycle."""

    nodes: int
    edges: int
    cyclic: int


class Graph:
    """A directed graph over ids, changed one component at a time."""

    def __init__(self) -> None:
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._knots: dict[str, frozenset[str]] = {}  # id on a cycle -> the strongly connected set it is in
        self._sources: set[str] = set()  # got new hard edges since the last `settle`
        self._targets: set[str] = set()  # where those edges lead
        self._loose: set[str] = set()  # members of knots that lost an edge since
        self._edges = 0  # networkx would add up all degrees
        self._ranking: tuple[int, list[str]] = (0, [])  # how far ranked, ids by number of dependents

    def __repr__(self) -> str:
        return f"<Graph {len(self._graph)} components, {self._edges} edges>"

    def __len__(self) -> int:
        return len(self._graph)

    def __contains__(self, id: str) -> bool:
        return id in self._graph

    # -- changes ------------------------------------------------------------------------------

    def replace(self, id: str, requires: Mapping[str, bool]) -> bool:
        """Set the out-edges of one component: target id -> is the edge hard. Cycles: call `settle`.

        Returns True if they became different.
        """
        self._graph.add_node(id)
        held = {target: edge["hard"] for target, edge in self._graph.adj[id].items()}
        if list(held.items()) == list(requires.items()):
            return False
        self._edges += len(requires) - len(held)
        self._graph.remove_edges_from([(id, target) for target in held])
        self._graph.add_edges_from((id, target, {"hard": hard}) for target, hard in requires.items())
        gained = {target for target, hard in requires.items() if hard and not held.get(target)}
        if gained:
            self._sources.add(id)
            self._targets |= gained
        self._loose |= self._knots.get(id, frozenset())
        self._ranking = (0, [])
        return True

    def remove(self, id: str) -> None:
        """Remove a component and its edges. Cycles: call `settle`."""
        if id in self._graph:
            at_itself = self._graph.has_edge(id, id)
            self._edges -= len(self._graph.adj[id]) + len(self._graph.pred[id]) - at_itself
            self._graph.remove_node(id)
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
        among: nx.DiGraph[str] = nx.DiGraph()
        among.add_edges_from((id, at) for id in suspects for at in self.requires(id) if at in suspects)
        for members in nx.strongly_connected_components(among):
            knot = frozenset(members)
            if len(knot) > 1 or all(among.has_edge(id, id) for id in knot):
                self._knots |= dict.fromkeys(knot, knot)

    def _reach(self, starts: set[str]) -> set[str]:
        """The starts and everything below them over hard edges."""
        seen = {id for id in starts if id in self._graph}
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
            for source, edge in self._graph.pred[stack.pop()].items():
                if edge["hard"] and source in among and source not in seen:
                    seen.add(source)
                    stack.append(source)
        return seen

    # -- questions ----------------------------------------------------------------------------

    def requires(self, id: str, *, hard_only: bool = True) -> Iterator[str]:
        """Targets of a component's edges, in the order they were set."""
        if id in self._graph:
            for target, edge in self._graph.adj[id].items():
                if edge["hard"] or not hard_only:
                    yield target

    def dependents(self, id: str, *, hard_only: bool = False) -> list[str]:
        """Components with an edge to this one, sorted."""
        if id not in self._graph:
            return []
        sources = self._graph.pred[id].items()
        return sorted(source for source, edge in sources if edge["hard"] or not hard_only)

    def count_dependents(self, id: str) -> int:
        """How many components have an edge to this one."""
        return len(self._graph.pred[id]) if id in self._graph else 0

    def most_required(self, limit: int) -> list[str]:
        """The ids with most dependents, most first, ties by id; those without any are left out.

        Ranked anew only after edges have changed, so a mere edit of text costs nothing here.
        """
        if self._ranking[0] < limit:
            required = (id for id, sources in self._graph.pred.items() if sources)
            ranked = heapq.nsmallest(limit, required, key=lambda id: (-len(self._graph.pred[id]), id))
            self._ranking = (limit, ranked)
        return self._ranking[1][:limit]

    def affected(self, ids: Iterable[str]) -> set[str]:
        """The ids and everything that directly or indirectly depends on them."""
        seen = set(ids)
        stack = [id for id in seen if id in self._graph]
        while stack:
            for source in self._graph.pred[stack.pop()]:
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
        return seen

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
        """Chains that together pass through every component on a cycle, each starting at its first id.

        A component that a chain found earlier passes through gets none of its own.
        """
        chains: list[tuple[str, ...]] = []
        shown: set[str] = set()
        for id in sorted(self._knots):
            if id not in shown:
                chain = self.cycle_through(id)
                shown.update(chain)
                chains.append(_from_its_first(chain))
        return sorted(chains)

    def statistics(self) -> GraphStatistics:
        """Counts of nodes, edges and cyclic components."""
        return GraphStatistics(len(self._graph), self._edges, len(self._knots))


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
