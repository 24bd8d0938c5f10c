"""`list`, `changes` and `deps`, in a pipe and on a terminal."""

import json
from typing import Any

import pytest

from promptd.cli import output
from tests.cli.conftest import FakeDaemon, Run

LISTING: dict[str, Any] = {
    "components": [
        {"id": "a.md", "description": "[first] one", "size_bytes": 1200, "dependencies": 2, "dependents": 0},
        {"id": "b.md", "size_bytes": 3, "dependencies": 0, "dependents": 1, "error": "not UTF-8"},
    ],
    "total": 2,
}
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


def test_names_with_control_characters_stay_on_their_line(daemon: FakeDaemon, run: Run) -> None:
    """A terminal would obey them, and a reader of lines would see two names."""
    daemon.answers["list"] = {"components": [{"id": "a\x1b[2J\nb.md"}], "total": 1}
    assert run("list").out == rb"a\x1b[2J\x0ab.md" + b"\n"


def test_what_is_no_clock_is_explained(daemon: FakeDaemon, run: Run) -> None:
    """By the rule it breaks, in words."""
    found = run("changes", "yesterday")
    assert found.code == 64
    assert "the `clock` of an earlier answer" in found.err


def test_a_list_in_a_pipe_is_one_id_a_line(daemon: FakeDaemon, run: Run) -> None:
    """Other programs get ids and nothing else."""
    daemon.answers["list"] = LISTING
    assert run("list") == (0, b"a.md\nb.md\n", "")
    assert run("list", "commands/**").code == 0
    assert daemon.requests == [("list", {}), ("list", {"glob": "commands/**"})]


def test_a_list_on_a_terminal_is_a_table(
    daemon: FakeDaemon, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People get counts, descriptions (never read as markup) and what is wrong with a component."""
    daemon.answers["list"] = LISTING
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    header, first, second = run("list").out.decode().splitlines()
    assert header.split() == ["component", "bytes", "dependencies", "dependents", "description"]
    assert first.split() == ["a.md", "1,200", "2", "0", "[first]", "one"]
    assert second.split() == ["b.md", "3", "0", "1", "not", "UTF-8"]


def test_deps_lists_everything_but_itself(daemon: FakeDaemon, run: Run) -> None:
    """One id a line in the order of the plan; `--reverse` asks for dependents."""
    daemon.answers |= {"dependencies": TREE, "dependents": TREE | {"ids": ["z.md"]}}
    assert run("deps", "a").out == b"b.md\nc.md\n"
    assert run("deps", "a", "--reverse", "--depth", "2").out == b"z.md\n"
    assert daemon.requests == [("dependencies", {"name": "a"}), ("dependents", {"name": "a", "depth": 2})]


def test_deps_as_a_tree(daemon: FakeDaemon, run: Run) -> None:
    """The tree keeps the order of directives and marks what is unusual, plain in a pipe."""
    daemon.answers["dependencies"] = TREE
    assert run("deps", "a", "--tree").out.decode().splitlines() == [
        "a.md",
        "├── b.md  line 3",
        "│   └── a.md [cycle]  line 1",
        "└── c.md [reference] [truncated]  line 9",
    ]


def test_a_long_id_in_a_pipe_is_not_broken(daemon: FakeDaemon, run: Run) -> None:
    """A pipe has no width: one node is one line however long it is."""
    long_id = "components/" + "x" * 300 + ".md"
    daemon.answers["dependencies"] = {"name": "a.md", "ids": [], "tree": {"id": long_id}}
    assert run("deps", "a", "--tree").out.decode() == long_id + "\n"


CHANGES: dict[str, Any] = {
    "full_resync": False,
    "components": [{"id": "a.md"}, {"id": "b.md"}],
    "removed": ["c.md"],
    "total": 2,
    "clock": "c:1a:9",
}


def test_changes_are_one_line_each(daemon: FakeDaemon, run: Run) -> None:
    """What is there with a plus, what is gone with a minus; the clock is sent along."""
    daemon.answers["changes"] = CHANGES
    assert run("changes", "c:1a:7") == (0, b"+ a.md\n+ b.md\n- c.md\n", "")
    assert daemon.requests == [("changes", {"since": "c:1a:7"})]


def test_a_clock_that_says_nothing_is_spoken_of(daemon: FakeDaemon, run: Run) -> None:
    """Who asked with a clock is told that this is everything, who asked without one what to ask with next."""
    daemon.answers["changes"] = CHANGES | {"full_resync": True, "removed": []}
    assert "c:0:7 is of another daemon or too old" in run("changes", "c:0:7").err
    note = "everything there is, as of c:1a:9: ask with that the next time\n"
    assert run("changes") == (0, b"+ a.md\n+ b.md\n", note)


@pytest.mark.parametrize(
    ("command", "method"), [(("list",), "list"), (("changes",), "changes"), (("deps", "a"), "dependencies")]
)
def test_json_is_the_result(command: tuple[str, ...], method: str, daemon: FakeDaemon, run: Run) -> None:
    """`--json` prints what the daemon sent."""
    daemon.answers |= {"list": LISTING, "dependencies": TREE, "changes": CHANGES}
    assert json.loads(run(*command, "--json").out) == daemon.answers[method]
