"""Which directories are watched, and what an event at a path means for the library.

Directories are watched one by one and never recursively: a recursive watch follows symlinks out of the
library and stays blind for what appears below. Around the library the directory above each root is watched
too (of the path as written and of what it resolves to), because a root that is deleted, recreated, renamed
or re-pointed is seen only from there. Where the directory above does not exist either, its nearest existing
ancestor stands in. Everything else that happens in those outer directories is nobody's business.

A directory is watched where it really is, once, and what happens in it is told by every name it has in the
library: two links may lead to it. The files door says which directories belong to the library; a Scope adds
the outer ones, and leaves out those whose file system tells nothing (mounts.py).
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.watch.debounce import Changes
from promptd.watch.mounts import Mounts
from promptd.watch.paths import is_within, parent

# Kubernetes replaces a mounted volume by renaming one symlink; the files under it raise no event.
VOLUME_SWAP = "..data"

Identity = tuple[int, int] | None  # device and inode of a root; None if there is nothing
SILENT: Identity = (-1, -1)  # on a file system that is never asked from here: it might hang


@dataclass(frozen=True, slots=True)
class Scope:
    """One survey of the library and what surrounds it.

    `listed` gives for each directory of the library where it really is, `names` the other way round. When
    something happens at the first path of a pair in `anchors`, or above it, the root in the pair is another
    one now. `watched` are the directories to be watched, and `scanned` those of the library whose file system
    does not tell everything.
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
        """Put a listing (each directory, and where it really is) into its surroundings. Stats the roots."""
        return cls.nothing(roots).renewed((), listed, mounts)

    def renewed(self, below: Collection[str], listed: Mapping[str, str], mounts: Mounts) -> "Scope":
        """The scope with everything at or below some directories replaced by a newer listing.

        The cost in Python is that of what changes: the rest of a large library is copied in one piece.
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
        told = {} if near.tells_everything else {place: mounts.told(place) for place in wanted}
        silent = {place for place, much in told.items() if much == "nothing"}
        return Scope(
            self.roots,
            listed,
            names,
            anchors,
            frozenset(wanted - silent),
            frozenset(place for place, much in told.items() if much != "everything" and place in names),
            near,
            tuple(_identity(root, mounts) for root in self.roots),
        )

    @classmethod
    def nothing(cls, roots: Sequence[str]) -> "Scope":
        """The scope before the first survey."""
        return cls(tuple(roots), {}, {}, (), frozenset(), frozenset(), Mounts({}), (None,) * len(roots))

    # -- is it still true? --------------------------------------------------------------------

    def has_same(self, mounts: Mounts) -> bool:
        """True if the mounts that matter here are the same in a newer table."""
        return mounts.near(anchor for anchor, _ in self.anchors) == self.mounts

    def exchanged(self) -> frozenset[str]:
        """The roots that are another directory now, or there or gone since."""
        asked = [pair for pair in zip(self.roots, self.identities, strict=True) if pair[1] != SILENT]
        return frozenset(root for root, known in asked if _stat(root) != known)

    def at_or_below(self, places: Collection[str]) -> list[str]:
        """The listed directories that are one of these places or below one."""
        prefixes = tuple(place.rstrip("/") + "/" for place in places)
        return [name for name in self.listed if name.startswith(prefixes) or name in places]

    def suspects(self, below: Collection[str]) -> frozenset[str]:
        """The directories, where they really are, whose watches may be on something else by now.

        Everything at or below those in `below`; for a root the directories around it, too.
        """
        found = {self.listed[name] for name in self.at_or_below(below)}
        if any(root in below for root in self.roots):
            found |= self.watched - self.names.keys()
        return frozenset(found)

    def sort(self, changed: Iterable[str], is_ignored: Callable[[str], bool]) -> Changes:
        """Say what has to be looked at because of events at the real paths `changed`."""
        paths: set[str] = set()
        directories: set[str] = set()
        for path in changed:
            if roots := [root for anchor, root in self.anchors if is_within(anchor, path)]:
                directories.update(roots)
            for name in self._names_of(path):
                if os.path.basename(name) == VOLUME_SWAP:
                    directories.add(parent(name))
                elif not is_ignored(name):
                    (directories if name in self.listed or os.path.isdir(name) else paths).add(name)
        return Changes(frozenset(paths), frozenset(directories))

    def _names_of(self, path: str) -> list[str]:
        """What a real path is called in the library: nothing, one name, or several."""
        last = path.rpartition("/")[2]
        by_directory = [f"{directory}/{last}" for directory in self.names.get(parent(path), ())]
        return list(dict.fromkeys((*self.names.get(path, ()), *by_directory)))


def is_watchable(path: str) -> bool:
    """True if we may read the directory: a watch takes that much."""
    return os.access(path, os.R_OK, effective_ids=True)


def _anchors(root: str) -> Iterator[str]:
    """The real places at which the root may be exchanged: as written, and what it leads to."""
    written = os.path.join(os.path.realpath(os.path.dirname(root)), os.path.basename(root))
    yield from dict.fromkeys((written, os.path.realpath(root)))


def _nearest_directory(path: str) -> str:
    while not os.path.isdir(path) and path != parent(path):
        path = parent(path)
    return path


def _identity(root: str, mounts: Mounts) -> Identity:
    return SILENT if mounts.told(os.path.realpath(root)) == "nothing" else _stat(root)


def _stat(root: str) -> Identity:
    try:
        found = os.stat(root)
    except OSError:
        return None
    return found.st_dev, found.st_ino
