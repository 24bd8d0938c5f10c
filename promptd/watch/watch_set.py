"""Many notifiers that together watch many directories, so that a change replaces only a small one.

watchfiles cannot add a directory to a notifier, and making one holds the interpreter lock for 10 to 70 µs per
directory. So directories are spread over groups of at most GROUP_SIZE (more in libraries beyond 4,000, so
that the user's inotify instances are enough), each with its own notifier. New directories join the smallest
group or form a new one; if a directory goes or is replaced, its group is made again. Polling a group costs
2 µs and never blocks, so many groups are as good as one.

A directory that cannot be watched (no permission, already gone) is found by bisection and left out. At the
system's limit the rest is left out too, inner directories first, and `is_at_limit` is true. This module does
not access the file system, decide when to act, or handle errors of a notifier: those propagate.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

GROUP_SIZE = 128  # directories; 1-9 ms to make
MAX_JOINED = 64  # directories; a larger group is not made again for one new directory
MAX_GROUPS = 32  # of 128 inotify instances a user has by default
MAX_EXTRA_GROUPS = 8  # groups beyond that, before all are joined and split again


class WatchBackend(Protocol):
    """Watches some directories from its construction to `close`."""

    def drain(self) -> set[str]:
        """The paths that had events since the last call. Never blocks."""

    def close(self) -> None:
        """Stop watching."""


MakeBackend = Callable[[Sequence[str]], WatchBackend]
IsLimit = Callable[[BaseException], bool]


class _Group:
    __slots__ = ("awaits_heartbeat", "notifier", "paths")

    def __init__(self, notifier: WatchBackend, paths: Sequence[str]) -> None:
        self.notifier = notifier
        self.paths = frozenset(paths)
        self.awaits_heartbeat = False


class WatchSet:
    """Watches the directories in `watched`. For use in a single thread.

    `make` makes a notifier for some directories, `is_limit` recognises its error at a system limit, and every
    notifier also watches the path `heartbeat`.
    """

    def __init__(self, make: MakeBackend, is_limit: IsLimit, heartbeat: str = "") -> None:
        self._make = make
        self._is_limit = is_limit
        self._heartbeat = [heartbeat] if heartbeat else []
        self._groups: list[_Group] = []
        self.is_at_limit = False
        self.made = 0

    def __repr__(self) -> str:
        return f"<WatchSet {len(self.watched)} directories in {len(self)} groups>"

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def watched(self) -> frozenset[str]:
        """The directories that are watched."""
        return frozenset[str]().union(*(group.paths for group in self._groups))

    # -- events -------------------------------------------------------------------------------

    def drain(self) -> list[set[str]]:
        """The paths that had events, one set per group that has any. Never blocks."""
        return [found for group in self._groups if (found := self._drain(group))]

    def _drain(self, group: _Group) -> set[str]:
        found = group.notifier.drain()
        if found and self._heartbeat and self._heartbeat[0] in found:
            group.awaits_heartbeat = False
            found.discard(self._heartbeat[0])
        return found

    def expect_heartbeat(self) -> None:
        """From now on every group has to report an event at the heartbeat's path."""
        for group in self._groups:
            group.awaits_heartbeat = bool(self._heartbeat)

    @property
    def is_silent(self) -> bool:
        """True while a group has not reported the heartbeat it has to report."""
        return any(group.awaits_heartbeat for group in self._groups)

    # -- directories --------------------------------------------------------------------------

    def update(self, gone: Collection[str], fresh: Iterable[str]) -> list[set[str]]:
        """Drop the watches of `gone`, watch `fresh`, outer directories first; paths in both are renewed.

        Groups that change are replaced: the new ones are made first, then the old ones drained and closed.
        Returns the last events of the old ones.

        Raises:
            OSError, RuntimeError: not even one directory can be watched, or the notifiers are broken.
        """
        fresh = list(fresh)
        old = self._concerned(gone, fresh)
        kept = frozenset[str]().union(*(group.paths for group in old)).difference(gone)
        todo = sorted(kept.union(fresh), key=_outer_first)
        new, limit = self._make_groups(todo)
        late: list[set[str]] = []
        if limit and old:  # old and new together exceed the limit: drop what is gone first, keep the rest
            _close(new)
            is_going = any(not group.paths.isdisjoint(gone) for group in old)
            late, old = self._drop(old) if is_going else [], []
            new, limit = self._make_groups(todo if is_going else sorted(fresh, key=_outer_first))
        self._groups += new
        self.is_at_limit = limit is not None
        if limit and not self._groups:
            raise limit
        return late + self._drop(old)

    def close(self) -> None:
        """Stop watching anything."""
        _close(self._groups)
        self._groups = []
        self.is_at_limit = False

    def _concerned(self, gone: Collection[str], fresh: Sequence[str]) -> list[_Group]:
        """The groups to replace: those that hold what is gone, or the smallest if it has space."""
        if len(self._groups) > MAX_GROUPS + MAX_EXTRA_GROUPS:
            return list(self._groups)
        concerned = [group for group in self._groups if not group.paths.isdisjoint(gone)]
        rest = [group for group in self._groups if group not in concerned]
        if fresh and not concerned and rest:
            smallest = min(rest, key=lambda group: len(group.paths))
            if len(smallest.paths) + len(fresh) <= MAX_JOINED:
                return [smallest]
        return concerned

    def _drop(self, old: Collection[_Group]) -> list[set[str]]:
        self._groups = [group for group in self._groups if group not in old]
        try:
            return [found for group in old if (found := self._drain(group))]
        finally:
            _close(old)

    def _make_groups(self, paths: Sequence[str]) -> tuple[list[_Group], BaseException | None]:
        """Make groups for these directories; at a limit for as many as possible, with the limit's error."""
        made: list[_Group] = []
        limit: BaseException | None = None
        todo = list(_split(paths))
        while todo:
            part = todo.pop(0)
            half = len(part) // 2
            try:
                made.append(_Group(self._make([*part, *self._heartbeat]), part))
                self.made += 1
            except (FileNotFoundError, PermissionError):
                todo[:0] = [part[:half], part[half:]] if half else []
            except (OSError, RuntimeError) as error:
                if not self._is_limit(error):
                    _close(made)
                    raise
                limit = error
                todo = [part[:half]] if half else []
        return made, limit


def _close(groups: Iterable[_Group]) -> None:
    for group in groups:
        group.notifier.close()


def _split(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    size = max(GROUP_SIZE, math.ceil(len(paths) / MAX_GROUPS))
    return (paths[start : start + size] for start in range(0, len(paths), size))


def _outer_first(path: str) -> tuple[int, str]:
    return path.count("/"), path
