"""Which directories are watched, and what an event at a path means for the library.

Directories are watched one by one and never recursively: a recursive watch follows symlinks out of the
library and stays blind for what appears below. Around the library the directory above each root is watched
too (of the path as written and of what it resolves to), because a root that is deleted, recreated, renamed
or re-pointed is seen only from there. Where the directory above does not exist either, its nearest existing
ancestor stands in. Everything else that happens in those outer directories is nobody's business.

The files door says which directories belong to the library; this file adds the outer ones and leaves out
what cannot be watched (unreadable, or a name that is not UTF-8). It looks at the file system, so a survey
and the sorting of events run in the watcher's thread.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptd.watch.changes import Sighting

# Kubernetes replaces a mounted volume by renaming one symlink; the files under it raise no event.
VOLUME_SWAP = "..data"


@dataclass(frozen=True, slots=True)
class Scope:
    """One survey: the watched directories (outer ones first) and how to read their events.

    `anchors` are pairs `(path, root as written)`: when something happens to such a path or above it, the
    root is another one now. `listed` are the directories of the library, `unwatchable` how many of them
    were left out.
    """

    anchors: tuple[tuple[str, str], ...]
    listed: frozenset[str]
    watched: tuple[str, ...]
    unwatchable: int

    @classmethod
    def survey(cls, roots: Sequence[str], listed: Iterable[str]) -> "Scope":
        """Look at the file system: what should be watched now, parents before children."""
        anchors = tuple((anchor, root) for root in roots for anchor in _anchors(root))
        inner = frozenset(listed) | {root for root in roots if os.path.isdir(root)}
        outer = {_nearest_directory(os.path.dirname(anchor)) for anchor, _ in anchors}
        watched = sorted(filter(_is_watchable, inner | outer), key=_depth_first)
        return cls(anchors, inner, tuple(watched), len(inner.difference(watched)))

    def sort(self, changed: Iterable[str], is_ignored: Callable[[str], bool]) -> Sighting:
        """Say what has to be looked at because of events at the `changed` paths."""
        paths: set[str] = set()
        directories: set[str] = set()
        for path in changed:
            if roots := [root for anchor, root in self.anchors if is_within(anchor, path)]:
                directories.update(roots)
            elif not any(is_within(path, anchor) for anchor, _ in self.anchors):
                continue
            elif os.path.basename(path) == VOLUME_SWAP:
                directories.add(os.path.dirname(path))
            elif not is_ignored(path):
                (directories if self._is_directory(path) else paths).add(path)
        return Sighting(frozenset(paths), frozenset(directories))

    def _is_directory(self, path: str) -> bool:
        """True if it was a directory at the survey or is one now."""
        return path in self.listed or os.path.isdir(path)


def is_within(path: str, directory: str) -> bool:
    """True if `path` is `directory` or below it, by name."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _anchors(root: str) -> Iterator[str]:
    yield root
    real = os.path.realpath(root)
    if real != root:
        yield real


def _nearest_directory(path: str) -> str:
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _is_watchable(path: str) -> bool:
    """True if inotify can be asked to watch it: it takes read permission and a name in UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return os.access(path, os.R_OK, effective_ids=True)


def _depth_first(path: str) -> tuple[int, str]:
    return path.count("/"), path
