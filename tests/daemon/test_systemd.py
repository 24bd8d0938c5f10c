"""The dialogue with systemd, over real sockets: what is said, what is not, and what is handed over."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptd.daemon.systemd import (
    Notifier,
    NotifierStatistics,
    listen_fds,
    watchdog_interval_s,
)
from promptd.errors import ConfigError

US = str(os.getpid())


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A bound datagram socket as systemd has it, and the name it is announced under."""
    name = f"@promptd-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name[1:] if name.startswith("@") else name)
        bound.setblocking(False)
        yield bound, name


@pytest.fixture
def notifier(supervisor: tuple[socket.socket, str]) -> Iterator[Notifier]:
    """A notifier that talks to the supervisor; its clock stands at 1,234,567 µs."""
    talking = Notifier({"NOTIFY_SOCKET": supervisor[1]}, monotonic_ns=lambda: 1_234_567_890)
    yield talking
    talking.close()


def test_each_state_is_one_datagram(supervisor: tuple[socket.socket, str], notifier: Notifier) -> None:
    """The life of a service, message by message, as sd_notify(3) wants it."""
    notify_socket = supervisor[0]
    for say, expected in (
        (lambda: notifier.ready("280 components"), b"READY=1\nSTATUS=280 components"),
        (notifier.ready, b"READY=1"),
        (lambda: notifier.status("two\nlin\x1bes"), b"STATUS=two lin\\x1bes"),
        (notifier.reloading, b"RELOADING=1\nMONOTONIC_USEC=1234567"),
        (notifier.watchdog, b"WATCHDOG=1"),
        (lambda: notifier.stopping("on SIGTERM"), b"STOPPING=1\nSTATUS=on SIGTERM"),
    ):
        assert say() is True
        assert notify_socket.recv(4096) == expected
    assert notifier.statistics() == NotifierStatistics(is_enabled=True, sent=6, failed=0)


def test_a_status_cannot_smuggle_a_state(supervisor: tuple[socket.socket, str], notifier: Notifier) -> None:
    """A library's path with a newline in it must not say STOPPING; an empty status says nothing."""
    assert notifier.status("x\nSTOPPING=1")
    assert supervisor[0].recv(4096) == b"STATUS=x STOPPING=1"
    assert notifier.status("y" * 9000)
    assert len(supervisor[0].recv(16384)) < 1000
    assert notifier.status(" \n ") is False


def test_without_a_supervisor_nothing_happens() -> None:
    """No socket is opened and nothing counts as failed."""
    alone = Notifier({})
    assert alone.ready("x") is False
    assert alone.is_enabled is False
    assert alone.statistics() == NotifierStatistics(is_enabled=False, sent=0, failed=0)
    alone.close()
    assert "no supervisor" in repr(alone)


def test_a_supervisor_that_does_not_read_costs_a_count_and_no_time(tmp_path: Path) -> None:
    """A socket that is gone, and one whose queue is full: False at once, the daemon goes on."""
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert gone.watchdog() is False
    assert gone.statistics().failed == 1
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(tmp_path / "full"))
        talking = Notifier({"NOTIFY_SOCKET": str(tmp_path / "full")})
        said = [talking.watchdog() for _ in range(2000)]
        assert not said[-1]
        assert full.recv(100) == b"WATCHDOG=1"
        assert talking.watchdog() is True
        talking.close()


def test_the_notifier_speaks_again_after_close(
    supervisor: tuple[socket.socket, str], notifier: Notifier
) -> None:
    """Closing gives the descriptor back and breaks nothing."""
    assert notifier.watchdog()
    notifier.close()
    assert notifier.watchdog()
    assert [supervisor[0].recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": US}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(
    environment: dict[str, str], interval_s: float | None
) -> None:
    """Half of WatchdogSec, and only if it is ours."""
    assert watchdog_interval_s(environment) == interval_s


# -- sockets handed over --------------------------------------------------------------------------


def listening(path: Path) -> socket.socket:
    """Return a Unix stream socket that listens, as a socket unit opens it."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    return server


def test_a_handed_socket_serves_and_is_not_inherited(tmp_path: Path) -> None:
    """The descriptor works as it came and is closed in children."""
    with listening(tmp_path / "s") as theirs:
        fd = os.dup(theirs.fileno())
        os.set_inheritable(fd, True)
        (ours,) = listen_fds({"LISTEN_PID": US, "LISTEN_FDS": "1"}, first_fd=fd)
        with ours, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            assert os.get_inheritable(ours.fileno()) is False
            client.connect(str(tmp_path / "s"))
            with ours.accept()[0] as peer:
                client.sendall(b"hello")
                assert peer.recv(5) == b"hello"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": US},
        {"LISTEN_PID": US, "LISTEN_FDS": "0"},
        {"LISTEN_PID": US, "LISTEN_FDS": "x"},
    ],
)
def test_sockets_of_another_process_are_left_alone(environment: dict[str, str]) -> None:
    """A child that inherited the environment must not take descriptors that are not its own."""
    assert listen_fds(environment) == ()


def test_what_cannot_be_served_is_a_configuration_error(tmp_path: Path) -> None:
    """A plain file, a datagram socket, a socket that does not listen: each is named, none is closed."""
    with (
        (tmp_path / "file").open("w") as file,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle,
    ):
        for wrong in (file, datagram, idle):
            with pytest.raises(ConfigError, match=rf"Descriptor {wrong.fileno()} .*ListenStream="):
                listen_fds({"LISTEN_PID": US, "LISTEN_FDS": "1"}, first_fd=wrong.fileno())
            os.fstat(wrong.fileno())


def test_descriptor_three_of_a_real_process(tmp_path: Path) -> None:
    """As systemd does it: descriptor 3, LISTEN_PID of the process itself."""
    child = (
        "import os; from promptd.daemon.systemd import listen_fds;"
        " print(listen_fds(os.environ)[0].getsockname())"
    )
    with listening(tmp_path / "s") as theirs:
        shell = f'exec 3<&{theirs.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -W ignore -c "$1"'
        done = subprocess.run(
            ["bash", "-c", shell, sys.executable, child],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.strip() == str(tmp_path / "s")
