"""`socket`: the order in which the daemon's socket is looked for."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_it_follows_the_order_of_discovery(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Option, then environment, then configuration, then the runtime directory, then /run."""
    config = tmp_path / "promptd.toml"
    config.write_text('[serve]\nsocket = "/from/config.sock"\n')
    assert run("socket").out.decode() == f"{os.environ['XDG_RUNTIME_DIR']}/promptd/promptd.sock\n"
    assert run("socket", "--config", config).out == b"/from/config.sock\n"
    monkeypatch.setenv("PROMPTD_SOCKET", "/from/environment.sock")
    assert run("socket", "--config", config).out == b"/from/environment.sock\n"
    assert run("socket", "--config", config, "--socket", "/from/option.sock").out == b"/from/option.sock\n"
    monkeypatch.delenv("PROMPTD_SOCKET")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert run("socket").out == b"/run/promptd/promptd.sock\n"
