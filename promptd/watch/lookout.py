"""The half of the watcher that lives in a thread: waits for events, and keeps every directory watched.

`look` waits in the notifier (watchfiles' RustNotify, handed in as a factory; it lets go of the GIL while it
waits) and sorts what it brought. When a directory came, went or changed, the notifier is replaced: list the
directories, make a new notifier for them, only then drain and drop the old one, and list once more. A
directory that appeared while this went on shows in the second list, and another round follows. The sighting
is handed out after all that, so whoever rescans the directories it names misses nothing: what happened
before the rescan is found by it, what happens after is seen by the new notifier.

Nothing is mended here. An error closes the lookout and travels to watcher.py, which opens it again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Protocol

from promptd.watch.changes import Sighting
from promptd.watch.scope import Scope

MAX_ROUNDS = 5  # a tree that changes during five surveys in a row is left to the next event
DRAIN_STEP_MS = 2  # an event lies in the kernel's queue for well under a millisecond
DRAIN_TIMEOUT_MS = 1


class Stop(Protocol):
    """What a notifier asks on every step whether to go on."""

    def is_set(self) -> bool:
        """True once it should return."""
        ...


class Notifier(Protocol):
    """What is used of watchfiles' RustNotify; watches from its construction to `close`."""

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Stop | None
    ) -> set[tuple[int, str]] | str:
        """Block until there are changes (kind, path), or return why there are none."""
        ...

    def close(self) -> None:
        """Stop watching and free the watches."""
        ...


MakeNotifier = Callable[[Sequence[str]], Notifier]


class Lookout:
    """Watches one scope at a time. All methods but `stop` belong to a single thread.

    `survey` lists what should be watched; `step_ms` is how long the notifier sleeps between two looks at
    its events, and `debounce_ms` how long at most it gathers a burst.
    """

    def __init__(
        self,
        make: MakeNotifier,
        survey: Callable[[], Scope],
        is_ignored: Callable[[str], bool],
        *,
        step_ms: int,
        debounce_ms: int,
        clock: Callable[[], float],
    ) -> None:
        self._make = make
        self._survey = survey
        self._is_ignored = is_ignored
        self._step_ms = step_ms
        self._debounce_ms = debounce_ms
        self._clock = clock
        self._stop = Event()
        self._notifier: Notifier | None = None
        self._scope: Scope | None = None
        self.watched = 0
        self.unwatched = 0
        self.is_limited = False
        self.rebuilds = 0

    def __repr__(self) -> str:
        return f"<Lookout {'open' if self.is_open else 'closed'}, {self.watched} directories>"

    @property
    def is_open(self) -> bool:
        """True while a notifier is at work."""
        return self._notifier is not None

    def open(self) -> Sighting:
        """Begin to watch; asks for a full scan, which finds whatever happened before.

        Raises:
            OSError, RuntimeError: the operating system or watchfiles refused.
        """
        self.close()
        with self._closing_on_error():
            return self._rebuild() | Sighting(full=True, seen_s=self._clock())

    def look(self) -> Sighting:
        """Wait for events; empty if they concern nobody or `stop` was called.

        Raises:
            OSError, RuntimeError: the notifier has failed, and the lookout is closed.
        """
        assert self._notifier is not None
        with self._closing_on_error():
            seen = self._sort(self._notifier.watch(self._debounce_ms, self._step_ms, 0, self._stop))
            return seen | self._rebuild() if seen.directories else seen

    def stop(self) -> None:
        """End a running `look` within one step; called from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Drop the notifier and its watches."""
        if self._notifier is not None:
            self._notifier.close()
        self._notifier = self._scope = None
        self.watched = self.unwatched = 0
        self.is_limited = False

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _sort(self, changes: set[tuple[int, str]] | str) -> Sighting:
        if isinstance(changes, str) or self._scope is None:
            return Sighting()
        found = self._scope.sort({path for _, path in changes}, self._is_ignored)
        return replace(found, events=len(changes), seen_s=self._clock())

    def _rebuild(self) -> Sighting:
        """Replace the notifier until two surveys in a row agree; returns what the old ones still held.

        The first round never trusts an unchanged list: a directory may have been replaced by another one
        of the same name, and the old watch is then on one that is gone.
        """
        late = Sighting()
        done: tuple[str, ...] | None = None
        for attempt in range(1, MAX_ROUNDS + 1):
            scope = self._survey()
            if scope.watched == done:
                break
            try:
                late |= self._replace(scope)
                done = scope.watched
            except (FileNotFoundError, PermissionError):  # it vanished between the survey and the watch
                if attempt == MAX_ROUNDS:
                    raise
        return late

    def _replace(self, scope: Scope) -> Sighting:
        fresh, watched = self._create(scope.watched)
        old, self._notifier = self._notifier, fresh
        late = self._drain(old) if old is not None else Sighting()
        self._scope = scope
        self.watched = watched
        self.is_limited = watched < len(scope.watched)
        self.unwatched = scope.unwatchable + len(scope.watched) - watched
        self.rebuilds += 1
        return late

    def _create(self, paths: Sequence[str]) -> tuple[Notifier, int]:
        """Watch all of them or, where the system's limit does not allow it, as many outer ones as it does.

        Beside an old notifier the limit is an error: without the old one they may all fit.
        """
        count = len(paths)
        while True:
            try:
                return self._make(paths[:count]), count
            except OSError as error:
                if not is_watch_limit(error) or self._notifier is not None or count <= 1:
                    raise
                count //= 2

    def _drain(self, old: Notifier) -> Sighting:
        """Sort by the old scope what the old notifier still holds: it knows directories that are gone."""
        try:
            return self._sort(old.watch(0, DRAIN_STEP_MS, DRAIN_TIMEOUT_MS, None))
        finally:
            old.close()


def is_watch_limit(error: BaseException) -> bool:
    """True if `fs.inotify.max_user_watches` or `max_user_instances` is used up.

    watchfiles 1.3 leaves errno unset, so the text must do ("OS file watch limit reached", or "Too many open
    files (os error 24)" for the instances).
    """
    return "watch limit" in str(error) or "os error 24" in str(error)
