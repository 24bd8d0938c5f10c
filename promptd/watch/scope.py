"""Which directories are watched, and what an event at a path means for the library.

Directories are watched one by one, never recursively: a recursive watch follows symlinks out of the library
and misses directories that appear below it. The directory above each root is watched too (of the path as
written and of what it resolves to), because only there it shows that a root was deleted, recreated, renamed
or re-pointed. If that directory does not exist either, its nearest existing ancestor is watched. All other
events in those outer directories are ignored.

A directory is watched once, at its real path, and its events are reported under every name it has in the
library: two links may lead to it. The source lists the directories of the library; a Scope adds the outer
ones and leaves out those whose file system reports nothing (mounts.py).
"""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.watch.debounce import Changes
from promptd.watch.mounts import Mounts
from promptd.watch.paths import is_within, parent

# Kubernetes replaces a mounted volume by renaming one symlink; the files under it raise no event.
VOLUME_SWAP = "..data"

Identity = tuple[int, int] | None  # device and inode of a root; None if there is nothing
UNCHECKED: Identity = (-1, -1)  # on a file system where a stat might hang


@dataclass(frozen=True, slots=True)
class Scope:
    """One survey of the library and the directories around it.

    `listed` maps each directory of the library to its real path, `names` is the inverse. An event at the
    first path of a pair in `anchors`, or above it, means that the root in the pair was replaced. `watched`
    are the directories to watch, `scanned` those of the library whose file system does not report all
    changes.
    """

    roots: tuple[str, ...]
    listed: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]
    anchors: tuple[tuple[str, str], ...]
    watched: frozenset[str]
    scanned: frozenset[str]
    mounts: Mounts
    identities: tuple[Identity, ...]

    @classmethod
    def survey(cls, roots: Sequence[str], listed: Mapping[str, str], mounts: Mounts) -> "Scope":
        """The scope of a listing (each directory and its real path). Stats the roots."""
        return cls.empty(roots).renewed((), listed, mounts)

    def renewed(self, below: Collection[str], listed: Mapping[str, str], mounts: Mounts) -> "Scope":
        """The scope with everything at or below some directories replaced by a newer listing.

        The cost in Python depends on what changed; the rest of a large library is copied in one operation.
        """
        all_listed, names = dict(self.listed), dict(self.names)
        for name in self.at_or_below(below):
            real = all_listed.pop(name)
            names[real] = tuple(other for other in names[real] if other != name)
            if not names[real]:
                del names[real]
        for name, real in listed.items():
            all_listed[name] = real
            names[real] = (*names.get(real, ()), name)
        return self._within(all_listed, names, mounts)

    def _within(
        self, listed: Mapping[str, str], names: Mapping[str, tuple[str, ...]], mounts: Mounts
    ) -> "Scope":
        anchors = tuple((anchor, root) for root in self.roots for anchor in _anchors(root))
        near = mounts.near(anchor for anchor, _ in anchors)
        wanted = names.keys() | {_nearest_directory(parent(anchor)) for anchor, _ in anchors}
        coverage = {} if near.reports_everything else {path: mounts.event_coverage(path) for path in wanted}
        uncovered = {place for place, events in coverage.items() if events == "none"}
        return Scope(
            self.roots,
            listed,
            names,
            anchors,
            frozenset(wanted - uncovered),
            frozenset(place for place, events in coverage.items() if events != "all" and place in names),
            near,
            tuple(_identity(root, mounts) for root in self.roots),
        )

    @classmethod
    def empty(cls, roots: Sequence[str]) -> "Scope":
        """The scope before the first survey."""
        return cls(tuple(roots), {}, {}, (), frozenset(), frozenset(), Mounts({}), (None,) * len(roots))

    # -- is it still current? -----------------------------------------------------------------

    def has_same_mounts(self, mounts: Mounts) -> bool:
        """True if a newer table has the same mounts for this scope."""
        return mounts.near(anchor for anchor, _ in self.anchors) == self.mounts

    def replaced_roots(self) -> frozenset[str]:
        """The roots that are another directory now, or have appeared or vanished."""
        checked = [pair for pair in zip(self.roots, self.identities, strict=True) if pair[1] != UNCHECKED]
        return frozenset(root for root, known in checked if _stat(root) != known)

    def at_or_below(self, places: Collection[str]) -> list[str]:
        """The listed directories at or below these paths."""
        prefixes = tuple(place.rstrip("/") + "/" for place in places)
        return [name for name in self.listed if name.startswith(prefixes) or name in places]

    def suspects(self, below: Collection[str]) -> frozenset[str]:
        """The directories (real paths) whose watches may be on another directory by now.

        Everything at or below those in `below`; for a root also the directories around it.
        """
        found = {self.listed[name] for name in self.at_or_below(below)}
        if any(root in below for root in self.roots):
            found |= self.watched - self.names.keys()
        return frozenset(found)

    def classify(self, changed: Iterable[str], is_ignored: Callable[[str], bool]) -> Changes:
        """What has to be checked because of events at the real paths `changed`."""
        paths: set[str] = set()
        directories: set[str] = set()
        for path in changed:
            if roots := [root for anchor, root in self.anchors if is_within(anchor, path)]:
                directories.update(roots)
            for name in self._names_of(path):
                if os.path.basename(name) == VOLUME_SWAP:
                    directories.add(parent(name))
                elif not is_ignored(name):
                    (directories if name in self.listed or _may_hold(name) else paths).add(name)
        return Changes(frozenset(paths), frozenset(directories))

    def _names_of(self, path: str) -> list[str]:
        """The names of a real path in the library: none, one or several."""
        last = path.rpartition("/")[2]
        by_directory = [f"{directory}/{last}" for directory in self.names.get(parent(path), ())]
        return list(dict.fromkeys((*self.names.get(path, ()), *by_directory)))


def is_watchable(path: str) -> bool:
    """True if the directory is readable, which a watch requires."""
    return os.access(path, os.R_OK, effective_ids=True)


def _anchors(root: str) -> Iterator[str]:
    """The real paths at which the root may be replaced: as written, and as resolved."""
    written = os.path.join(os.path.realpath(os.path.dirname(root)), os.path.basename(root))
    yield from dict.fromkeys((written, os.path.realpath(root)))


def _may_hold(path: str) -> bool:
    """True for a directory, and for a link: where it leads is not asked, for that may hang."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return False
    return kind in (stat.S_IFDIR, stat.S_IFLNK)


def _nearest_directory(path: str) -> str:
    while not os.path.isdir(path) and path != parent(path):
        path = parent(path)
    return path


def _identity(root: str, mounts: Mounts) -> Identity:
    return UNCHECKED if mounts.event_coverage(os.path.realpath(root)) == "none" else _stat(root)


def _stat(root: str) -> Identity:
    try:
        found = os.stat(root)
    except OSError:
        return None
    return found.st_dev, found.st_ino
