"""The systemd units: systemd's own opinion of them, and their agreement with the code and one another."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from promptd.config import Config, socket_candidates

TOP = Path(__file__).parents[1]
UNITS = TOP / "systemd"
NOT_HERE = 77  # what .ci/units exits with where systemd-analyze is missing


def settings(name: str) -> dict[str, list[str]]:
    """Return a unit's settings, each with all its values in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / name).read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith(("#", " ")):
            found[key].append(value)
    return found


def test_systemd_accepts_the_units_and_their_exposure_is_low() -> None:
    """`verify` says nothing and `security --offline` gives 1.0 or less: the script behind `make units`."""
    ran = subprocess.run([TOP / ".ci/units"], capture_output=True, text=True, check=False)
    if ran.returncode == NOT_HERE:
        pytest.skip(ran.stdout.strip())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Overall exposure level for promptd.service" in ran.stdout


def test_the_service_runs_one_installed_promptd_with_the_configuration_in_etc() -> None:
    """Only the daemon reads the file: a reload that read it too would fail before it could say why."""
    unit = settings("promptd.service")
    program = "/opt/promptd/bin/promptd"
    assert unit["ExecStart"] == [f"{program} serve --config /etc/promptd/config.toml"]
    assert unit["ExecReload"] == [f"{program} reload"]


def test_the_socket_units_listen_where_clients_look() -> None:
    """The default path of the code, for the system and (%t is $XDG_RUNTIME_DIR) for a user."""
    user, system = socket_candidates(Config(), {"XDG_RUNTIME_DIR": "/t"})
    assert settings("promptd.socket")["ListenStream"] == [system]
    assert settings("user/promptd.socket")["ListenStream"] == [user.replace("/t/", "%t/")]
    runtime = settings("promptd.service")["RuntimeDirectory"]
    assert system == f"/run/{runtime[0]}/promptd.sock"
    for name in ("promptd.socket", "user/promptd.socket"):
        assert settings(name)["Backlog"] == [str(Config().serve.max_connections)]


def test_the_daemon_may_connect_to_the_socket_it_is_handed() -> None:
    """The system's socket is root's and the daemon is not, so the mode lets all in; peers are checked."""
    assert settings("promptd.service")["DynamicUser"] == ["yes"]
    assert settings("promptd.socket")["SocketMode"] == ["0666"]
    assert settings("user/promptd.socket")["SocketMode"] == [str(Config().serve.socket_mode)]


@pytest.mark.parametrize("name", ["promptd.service", "user/promptd.service"])
def test_the_journal_gets_the_log_and_nothing_else(name: str) -> None:
    """The log is on standard error; what `promptd reload` prints for people would not be JSON."""
    unit = settings(name)
    assert (unit["StandardOutput"], unit["StandardError"]) == (["null"], ["journal"])


@pytest.mark.parametrize("name", ["promptd.service", "user/promptd.service"])
def test_each_service_is_supervised_the_way_the_daemon_behaves(name: str) -> None:
    """Ready when answers are true, stopped no sooner than the daemon needs, not restarted in vain."""
    unit = settings(name)
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert float(unit["TimeoutStopSec"][0]) > Config().serve.stop_timeout
    assert float(unit["WatchdogSec"][0]) >= 10
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["64 78"]


@pytest.mark.parametrize("name", ["promptd.service", "user/promptd.service"])
def test_peers_can_be_distinguished_in_the_sandbox(name: str) -> None:
    """Under PrivateUsers= every peer is 65534, and without AF_UNIX there is no socket at all."""
    unit = settings(name)
    assert "PrivateUsers" not in unit
    assert unit["RestrictAddressFamilies"] == ["AF_UNIX"]


def test_both_services_say_what_may_read_a_library_in_a_home() -> None:
    """/home is hidden from the system's service; its comments say what to do."""
    assert settings("promptd.service")["ProtectHome"] == ["yes"]
    assert "BindReadOnlyPaths=" in (UNITS / "promptd.service").read_text()
    assert "ProtectHome" not in settings("user/promptd.service")


def test_the_drop_ins_change_what_they_say() -> None:
    """The directory is the socket unit's, or the reload is a signal; nothing else."""
    assert settings("promptd.service.d/socket-activation.conf") == {
        "Requires": ["promptd.socket"],
        "After": ["promptd.socket"],
        "RuntimeDirectory": [""],
    }
    assert settings("promptd.service.d/notify-reload.conf") == {"Type": ["notify-reload"], "ExecReload": [""]}
