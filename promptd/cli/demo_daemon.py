"""A real daemon for the demo: a child process with its own library, socket and state, all of it temporary.

Whatever happens on the way, the child is stopped and the directory removed: that is what the context
manager is for. Nothing of the user's own promptd (environment, configuration, socket) is touched.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from promptd.client import Client
from promptd.errors import Internal, Unavailable

READY_WITHIN_S = 30.0  # a cold import on a slow disk takes seconds
STOP_WITHIN_S = 10.0  # twice the daemon's own limit for requests in flight
POLL_S = 0.01
SNAPSHOT_EVERY_S = "0.5"  # the default of 10 s would make the demo wait
MAX_SOCKET_PATH_BYTES = 100  # the kernel's limit is 108


@dataclass(frozen=True, slots=True)
class DemoDaemon:
    """A running daemon: its process and the places it works with."""

    process: subprocess.Popen[bytes]
    directory: Path
    ready_after_s: float = 0.0

    @property
    def library(self) -> Path:
        """The copied library; the demo may edit it."""
        return self.directory / "library"

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return self.directory / "promptd.sock"

    @property
    def snapshot(self) -> Path:
        """The daemon's health snapshot."""
        return self.directory / "state" / "health.json"

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the daemon's log."""
        return "\n".join(_log(self.directory).read_text(errors="replace").splitlines()[-lines:])

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
def demo_daemon() -> Iterator[DemoDaemon]:
    """A daemon on a fresh copy of the demo library, ready to answer; stopped and removed at the end.

    Raises:
        Internal: it did not come up; the message holds the end of its log.
    """
    with _temporary_directory() as directory, _sigterm_unwinds():
        _copy_library(directory / "library")
        began = time.monotonic()
        daemon = DemoDaemon(_start(directory), directory)
        try:
            _wait_until_ready(daemon)
            yield DemoDaemon(daemon.process, directory, time.monotonic() - began)
        finally:
            daemon.stop()


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="promptd-demo-"))
    if len(os.fsencode(directory / "promptd.sock")) > MAX_SOCKET_PATH_BYTES:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="promptd-demo-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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


def _copy_library(target: Path) -> None:
    with as_file(files("promptd.demo") / "library") as library:
        shutil.copytree(library, target)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "promptd", "serve", str(directory / "library")]
    command += ["--socket", str(directory / "promptd.sock"), "--log-format", "json"]
    with _log(directory).open("wb") as log:
        return subprocess.Popen(
            command,
            env=_environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to handle
        )


def _environment(directory: Path) -> dict[str, str]:
    """Ours, without what would configure another daemon or make this one report to systemd."""
    foreign = ("PROMPTD_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "STATE_DIRECTORY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {
        "PROMPTD_STATE_DIRECTORY": str(directory / "state"),
        "PROMPTD_MONITOR_SNAPSHOT_S": SNAPSHOT_EVERY_S,
    }


def _wait_until_ready(daemon: DemoDaemon) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers(daemon.socket):
        if daemon.process.poll() is not None or time.monotonic() > deadline:
            raise Internal(f"The demo's daemon did not come up. The end of its log:\n{daemon.log_tail()}")
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


def _log(directory: Path) -> Path:
    return directory / "daemon.log"
