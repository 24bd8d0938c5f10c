"""`dependencies`, `dependents` and the short `deps`: ids in a pipe, a tree on demand."""

import json
from typing import Any

from tests.cli.conftest import FakeDaemon, Run

TREE: dict[str, Any] = {
    "name": "a.md",
    "ids": ["b.md", "c.md"],
    "tree": {
        "id": "a.md",
        "children": [
            {
                "line": 3,
                "kind": "includes",
                "id": "b.md",
                "children": [{"line": 1, "kind": "includes", "id": "a.md", "cycle": True, "children": []}],
            },
            {"line": 9, "kind": "reference", "id": "c.md", "truncated": True, "children": []},
        ],
    },
}


def test_everything_but_itself_is_listed(daemon: FakeDaemon, run: Run) -> None:
    """One id a line in the order of the plan, in either direction."""
    daemon.answers |= {"dependencies": TREE, "dependents": TREE | {"ids": ["z.md"]}}
    assert run("dependencies", "a").out == b"b.md\nc.md\n"
    assert run("dependents", "a", "--depth", "2").out == b"z.md\n"
    assert daemon.requests == [("dependencies", {"name": "a"}), ("dependents", {"name": "a", "depth": 2})]


def test_deps_is_short_for_both(daemon: FakeDaemon, run: Run) -> None:
    """`deps` asks for dependencies, `deps --reverse` for dependents, as before the rename."""
    daemon.answers |= {"dependencies": TREE, "dependents": TREE | {"ids": ["z.md"]}}
    assert run("deps", "a").out == b"b.md\nc.md\n"
    assert run("deps", "a", "--reverse", "--depth", "2").out == b"z.md\n"
    assert daemon.requests == [("dependencies", {"name": "a"}), ("dependents", {"name": "a", "depth": 2})]


def test_a_tree(daemon: FakeDaemon, run: Run) -> None:
    """The tree keeps the order of directives and marks what is unusual, plain in a pipe."""
    daemon.answers["dependencies"] = TREE
    assert run("dependencies", "a", "--tree").out.decode().splitlines() == [
        "a.md",
        "├── b.md  line 3",
        "│   └── a.md [cycle]  line 1",
        "└── c.md [reference] [truncated]  line 9",
    ]


def test_a_long_id_in_a_pipe_is_not_broken(daemon: FakeDaemon, run: Run) -> None:
    """A pipe has no width: one node is one line however long it is."""
    long_id = "components/" + "x" * 300 + ".md"
    daemon.answers["dependencies"] = {"name": "a.md", "ids": [], "tree": {"id": long_id}}
    assert run("dependencies", "a", "--tree").out.decode() == long_id + "\n"


def test_json_is_the_result(daemon: FakeDaemon, run: Run) -> None:
    """`--json` prints what the daemon sent."""
    daemon.answers["dependencies"] = TREE
    assert json.loads(run("dependencies", "a", "--json").out) == TREE
