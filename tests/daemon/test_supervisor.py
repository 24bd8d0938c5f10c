"""The daemon and systemd: a fake notify socket receives the protocol, and a handed-over socket is served.

The real systemd stands in tests/systemd.
"""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import Start
from tests.daemon.process import (
    PATIENCE_S,
    Daemon,
    Peer,
    write,
)

WATCHDOG_S = 0.4


class Supervisor:
    """As much of systemd as a service sees: a datagram socket that keeps every message."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(PATIENCE_S)
        self.received: list[dict[str, str]] = []

    def receive(self) -> dict[str, str]:
        """The next message, as its assignments."""
        lines = self.socket.recv(4096).decode().splitlines()
        message = dict(line.split("=", 1) for line in lines)
        self.received.append(message)
        return message

    def wait_for(self, name: str) -> dict[str, str]:
        """Read on until a message that assigns `name`."""
        while name not in (message := self.receive()):
            pass
        return message


@pytest.fixture
def supervisor(directory: Path) -> Iterator[Supervisor]:
    """A notify socket."""
    made = Supervisor(directory)
    yield made
    made.socket.close()


@pytest.fixture
def library(directory: Path) -> Path:
    """A library of one component."""
    return write(directory / "library", {"hello.md": "Hello.\n"})


def test_the_protocol_is_spoken_in_order(start: Start, library: Path, supervisor: Supervisor) -> None:
    """READY when answers are true, RELOADING and READY around each reload, STOPPING, and nothing after it."""
    config = library.parent / "promptd.toml"
    config.write_text(f'[[roots]]\npath = "{library}"\n')
    daemon = start("--config", config, environment={"NOTIFY_SOCKET": str(supervisor.path)})
    assert supervisor.receive() == {"STATUS": "starting: reading the library"}
    assert supervisor.receive() == {"READY": "1", "STATUS": "serving: 1 component"}
    assert daemon.text("hello") == "Hello.\n"

    (library / "new.md").write_text("New.\n")
    assert supervisor.receive() == {"STATUS": "serving: 2 components"}, "systemctl status keeps up"

    before_us = int(time.monotonic() * 1e6)
    daemon.signal(signal.SIGHUP)
    reloading = supervisor.receive()
    assert reloading["RELOADING"] == "1"
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= int(time.monotonic() * 1e6)
    assert supervisor.receive() == {"READY": "1", "STATUS": "serving: 2 components"}

    config.write_text("[cache]\nentries = -1\n")
    daemon.signal(signal.SIGHUP)
    assert supervisor.receive()["RELOADING"] == "1"
    failed = supervisor.receive()
    assert failed["READY"] == "1", "the old configuration is still served"
    assert "configuration not applied" in failed["STATUS"]
    assert "cache.entries" in failed["STATUS"]

    daemon.signal(signal.SIGTERM)
    assert supervisor.receive()["STOPPING"] == "1"
    assert daemon.end() == 0
    supervisor.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        supervisor.receive()


@pytest.mark.slow
def test_a_daemon_that_never_was_ready_does_not_say_so(
    start: Start, directory: Path, supervisor: Supervisor
) -> None:
    """Stopped during its start: STOPPING without READY, also when a reload was asked for meanwhile."""
    library = write(directory / "many", {f"{number}.md": "One of many.\n" * 20 for number in range(1_500)})
    daemon = start(library, environment={"NOTIFY_SOCKET": str(supervisor.path)})
    supervisor.wait_for("STATUS")
    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGTERM)
    supervisor.wait_for("STOPPING")
    assert daemon.end() == 0
    assert not any("READY" in message or "RELOADING" in message for message in supervisor.received)


@pytest.mark.slow
def test_the_watchdog_is_fed_by_requests_to_our_own_socket(
    start: Start, library: Path, supervisor: Supervisor
) -> None:
    """A sign of life for each answered ping; a frozen daemon gives none, and a thawed one goes on."""
    environment = {"NOTIFY_SOCKET": str(supervisor.path), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    daemon = start(library, environment=environment)
    for _ in range(3):
        supervisor.wait_for("WATCHDOG")
    assert daemon.statistics("requests")["by_method"]["ping"] >= 3

    daemon.signal(signal.SIGSTOP)
    try:
        supervisor.socket.settimeout(WATCHDOG_S)
        with pytest.raises(TimeoutError):
            supervisor.wait_for("a word from the frozen one")
    finally:
        daemon.signal(signal.SIGCONT)
    supervisor.socket.settimeout(PATIENCE_S)
    supervisor.wait_for("WATCHDOG")


def test_a_watchdog_meant_for_another_process_is_not_fed(
    start: Start, library: Path, supervisor: Supervisor
) -> None:
    """WATCHDOG_PID names whom it is for."""
    environment = {"NOTIFY_SOCKET": str(supervisor.path), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    daemon = start(library, environment=environment)
    supervisor.wait_for("READY")
    assert daemon.stop() == 0
    supervisor.wait_for("STOPPING")
    assert not any("WATCHDOG" in message for message in supervisor.received)


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def handed_over(start: Start, listening: socket.socket, *arguments: object) -> Daemon:
    """A daemon that gets a socket as its descriptor 3, as systemd's socket units give it."""
    wrapper = (sys.executable, "-c", HAND_OVER, str(listening.fileno()))
    return start(*arguments, wrapper=wrapper, pass_fds=(listening.fileno(),))


@pytest.mark.slow
def test_a_socket_handed_over_is_served_and_left_alone(start: Start, directory: Path, library: Path) -> None:
    """LISTEN_FDS: clients that came before the daemon are answered, and wait for its successor after it."""
    path = directory / "activated"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(16)
        with Peer(path) as early:
            early.say("ping")
            first = handed_over(start, listening, library)
            assert early.receive()["result"]["pid"] == first.process.pid
        assert not first.socket.exists(), "no socket of our own besides"
        with Peer(path) as waiting:
            assert waiting.ask("assemble", name="hello")["text"] == "Hello.\n"
        assert first.stop() == 0
        assert path.exists()

        with Peer(path) as between:
            between.say("ping")
            second = handed_over(start, listening, library)
            assert between.receive()["result"]["pid"] == second.process.pid
        assert second.stop() == 0


def test_a_descriptor_that_cannot_be_served_is_a_configuration_error(start: Start, library: Path) -> None:
    """A datagram socket in LISTEN_FDS: exit 78, and what to set in the unit."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wrong:
        daemon = handed_over(start, wrong, library)
        assert daemon.end() == 78
    assert "ListenStream=" in daemon.log_text()
