"""watchfiles as one would use it: one recursive watch on a directory, and whatever it tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchfiles._rust_notify import RustNotify

QUIET_MS = 150  # an event takes a millisecond; what has not come by now does not come


class Plain:
    """One RustNotify, used as `watchfiles.watch` uses it."""

    def __init__(self, *paths: Path, polling: bool = False, ignore_permission_denied: bool = False) -> None:
        places = [str(path) for path in paths]
        self._notify = RustNotify(places, False, polling, 50, True, ignore_permission_denied)

    def reported(self, quiet_ms: int = QUIET_MS) -> set[str]:
        """The paths that are reported until nothing has come for `quiet_ms`."""
        return {path for _, path in self.changes(quiet_ms)}

    def changes(self, quiet_ms: int = QUIET_MS) -> set[tuple[int, str]]:
        """The same with their kinds: 1 added, 2 modified, 3 deleted."""
        found: set[tuple[int, str]] = set()
        while not isinstance(seen := self._notify.watch(20, 5, quiet_ms, None), str):
            found |= seen
        return found

    def close(self) -> None:
        """Stop watching."""
        self._notify.close()


@contextmanager
def plain(*paths: Path, polling: bool = False, ignore_permission_denied: bool = False) -> Iterator[Plain]:
    """A plain watch for a while."""
    watch = Plain(*paths, polling=polling, ignore_permission_denied=ignore_permission_denied)
    try:
        yield watch
    finally:
        watch.close()
