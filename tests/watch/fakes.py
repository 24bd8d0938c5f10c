"""Stand-ins for the world below the watcher: a notifier that says what it is told, a clock, fewer rights."""

import ctypes
import itertools
import os
import queue
from collections.abc import Callable, Sequence
from pathlib import Path

from promptd.watch.lookout import Stop

Said = set[str] | Exception
NOBODY = 65534


class ManualClock:
    """A clock that stands still until it is moved; seconds."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Seconds, as time.monotonic gives them."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


class FakeNotifier:
    """Brings what `say` put in; like RustNotify it blocks until then and cannot be used after close."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.is_closed = False
        self._said: queue.SimpleQueue[Said] = queue.SimpleQueue()

    def say(self, said: Said) -> None:
        """Let the running or next `watch` return these paths, or raise this error."""
        self._said.put(said)

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Stop | None
    ) -> set[tuple[int, str]] | str:
        """Wait in steps for what is said, for the stop, or for the timeout (0: for ever)."""
        for step in itertools.count(1):
            if self.is_closed:
                raise RuntimeError("RustNotify watcher closed")
            if stop_event is not None and stop_event.is_set():
                return "stop"
            try:
                said = self._said.get(timeout=step_ms / 1000)
            except queue.Empty:
                if timeout_ms and step * step_ms > timeout_ms:
                    return "timeout"
                continue
            if isinstance(said, Exception):
                raise said
            return {(2, path) for path in said}
        raise AssertionError

    def close(self) -> None:
        """End it."""
        self.is_closed = True


class FakeNotifiers:
    """A factory of notifiers that remembers them all; `refusals` are raised first, one a call."""

    def __init__(self, *refusals: Exception, most: int | None = None) -> None:
        self.made: list[FakeNotifier] = []
        self.asked: list[tuple[str, ...]] = []
        self.on_make: Callable[[], None] = lambda: None
        self._refusals = list(refusals)
        self._most = most

    @property
    def last(self) -> FakeNotifier:
        """The one made last."""
        return self.made[-1]

    def __call__(self, paths: Sequence[str]) -> FakeNotifier:
        """Make one, or refuse."""
        self.asked.append(tuple(paths))
        if self._refusals:
            raise self._refusals.pop(0)
        if self._most is not None and len(paths) > self._most:
            raise OSError(f'OS file watch limit reached. about ["{paths[self._most]}"]')
        self.on_make()
        self.made.append(FakeNotifier(paths))
        return self.made[-1]


class AsNobody:
    """Inside `with`, this thread has no more rights over files than anybody; `directory` is open to it.

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
