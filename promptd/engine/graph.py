"""The dependency graph: who requires whom, and which components sit on a cycle.

The only user of networkx. Nodes are ids; an edge u -> v with `hard=True` means the text of v is pulled
into u, otherwise v is only referred to. Cycles are kept current incrementally: after a change only the
components that changed, and those that shared a cycle with them, are searched again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
        self._cycles: dict[str, tuple[str, ...]] = {}  # id -> shortest chain from it back to itself
        self._knots: dict[str, frozenset[str]] = {}  # id -> the strongly connected set it is in

    def __repr__(self) -> str:
        return f"<Graph {len(self._graph)} components, {self._graph.number_of_edges()} edges>"

    def __len__(self) -> int:
        return len(self._graph)

    def __contains__(self, id: str) -> bool:
        return id in self._graph

    def replace(self, id: str, requires: Mapping[str, bool]) -> None:
        """Set the out-edges of one component: target id -> is the edge hard. Cycles: call `settle`."""
        self._graph.add_node(id)
        self._graph.remove_edges_from([(id, target) for target in self._graph.adj[id]])
        self._graph.add_edges_from((id, target, {"hard": hard}) for target, hard in requires.items())

    def remove(self, id: str) -> None:
        """Remove a component and its edges."""
        if id in self._graph:
            self._graph.remove_node(id)

    def settle(self, changed: Iterable[str]) -> None:
        """Bring the cycles up to date after `replace` and `remove` of the ids `changed`.

        A cycle that appeared runs through a changed component, one that vanished ran through one, so
        only the knots (strongly connected sets) around those are searched: cost follows their closure.
        """
        touched = set(changed)
        suspects = touched | {id for id, knot in self._knots.items() if not touched.isdisjoint(knot)}
        for id in suspects:
            self._cycles.pop(id, None)
            self._knots.pop(id, None)
        for id in sorted(suspects):
            if id not in self._cycles:
                self._tie(self._knot_around(id))

    def _tie(self, knot: frozenset[str]) -> None:
        for id in sorted(knot):
            self._knots[id] = knot
            self._cycles[id] = self._chain_back(id)

    def _knot_around(self, id: str) -> frozenset[str]:
        """The components that reach `id` and are reached from it over hard edges."""
        below = self._reach(id, self.requires)
        if id not in below:
            return frozenset()
        return frozenset(self._reach(id, lambda at: (up for up in self._hard_dependents(at) if up in below)))

    def _reach(self, id: str, step: Callable[[str], Iterable[str]]) -> set[str]:
        seen: set[str] = set()
        stack = [id]
        while stack:
            for following in step(stack.pop()):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return seen

    def _hard_dependents(self, id: str) -> Iterator[str]:
        return (source for source, data in self._graph.pred[id].items() if data["hard"])

    def _chain_back(self, id: str) -> tuple[str, ...]:
        """Shortest chain of hard edges from `id` back to itself, both ends included; () if none."""
        if id not in self._graph:
            return ()
        came_from: dict[str, str] = {}
        frontier = [id]
        while frontier:
            following: list[str] = []
            for source in frontier:
                for target in self.requires(source):
                    if target == id:
                        return self._unwind(came_from, id, source)
                    if target not in came_from:
                        came_from[target] = source
                        following.append(target)
            frontier = following
        return ()

    @staticmethod
    def _unwind(came_from: Mapping[str, str], id: str, last: str) -> tuple[str, ...]:
        chain = [id]
        while last != id:
            chain.append(last)
            last = came_from[last]
        return (id, *reversed(chain))

    def requires(self, id: str, *, hard_only: bool = True) -> Iterator[str]:
        """Targets of a component's edges, in the order they were set."""
        if id in self._graph:
            for target, data in self._graph.adj[id].items():
                if data["hard"] or not hard_only:
                    yield target

    def dependents(self, id: str, *, hard_only: bool = False) -> list[str]:
        """Components with an edge to this one, sorted."""
        if id not in self._graph:
            return []
        sources = self._graph.pred[id].items()
        return sorted(source for source, data in sources if data["hard"] or not hard_only)

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
        """The chain from a component back to itself, or () if it sits on no cycle."""
        return self._cycles.get(id, ())

    def cycles(self) -> list[tuple[str, ...]]:
        """Each cycle once, as a chain that starts at its first id in sort order."""
        found: dict[frozenset[str], tuple[str, ...]] = {}
        for id in sorted(self._cycles):
            found.setdefault(frozenset(self._cycles[id]), self._cycles[id])
        return list(found.values())

    def statistics(self) -> GraphStatistics:
        """Counts of nodes, edges and cyclic components."""
        return GraphStatistics(len(self._graph), self._graph.number_of_edges(), len(self._cycles))
