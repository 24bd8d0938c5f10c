"""Where the daemon is looked for."""

from pathlib import Path

import pytest

from promptd.client import discovery
from promptd.client.discovery import discover


@pytest.fixture
def system_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's socket, somewhere a test can make one."""
    path = tmp_path / "run" / "promptd.sock"
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", str(path))
    return path


def made(path: Path) -> str:
    """The path, with a file there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_an_explicit_path_wins(tmp_path: Path) -> None:
    """Whatever the environment says, as text or as a Path."""
    environment = {"PROMPTD_SOCKET": "/elsewhere"}
    assert discover("/here", environment) == "/here"
    assert discover(tmp_path, environment) == str(tmp_path)


@pytest.mark.usefixtures("system_socket")
def test_then_the_environment() -> None:
    """$PROMPTD_SOCKET is taken as it is; empty is as good as unset."""
    assert discover(None, {"PROMPTD_SOCKET": "/here"}) == "/here"
    assert discover("", {"PROMPTD_SOCKET": "", "XDG_RUNTIME_DIR": "/u"}) == "/u/promptd/promptd.sock"


def test_then_the_users_daemon_then_the_systems(tmp_path: Path, system_socket: Path) -> None:
    """The first that exists; if none does, the user's, which is where one would be started."""
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    users = tmp_path / "promptd" / "promptd.sock"
    assert discover(None, environment) == str(users)
    assert made(system_socket) == discover(None, environment)
    assert made(users) == discover(None, environment)


def test_without_a_runtime_directory_it_is_the_systems(system_socket: Path) -> None:
    """As in a cron job; a relative $XDG_RUNTIME_DIR is none."""
    assert discover(None, {}) == str(system_socket)
    assert discover(None, {"XDG_RUNTIME_DIR": "relative"}) == str(system_socket)
