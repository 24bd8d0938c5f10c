"""`reload`: what changed, and what waits for a restart."""

import json

from tests.cli.conftest import FakeDaemon, Run


def test_reload_says_what_changed(daemon: FakeDaemon, run: Run) -> None:
    """The keys that changed are named; no change is said too."""
    daemon.answers["reload"] = {"reloaded": True, "clock": "c:1:7", "changed_keys": ["cache.entries"]}
    assert run("reload").out == b"reloaded: cache.entries (revision 7)\n"
    nothing = {"reloaded": True, "clock": "c:1:7", "changed_keys": [], "restart_keys": ["serve.socket"]}
    daemon.answers["reload"] = nothing
    code, out, err = run("reload")
    assert (code, out) == (0, b"reloaded: nothing changed (revision 7)\n")
    assert err == "promptd: warning: restart the daemon to apply: serve.socket\n"
    assert json.loads(run("reload", "--json").out) == daemon.answers["reload"]
