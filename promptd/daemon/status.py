"""The state of a running daemon, and its report to the supervisor.

`RunState` is what other parts ask: which configuration is in force, is it ready, is it stopping.
`StatusReporter` says the same to systemd, in the protocol of systemd.py: READY, RELOADING, STOPPING and one
line of status.
"""

import asyncio
import time
from collections.abc import Mapping

from promptd.config import Config
from promptd.core.library.library import Delta
from promptd.daemon.systemd import Notifier
from promptd.engine.current import Current
from promptd.errors import ConfigError
from promptd.protocol.request import Request

MAX_PROBLEMS = 20  # a page of them; a tree that cannot be read has thousands


class RunState:
    """Where the daemon is between its start and its end; changed by lifecycle.py and reload.py only."""

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        self.config = config
        self.config_error = ""  # why the configuration on disk is not the one in force
        self.environment = environment
        self.addresses: tuple[str, ...] = ()  # paths of the sockets that are served
        self.is_ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.fatal: ConfigError | None = None  # what shows after READY and ends the daemon
        self._started_s = time.monotonic()

    def __repr__(self) -> str:
        state = "stopping" if self.stopping.is_set() else "ready" if self.is_ready.is_set() else "starting"
        return f"<RunState {state}>"

    @property
    def is_serving(self) -> bool:
        """True between READY and the begin of the end."""
        return self.is_ready.is_set() and not self.stopping.is_set()

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon began to start."""
        return round(time.monotonic() - self._started_s, 3)


class StatusReporter:
    """Tells the supervisor what the daemon is doing."""

    def __init__(self, notifier: Notifier, run: RunState, current: Current) -> None:
        self.notifier = notifier
        self._run = run
        self._current = current

    def __repr__(self) -> str:
        return f"<StatusReporter {self.notifier!r}>"

    def starting(self) -> None:
        """The library is being read."""
        self.notifier.status("starting: reading the library")

    def ready(self) -> None:
        """The start or a reload is complete."""
        if not self._run.stopping.is_set():  # nothing may follow STOPPING
            self.notifier.ready(self._line())

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self.notifier.reloading()

    def changed(self, delta: Delta, _dropped: tuple[Request, ...]) -> None:
        """Observe a change: say how many components there are, if that is another number."""
        if (delta.added or delta.removed) and self._run.is_serving:
            self.notifier.status(self._line())

    def stopping(self) -> None:
        """The end begins."""
        self.notifier.stopping("stopping: finishing requests in progress")

    def _line(self) -> str:
        count = len(self._current.workspace.library)
        what = "component" if count == 1 else "components"
        return f"{self._run.config_error or 'serving'}: {count} {what}"
