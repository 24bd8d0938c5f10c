"""The graph as DOT, Mermaid and JSON."""

import json
from typing import Any

from promptd.cli.graph import as_dot, as_mermaid
from tests.cli.conftest import FakeDaemon, Run

GRAPH: dict[str, Any] = {
    "nodes": [{"id": "a.md"}, {"id": 'b "x".md'}],
    "edges": [
        {"source": "a.md", "target": 'b "x".md', "line": 3, "kind": "includes"},
        {"source": "a.md", "target": "c.md", "line": None, "kind": "requires"},
    ],
    "clock": "c:1:2",
}


def test_dot_quotes_names_and_shows_kinds() -> None:
    """Every id is quoted, kinds are line styles, and the line of the directive is the label."""
    assert as_dot(GRAPH["nodes"], GRAPH["edges"])[3:] == [
        '  "a.md";',
        '  "b \\"x\\".md";',
        '  "a.md" -> "b \\"x\\".md" [style=solid, label="3"];',
        '  "a.md" -> "c.md" [style=dotted];',
        "}",
    ]


def test_mermaid_names_every_node_of_an_edge() -> None:
    """Ids become labels of short names, also for an end that is no component (a dangling target)."""
    assert as_mermaid(GRAPH["nodes"], GRAPH["edges"]) == [
        "flowchart LR",
        '  n0["a.md"]',
        '  n1["b #34;x#34;.md"]',
        '  n2["c.md"]',
        "  n0 --> n1",
        "  n0 -..-> n2",
    ]


def test_the_command_asks_once_and_prints_the_form(daemon: FakeDaemon, run: Run) -> None:
    """DOT is the default, JSON is the result as it is, NAME narrows the question."""
    daemon.answers["graph"] = GRAPH
    assert run("graph").out.startswith(b"digraph promptd {\n")
    assert run("graph", "a", "--format", "mermaid").out.startswith(b"flowchart LR\n")
    assert json.loads(run("graph", "--format", "json").out) == GRAPH
    assert daemon.requests == [("graph", {}), ("graph", {"name": "a"}), ("graph", {})]
