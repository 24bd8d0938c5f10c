"""Many notifiers that together watch many directories, so that a change replaces a small one.

watchfiles cannot add a directory to a notifier, and making one holds the interpreter lock for 10 to 70 µs a
directory. So directories are spread over pieces of PIECE at the most (more in libraries beyond 4,000, lest
the user's inotify instances run out). New directories join the smallest piece, or are one of their own; one
that went or was replaced costs the remaking of its piece. Asking a piece for events costs 2 µs and never
waits, so that many pieces are as good as one.

A directory that cannot be watched (no permission, gone by now) is found by halving and left out. Where the
system's limit is reached the rest is left out too, inner directories first, and `is_short` says so. Nothing
here looks at the file system, decides when, or mends errors of a notifier: those travel up.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

PIECE = 128  # directories; 1-9 ms of making
JOINABLE = 64  # directories; a larger piece is not remade for the sake of a new directory
MOST_PIECES = 32  # of 128 inotify instances a user has by default
MOST_SPLINTERS = 8  # pieces beyond that, before all are joined and cut anew


class WatchBackend(Protocol):
    """What watches some directories from its construction to `close`."""

    def haul(self) -> set[str]:
        """The paths that had events since the last haul. Never waits."""

    def close(self) -> None:
        """Stop watching."""


MakeBackend = Callable[[Sequence[str]], WatchBackend]
IsLimit = Callable[[BaseException], bool]


class _Subtree:
    __slots__ = ("awaits_pulse", "notifier", "paths")

    def __init__(self, notifier: WatchBackend, paths: Sequence[str]) -> None:
        self.notifier = notifier
        self.paths = frozenset(paths)
        self.awaits_pulse = False


class WatchSet:
    """Watches the directories in `watched`. Belongs to a single thread.

    `make` makes a notifier for some directories, `is_limit` knows its errors for a used-up limit, and every
    notifier also watches the path `pulse`.
    """

    def __init__(self, make: MakeBackend, is_limit: Callable[[BaseException], bool], pulse: str = "") -> None:
        self._make = make
        self._is_limit = is_limit
        self._pulse = [pulse] if pulse else []
        self._pieces: list[_Subtree] = []
        self.is_short = False
        self.made = 0

    def __repr__(self) -> str:
        return f"<WatchSet {len(self.watched)} directories in {len(self)} pieces>"

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def watched(self) -> frozenset[str]:
        """The directories that are watched."""
        return frozenset[str]().union(*(piece.paths for piece in self._pieces))

    # -- events -------------------------------------------------------------------------------

    def haul(self) -> list[set[str]]:
        """The paths that had events, a set for each piece that has any. Never waits."""
        return [found for piece in self._pieces if (found := self._heard(piece))]

    def _heard(self, piece: _Subtree) -> set[str]:
        found = piece.notifier.haul()
        if found and self._pulse and self._pulse[0] in found:
            piece.awaits_pulse = False
            found.discard(self._pulse[0])
        return found

    def expect_pulse(self) -> None:
        """From now on every piece owes an event at the pulse's path."""
        for piece in self._pieces:
            piece.awaits_pulse = bool(self._pulse)

    @property
    def is_deaf(self) -> bool:
        """True while a piece has not heard the pulse it was expected to hear."""
        return any(piece.awaits_pulse for piece in self._pieces)

    # -- directories --------------------------------------------------------------------------

    def mend(self, gone: Collection[str], fresh: Iterable[str]) -> list[set[str]]:
        """Drop the watches of `gone` and watch `fresh`, outer directories first; what is in both anew.

        Pieces that change are replaced: made first, then emptied and closed. Returns what they still held.

        Raises:
            OSError, RuntimeError: not even one directory can be watched, or the notifiers are broken.
        """
        fresh = list(fresh)
        old = self._concerned(gone, fresh)
        kept = frozenset[str]().union(*(piece.paths for piece in old)).difference(gone)
        todo = sorted(kept.union(fresh), key=_outer_first)
        new, limit = self._cut(todo)
        late: list[set[str]] = []
        if limit and old:  # both at once are too many; what goes makes room, what stays is left alone
            _close(new)
            is_going = any(not piece.paths.isdisjoint(gone) for piece in old)
            late, old = self._drop(old) if is_going else [], []
            new, limit = self._cut(todo if is_going else sorted(fresh, key=_outer_first))
        self._pieces += new
        self.is_short = limit is not None
        if limit and not self._pieces:
            raise limit
        return late + self._drop(old)

    def close(self) -> None:
        """Stop watching anything."""
        _close(self._pieces)
        self._pieces = []
        self.is_short = False

    def _concerned(self, gone: Collection[str], fresh: Sequence[str]) -> list[_Subtree]:
        """The pieces that must be replaced: those that hold what is gone, or the smallest if it has room."""
        if len(self._pieces) > MOST_PIECES + MOST_SPLINTERS:
            return list(self._pieces)
        concerned = [piece for piece in self._pieces if not piece.paths.isdisjoint(gone)]
        rest = [piece for piece in self._pieces if piece not in concerned]
        if fresh and not concerned and rest:
            smallest = min(rest, key=lambda piece: len(piece.paths))
            if len(smallest.paths) + len(fresh) <= JOINABLE:
                return [smallest]
        return concerned

    def _drop(self, old: Collection[_Subtree]) -> list[set[str]]:
        self._pieces = [piece for piece in self._pieces if piece not in old]
        try:
            return [found for piece in old if (found := self._heard(piece))]
        finally:
            _close(old)

    def _cut(self, paths: Sequence[str]) -> tuple[list[_Subtree], BaseException | None]:
        """Make pieces for these directories; at a limit for the first of them, with the limit's error."""
        made: list[_Subtree] = []
        limit: BaseException | None = None
        todo = list(_parts(paths))
        while todo:
            part = todo.pop(0)
            half = len(part) // 2
            try:
                made.append(_Subtree(self._make([*part, *self._pulse]), part))
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


def _close(pieces: Iterable[_Subtree]) -> None:
    for piece in pieces:
        piece.notifier.close()


def _parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    size = max(PIECE, math.ceil(len(paths) / MOST_PIECES))
    return (paths[start : start + size] for start in range(0, len(paths), size))


def _outer_first(path: str) -> tuple[int, str]:
    return path.count("/"), path
