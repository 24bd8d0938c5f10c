"""A daemon as a child process in a temporary directory of its own: for `demo` and `bench`.

The child is stopped and the directory removed whatever happens. The user's own promptd (environment, socket,
state) is not touched. Blocking.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from promptd.client import Client
from promptd.errors import Internal, Unavailable

READY_WITHIN_S = 30.0  # a cold import on a slow disk takes seconds
STOP_WITHIN_S = 10.0  # twice the daemon's own limit for requests in flight
POLL_S = 0.01
MAX_SOCKET_PATH_BYTES = 100  # the kernel's limit is 108


@dataclass(frozen=True, slots=True)
class ChildDaemon:
    """A running daemon: its process, and the directory that holds its socket, state and log."""

    process: subprocess.Popen[bytes]
    directory: Path
    ready_after_s: float = 0.0

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return _socket(self.directory)

    @property
    def snapshot(self) -> Path:
        """The daemon's health snapshot."""
        return _state(self.directory) / "health.json"

    def log_tail(self, lines: int = 15) -> list[str]:
        """The last lines of the daemon's log."""
        return _log(self.directory).read_text(errors="replace").splitlines()[-lines:]

    def stop(self) -> int:
        """SIGTERM, then wait: the exit code. Kills it if it does not end by itself."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def temporary_directory(purpose: str) -> Iterator[Path]:
    """A new directory with a path so short that a socket fits in; removed at the end, also at SIGTERM."""
    with _sigterm_unwinds():
        directory = Path(tempfile.mkdtemp(prefix=f"promptd-{purpose}-"))
        if len(os.fsencode(_socket(directory))) > MAX_SOCKET_PATH_BYTES:
            directory.rmdir()
            directory = Path(tempfile.mkdtemp(prefix=f"promptd-{purpose}-", dir="/tmp"))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def child_daemon(
    directory: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[ChildDaemon]:
    """`promptd serve` with these arguments, ready to answer; stopped at the end.

    Args:
        directory: where its socket, state and log go.
        arguments: what follows `promptd serve`: a library, or `--config FILE`.
        environment: settings of its own (`PROMPTD_…`); those of this process are not handed on.

    Raises:
        Internal: it did not come up; the detail `log` has the end of its log.
    """
    began = time.monotonic()
    daemon = ChildDaemon(_start(directory, arguments, environment or {}), directory)
    try:
        _wait_until_ready(daemon)
        yield ChildDaemon(daemon.process, directory, time.monotonic() - began)
    finally:
        daemon.stop()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM leave through the `finally` clauses as Ctrl-C does."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _start(
    directory: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "promptd", "serve", *arguments]
    command += ["--socket", str(_socket(directory)), "--log-format", "json"]
    with _log(directory).open("wb") as log:
        return subprocess.Popen(
            command,
            env=_environment(directory, environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to handle
        )


def _environment(directory: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would configure another daemon or make this one report to systemd."""
    foreign = ("PROMPTD_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "STATE_DIRECTORY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PROMPTD_STATE_DIRECTORY": str(_state(directory))} | dict(own)


def _wait_until_ready(daemon: ChildDaemon) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers(daemon.socket):
        if daemon.process.poll() is not None or time.monotonic() > deadline:
            raise Internal("the daemon did not start; the end of its log:", log=daemon.log_tail())
        time.sleep(POLL_S)


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    try:
        with Client(str(socket)) as client:
            client.call("ping", {})
    except Unavailable:
        return False
    return True


def _socket(directory: Path) -> Path:
    return directory / "promptd.sock"


def _state(directory: Path) -> Path:
    return directory / "state"


def _log(directory: Path) -> Path:
    return directory / "daemon.log"
