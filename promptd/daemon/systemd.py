"""What systemd and a service say to each other: readiness, watchdog, and sockets handed over.

The protocol is sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), spoken without libsystemd. This
file touches the notify socket and the descriptors that were passed, and nothing else; when to say what is
for status.py to know. Without `NOTIFY_SOCKET` everything here does nothing, so callers need not ask.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promptd.errors import ConfigError
from promptd.support import escape

FIRST_FD = 3  # SD_LISTEN_FDS_START
_MAX_STATUS_CHARACTERS = 500  # one line of `systemctl status`


@dataclass(frozen=True, slots=True)
class NotifierStatistics:
    """How many messages systemd was sent, and how many could not be delivered."""

    is_enabled: bool
    sent: int
    failed: int


class Notifier:
    """Tells systemd what the service is doing; every method returns True if the message was delivered.

    A message that cannot be delivered is counted and otherwise ignored: the daemon serves its clients
    whether or not its supervisor listens. Nothing here blocks.
    """

    def __init__(
        self, environment: Mapping[str, str], monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._monotonic_ns = monotonic_ns
        self._socket: socket.socket | None = None
        self._sent = 0
        self._failed = 0

    def __repr__(self) -> str:
        return f"<Notifier to {self._address or 'no supervisor'!r}, {self._sent} sent, {self._failed} failed>"

    @property
    def is_enabled(self) -> bool:
        """True if a supervisor listens."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Start-up or a reload is complete: from now on answers are complete."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(*_status(text))

    def reloading(self) -> bool:
        """A reload begins; `ready` ends it. `Type=notify-reload` wants the time in microseconds with it."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={self._monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The service begins to stop."""
        return self._send("STOPPING=1", *_status(status))

    def watchdog(self) -> bool:
        """The service is alive; due at least every `WatchdogSec`."""
        return self._send("WATCHDOG=1")

    def close(self) -> None:
        """Give the descriptor back; a later message opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def statistics(self) -> NotifierStatistics:
        """What was said so far."""
        return NotifierStatistics(self.is_enabled, self._sent, self._failed)

    def _send(self, *lines: str) -> bool:
        if not self._address or not lines:
            return False
        try:
            self._opened().sendto("\n".join(lines).encode(), self._address)
        except OSError:
            self._failed += 1
            return False
        self._sent += 1
        return True

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        return self._socket


def _status(text: str) -> list[str]:
    line = escape.one_line(" ".join(text.split()))[:_MAX_STATUS_CHARACTERS]
    return [f"STATUS={line}"] if line else []


def watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    """How often to call `Notifier.watchdog`, in seconds: half of `WatchdogSec`, as systemd advises.

    None if no watchdog is set, or it is meant for another process.
    """
    text = environment.get("WATCHDOG_USEC", "")
    is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not is_for_us or not text.isdecimal() or int(text) == 0:
        return None
    return int(text) / 2_000_000


def listen_fds(environment: Mapping[str, str], first_fd: int = FIRST_FD) -> tuple[socket.socket, ...]:
    """The listening sockets that systemd handed over, none if they were meant for another process.

    They are ours to close and are not inherited by children.

    Raises:
        ConfigError: a descriptor is not a listening Unix stream socket (`ListenStream=` with a path).
    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return ()
    return tuple(_listening(fd) for fd in range(first_fd, first_fd + int(count)))


def _listening(fd: int) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        handed = socket.socket(fileno=fd)
    except OSError as error:
        raise _refused(fd, error.strerror or "no socket") from error
    is_unix_stream = (handed.family, handed.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    if not is_unix_stream or not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        handed.detach()  # not ours to close: we do not know what it is
        raise _refused(fd, "it does not listen on a Unix stream socket")
    return handed


def _refused(fd: int, why: str) -> ConfigError:
    return ConfigError(
        f"Descriptor {fd} was handed over by systemd but cannot be served: {why}; "
        "the socket unit needs ListenStream= with a path.",
        key="LISTEN_FDS",
    )
