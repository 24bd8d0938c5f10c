"""`reload`, `reconcile` and `sockname`."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import FakeDaemon, Run


def test_reload_says_what_changed(daemon: FakeDaemon, run: Run) -> None:
    """The keys that changed are named; no change is said too."""
    daemon.answers["reload"] = {"reloaded": True, "clock": "c:1:7", "changed_keys": ["cache.entries"]}
    assert run("reload").out == b"reloaded: cache.entries (revision 7)\n"
    nothing = {"reloaded": True, "clock": "c:1:7", "changed_keys": [], "restart_keys": ["serve.socket"]}
    daemon.answers["reload"] = nothing
    code, out, err = run("reload")
    assert (code, out) == (0, b"reloaded: nothing changed (revision 7)\n")
    assert err == "promptd: warning: these take effect at the next start: serve.socket\n"
    assert json.loads(run("reload", "--json").out) == daemon.answers["reload"]


def test_reconcile_counts(daemon: FakeDaemon, run: Run) -> None:
    """Differences are counted."""
    daemon.answers["reconcile"] = {"changed": 1, "added": 2, "removed": 0, "clock": "c:1:9"}
    assert run("reconcile").out == b"reconciled: 1 changed, 2 added, 0 removed (revision 9)\n"
    assert json.loads(run("reconcile", "--json").out) == daemon.answers["reconcile"]


def test_sockname_follows_the_order_of_discovery(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Option, then environment, then configuration, then the runtime directory, then /run."""
    config = tmp_path / "promptd.toml"
    config.write_text('[serve]\nsocket = "/from/config.sock"\n')
    assert run("sockname").out.decode() == f"{os.environ['XDG_RUNTIME_DIR']}/promptd/promptd.sock\n"
    assert run("sockname", "--config", config).out == b"/from/config.sock\n"
    monkeypatch.setenv("PROMPTD_SOCKET", "/from/environment.sock")
    assert run("sockname", "--config", config).out == b"/from/environment.sock\n"
    assert run("sockname", "--config", config, "--socket", "/from/option.sock").out == b"/from/option.sock\n"
    monkeypatch.delenv("PROMPTD_SOCKET")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert run("sockname").out == b"/run/promptd/promptd.sock\n"
