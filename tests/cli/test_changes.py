"""`changes`: one line a component, and a clock that is explained."""

import json
from typing import Any

from tests.cli.conftest import FakeDaemon, Run

CHANGES: dict[str, Any] = {
    "full_resync": False,
    "components": [{"id": "a.md"}, {"id": "b.md"}],
    "removed": ["c.md"],
    "total": 2,
    "clock": "c:1a:9",
}


def test_what_is_no_clock_is_explained(daemon: FakeDaemon, run: Run) -> None:
    """The error shows what was given and an example of a clock."""
    found = run("changes", "yesterday")
    assert found.code == 64
    assert (
        "not a clock: 'yesterday'; use the `clock` of an earlier response, for example c:1f-2a-1:7"
        in found.err
    )


def test_changes_are_one_line_each(daemon: FakeDaemon, run: Run) -> None:
    """What is there with a plus, what is gone with a minus; the clock is sent along."""
    daemon.answers["changes"] = CHANGES
    assert run("changes", "c:1a:7") == (0, b"+ a.md\n+ b.md\n- c.md\n", "")
    assert daemon.requests == [("changes", {"since": "c:1a:7"})]


def test_a_full_resync_is_announced(daemon: FakeDaemon, run: Run) -> None:
    """With an old clock stderr says that this is everything, without a clock how to ask for changes next."""
    daemon.answers["changes"] = CHANGES | {"full_resync": True, "removed": []}
    assert "full resync: c:0:7 is too old or from another daemon" in run("changes", "c:0:7").err
    note = "whole list; for changes from now on: promptd changes c:1a:9\n"
    assert run("changes") == (0, b"+ a.md\n+ b.md\n", note)


def test_json_is_the_result(daemon: FakeDaemon, run: Run) -> None:
    """`--json` prints what the daemon sent."""
    daemon.answers["changes"] = CHANGES
    assert json.loads(run("changes", "--json").out) == CHANGES
