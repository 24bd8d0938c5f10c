"""`list`, in a pipe and on a terminal."""

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


def test_names_with_control_characters_stay_on_their_line(daemon: FakeDaemon, run: Run) -> None:
    """A terminal would obey them, and a reader of lines would see two names."""
    daemon.answers["list"] = {"components": [{"id": "a\x1b[2J\nb.md"}], "total": 1}
    assert run("list").out == rb"a\x1b[2J\nb.md" + b"\n"


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


def test_json_is_the_result(daemon: FakeDaemon, run: Run) -> None:
    """`--json` prints what the daemon sent."""
    daemon.answers["list"] = LISTING
    assert json.loads(run("list", "--json").out) == LISTING


def test_a_glob_without_a_match_says_so(daemon: FakeDaemon, run: Run) -> None:
    """On stderr: the list is empty, which is no error. An empty library is not a glob's fault."""
    daemon.answers["list"] = {"components": [], "total": 0}
    said = "promptd: warning: no component matches 'comands/**'; promptd list shows all\n"
    assert run("list", "comands/**") == (0, b"", said)
    assert run("list") == (0, b"", "")
