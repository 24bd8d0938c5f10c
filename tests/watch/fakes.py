"""Fakes for what is below the watcher: a scripted notifier, a manual clock, fewer permissions."""

import ctypes
import os
import queue
from collections.abc import Callable, Sequence
from pathlib import Path

from promptd.watch.mounts import Mounts

Said = set[str] | Exception
NOBODY = 65534


class ManualClock:
    """A clock in seconds that stands still until it is moved, or, by one of `jumps_s`, when it is read."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s
        self.jumps_s: list[float] = []

    def __call__(self) -> float:
        """Seconds, as time.monotonic gives them."""
        if self.jumps_s:
            self.now_s += self.jumps_s.pop(0)
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


class FakeNotifier:
    """Brings what `say` put in; like Inotify it never waits and cannot be used after close."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.is_closed = False
        self._said: queue.SimpleQueue[Said] = queue.SimpleQueue()

    def say(self, said: Said) -> None:
        """Let the next drain return these paths, or raise this error."""
        self._said.put(said)

    def drain(self) -> set[str]:
        """What was said since the last drain."""
        if self.is_closed:
            raise RuntimeError("RustNotify watcher closed")
        found: set[str] = set()
        while not self._said.empty():
            said = self._said.get()
            if isinstance(said, Exception):
                raise said
            found |= said
        return found

    def close(self) -> None:
        """End it."""
        self.is_closed = True


class FakeNotifiers:
    """A factory of notifiers that remembers them all.

    `refusals` are raised first, one per call; `forbidden` is a directory that may not be watched; `most` is
    how many directories may be watched at a time, by all notifiers that are not closed.
    """

    def __init__(self, *refusals: Exception, most: int | None = None, forbidden: str = "") -> None:
        self.made: list[FakeNotifier] = []
        self.asked: list[tuple[str, ...]] = []
        self.on_make: Callable[[], None] = lambda: None
        self.most = most
        self._refusals = list(refusals)
        self._forbidden = forbidden

    @property
    def last(self) -> FakeNotifier:
        """The one made last."""
        return self.made[-1]

    @property
    def open(self) -> list[FakeNotifier]:
        """Those that are not closed."""
        return [notifier for notifier in self.made if not notifier.is_closed]

    @property
    def watched(self) -> set[str]:
        """What is watched by any of those."""
        return {path for notifier in self.open for path in notifier.paths}

    def __call__(self, paths: Sequence[str]) -> FakeNotifier:
        """Make one, or refuse."""
        self.asked.append(tuple(paths))
        if self._refusals:
            raise self._refusals.pop(0)
        if self._forbidden in paths:
            raise PermissionError(13, "Permission denied", self._forbidden)
        used = sum(len(notifier.paths) for notifier in self.open)
        if self.most is not None and used + len(paths) > self.most:
            raise OSError(f'OS file watch limit reached. about ["{paths[-1]}"]')
        self.on_make()
        self.made.append(FakeNotifier(paths))
        return self.made[-1]


class FakeTable:
    """A scripted mount table; it has changed after each `mount`."""

    def __init__(self, **types: str) -> None:
        self._types = {f"/{name}" if name != "root" else "/": kind for name, kind in types.items()}
        self._has_changed = False
        self.is_closed = False

    def mount(self, point: str, kind: str) -> None:
        """Mount something; kind "" unmounts."""
        self._types[point] = kind
        self._types = {point: kind for point, kind in self._types.items() if kind}
        self._has_changed = True

    def has_changed(self) -> bool:
        """True once after each change."""
        has_changed, self._has_changed = self._has_changed, False
        return has_changed

    def read(self) -> Mounts:
        """The mounts."""
        return Mounts(dict(self._types))

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


class FakeHeartbeat:
    """A heartbeat that reaches the notifiers that are not in `silent`."""

    path = "/heartbeat"

    def __init__(self, notifiers: FakeNotifiers) -> None:
        self.beats = 0
        self.silent: list[FakeNotifier] = []
        self.is_closed = False
        self._notifiers = notifiers

    def beat(self) -> None:
        """Make an event in every notifier that is open and not in `silent`."""
        self.beats += 1
        for notifier in self._notifiers.open:
            if notifier not in self.silent:
                notifier.say({self.path})

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


class AsNobody:
    """Inside `with`, this thread has no more rights over files than any user; `directory` is open to it.

    setfsuid takes effect for one thread and drops root's power over permissions; threads started inside
    inherit it. A user who is not root needs no such thing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._libc = ctypes.CDLL(None)

    def __enter__(self) -> None:
        if os.geteuid() == 0:
            self._libc.setfsuid(NOBODY)

    def __exit__(self, *_: object) -> None:
        if os.geteuid() == 0:
            self._libc.setfsuid(0)
