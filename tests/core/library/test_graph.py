"""The graph: its knots are the strongly connected sets of the whole graph, however it came about."""

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.graph import Graph

IDS = [f"{letter}.md" for letter in "abcdefgh"]
edges = st.dictionaries(st.sampled_from(IDS), st.booleans(), max_size=4)
# Each step sets the edges of one component, or removes it (None); a batch settles at its end.
histories = st.lists(
    st.lists(st.tuples(st.sampled_from(IDS), edges | st.none()), min_size=1, max_size=5), max_size=12
)


def grown(history: list[list[tuple[str, dict[str, bool] | None]]]) -> tuple[Graph, nx.DiGraph]:
    """Return the graph after a history, and the plain networkx graph of its hard edges."""
    graph, plain = Graph(), nx.DiGraph()
    for batch in history:
        for id, requires in batch:
            if requires is None:
                graph.remove(id)
                if id in plain:
                    plain.remove_node(id)
                continue
            graph.replace(id, requires)
            plain.add_node(id)
            plain.remove_edges_from(list(plain.out_edges(id)))
            plain.add_nodes_from(requires)
            plain.add_edges_from((id, target) for target, hard in requires.items() if hard)
        graph.settle()
    return graph, plain


def test_a_new_graph_is_empty() -> None:
    """Nothing is in it, nothing is asked in vain."""
    graph = Graph()
    assert (len(graph), graph.cycles(), graph.cycle_through("a.md")) == (0, [], ())
    assert (graph.dependents("a.md"), list(graph.requires("a.md"))) == ([], [])
    assert repr(graph) == "<Graph 0 components, 0 edges>"


@given(histories)
def test_knots_are_the_strongly_connected_sets(
    history: list[list[tuple[str, dict[str, bool] | None]]],
) -> None:
    """After any history a component sits on a cycle exactly if networkx, starting afresh, says so."""
    graph, plain = grown(history)
    tied = {id for knot in nx.strongly_connected_components(plain) for id in knot if len(knot) > 1}
    tied |= {id for id in plain if plain.has_edge(id, id)}
    assert {id for id in IDS if graph.cycle_through(id)} == tied
    assert graph.statistics().cyclic == len(tied)
    assert graph.statistics().edges == sum(len(list(graph.requires(id, hard_only=False))) for id in IDS)
    assert graph.statistics().edges == sum(map(graph.count_dependents, IDS))


@given(histories)
def test_a_chain_is_a_shortest_way_back(history: list[list[tuple[str, dict[str, bool] | None]]]) -> None:
    """The chain shown begins and ends at the component, follows hard edges, and none is shorter."""
    graph, plain = grown(history)
    for id in IDS:
        chain = graph.cycle_through(id)
        if chain:
            assert chain[0] == chain[-1] == id
            assert all(plain.has_edge(*step) for step in pairwise(chain))
            ways = [
                nx.shortest_path_length(plain, target, id)
                for target in plain[id]
                if nx.has_path(plain, target, id)
            ]
            assert len(chain) - 2 == min(ways)


@given(histories)
def test_cycles_show_every_knot_once(history: list[list[tuple[str, dict[str, bool] | None]]]) -> None:
    """One chain for each set of ids that lead to one another, through its first id, where it starts."""
    graph, plain = grown(history)
    cycles = graph.cycles()
    tied = (
        members for members in nx.strongly_connected_components(plain) if graph.cycle_through(min(members))
    )
    assert [chain[0] for chain in cycles] == sorted(map(min, tied))
    assert all(chain[0] == chain[-1] == min(chain) for chain in cycles)
    assert all(plain.has_edge(*step) for chain in cycles for step in pairwise(chain))


@given(histories)
def test_neighbours_and_what_is_affected(history: list[list[tuple[str, dict[str, bool] | None]]]) -> None:
    """Edges are those last set, in the order set; affected is everything upstream over edges of any kind."""
    graph, _ = grown(history)
    last = {id: requires for batch in history for id, requires in batch}
    whole = nx.DiGraph()
    for id in IDS:
        held = list(graph.requires(id, hard_only=False))
        whole.add_edges_from((id, target) for target in held)
        if last.get(id) is not None:
            assert held == [target for target in last[id] if target in held]
            assert list(graph.requires(id)) == [target for target in held if last[id][target]]
    for id in IDS:
        upstream = {id} | (nx.ancestors(whole, id) if id in whole else set())
        assert graph.affected([id]) == upstream
        assert graph.dependents(id) == sorted(whole.predecessors(id) if id in whole else ())
        assert graph.count_dependents(id) == len(graph.dependents(id))


def test_the_same_edges_again_change_nothing() -> None:
    """`replace` says whether the edges became different, their order included."""
    graph = Graph()
    assert graph.replace("a.md", {"b.md": True, "c.md": False})
    assert not graph.replace("a.md", {"b.md": True, "c.md": False})
    assert graph.replace("a.md", {"c.md": False, "b.md": True})
    assert graph.replace("a.md", {"c.md": True, "b.md": True})


def test_soft_edges_make_no_cycle() -> None:
    """Two components that merely refer to each other can be assembled."""
    graph = Graph()
    graph.replace("a.md", {"b.md": True})
    graph.replace("b.md", {"a.md": False})
    graph.settle()
    assert graph.cycles() == []
    assert graph.dependents("a.md") == ["b.md"]
    assert graph.dependents("a.md", hard_only=True) == []


def test_most_required_come_first() -> None:
    """Components by their number of dependents, those without any left out, ties by id."""
    graph = Graph()
    for id in ("x.md", "y.md", "z.md"):
        graph.replace(id, {"common.md": True, "b.md": False} if id != "z.md" else {"common.md": True})
    graph.replace("y.md", {"a.md": True, "common.md": True, "b.md": True})
    graph.replace("z.md", {"a.md": True, "common.md": True})
    assert graph.most_required(10) == ["common.md", "a.md", "b.md"]
    assert graph.most_required(1) == ["common.md"]
    graph.remove("x.md")
    assert graph.most_required(10) == ["a.md", "common.md", "b.md"]


@pytest.mark.timeout(10)
def test_a_ring_of_thousands_is_tied_and_untied_in_linear_time() -> None:
    """A cycle through 20,000 components costs one search, not one for each member."""
    graph = Graph()
    ids = [f"{number}.md" for number in range(20_000)]
    for id, following in pairwise([*ids, ids[0]]):
        graph.replace(id, {following: True})
    graph.settle()
    (ring,) = graph.cycles()
    assert len(ring) == 20_001
    graph.replace(ids[500], {})
    graph.settle()
    assert graph.cycles() == []
    assert graph.statistics().cyclic == 0


def test_an_edge_into_a_large_tree_searches_that_tree_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling a change walks below its new targets, not below everything the component requires."""
    graph = Graph()
    graph.replace("index.md", {f"{number}.md": True for number in range(1_000)})
    graph.settle()
    walked: list[str] = []
    reach = graph._reach

    def watched(starts: set[str]) -> set[str]:
        below = reach(starts)
        walked.extend(below)
        return below

    monkeypatch.setattr(graph, "_reach", watched)
    graph.replace("index.md", {f"{number}.md": True for number in range(1_001)})
    graph.settle()
    assert walked == ["1000.md"]
