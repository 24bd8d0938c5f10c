"""`rescan`: the changes that were found."""

import json

from tests.cli.conftest import FakeDaemon, Run


def test_changes_are_counted(daemon: FakeDaemon, run: Run) -> None:
    """Differences are counted."""
    daemon.answers["rescan"] = {"changed": 1, "added": 2, "removed": 0, "clock": "c:1:9"}
    assert run("rescan").out == b"rescanned: 1 changed, 2 added, 0 removed (revision 9)\n"
    assert json.loads(run("rescan", "--json").out) == daemon.answers["rescan"]
