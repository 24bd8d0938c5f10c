"""Proofs: what `stat` said of some places when everything that rests on them was found to hold.

As long as it says the same of all of them, nothing needs to be compared one by one. This is the validation
of nearly every reply, so it is done in one call: in C where the helper beside this file was compiled when
promptd was installed (`_stat_proof.c`), else in a loop. Both ask the kernel the same in the same order;
nothing is remembered in between.

Each directory is opened beneath its root, through no link and into no other file system, and what is in it
is stat-ed as it stands there. Where a place was reached through links, those are proved as well, each as a
link, and the place where they lead: as long as no link is another one, they lead to the same place.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptd.core.syntax.component import FileSignature, Place
from promptd.sources.worktree.beneath import Looks, RootPaths, Signatures, signature_from, unseen
from promptd.support.resolve import HAS_OPENAT2

_FIELDS = len(FileSignature._fields)
_WORD = (1 << 64) - 1
_NOTHING = FileSignature(0, 0, 0, 0, 0)  # no file has inode 0 on device 0
_UNCERTAIN = (-errno.ELOOP, -errno.EXDEV, -errno.ENOSYS, -errno.EAGAIN)  # of a directory: ask one by one

Same = Callable[[bytes], int]


def _helper() -> Same | None:
    """The compiled helper, if there is one for this machine."""
    try:
        same = ctypes.CDLL(str(Path(__file__).with_name("_stat_proof.so"))).promptd_stand_beneath
    except (OSError, AttributeError):
        return None
    same.argtypes = (ctypes.c_char_p,)
    same.restype = ctypes.c_int
    return same


_same = _helper()
IS_COMPILED = _same is not None


@dataclass(frozen=True, slots=True)
class _Expected:
    """One name in a directory, and its signature. Of a link its own if `is_link`, else there must be none."""

    name: str
    signature: FileSignature | None
    is_link: bool = False


class StatProof:
    """Places without a link on the way, by root and directory; made by `prove`."""

    __slots__ = ("_directories", "_packed", "_roots")

    def __init__(self, roots: RootPaths, directories: Mapping[tuple[int, str], Iterable[_Expected]]) -> None:
        self._roots = roots
        self._directories = sorted((at, tuple(entries)) for at, entries in directories.items())
        # For the helper: each directory with its signatures and its names; a root before what is below it.
        pieces, opened = list[bytes](), -1
        for (root, directory), entries in self._directories:
            if root != opened:
                top = () if directory else entries
                pieces.append(_packed(True, roots.paths[root], top))
                opened = root
            if directory:
                pieces.append(_packed(False, directory, entries))
        self._packed = b"".join((*pieces, struct.pack("=QQ", 2, 0)))

    def __repr__(self) -> str:
        return f"<StatProof of {len(self)} entries in {len(self._directories)} directories>"

    def __len__(self) -> int:
        return sum(len(entries) for _, entries in self._directories)

    def holds(self) -> bool:
        """Look at every place now, and say whether all are what they were."""
        if _same is None:
            return self.holds_by_loop()
        return _same(self._packed) == 1

    def holds_by_loop(self) -> bool:
        """The same without the helper."""
        with Looks(self._roots, stay=True) as looks:
            return all(
                _stand(looks.directory(root, directory), entries)
                for (root, directory), entries in self._directories
            )


def _stand(at: int, entries: Iterable[_Expected]) -> bool:
    if at in _UNCERTAIN:
        return False
    return all(_found(at, entry) == entry.signature for entry in entries)


def _found(at: int, entry: _Expected) -> FileSignature | None:
    """What stands in a directory itself; nothing for a directory, and for a link where there was none."""
    try:
        if at < 0:
            raise OSError(-at, "")
        found = os.stat(entry.name, dir_fd=at, follow_symlinks=False)
    except OSError as problem:
        return unseen(problem)
    kind = found.st_mode & 0o170000
    if kind == 0o040000:
        return None
    return signature_from(found) if (kind == 0o120000) is entry.is_link else FileSignature.unseen(errno.ELOOP)


def prove(roots: RootPaths, seen: Signatures) -> StatProof | None:
    """The proof that these places are what they were seen to be; None where they cannot be proved at once."""
    if not HAS_OPENAT2:
        return None
    found: dict[tuple[int, str], dict[_Expected, None]] = {}

    def expect(place: Place, signature: FileSignature | None, *, is_link: bool = False) -> None:
        directory, _, name = place.id.rpartition("/")
        found.setdefault((place.root, directory), {})[_Expected(name, signature, is_link)] = None

    for place, signature in seen.items():
        try:
            way = roots.way(place)
        except (OSError, ValueError):
            return None
        if way.end is None or "\0" in place.id:
            return None
        for link, its_own in way.links:
            expect(link, its_own, is_link=True)
        expect(way.end, signature)
    return StatProof(roots, found)


def _packed(is_root: bool, path: str, entries: Iterable[_Expected]) -> bytes:
    """A directory as the helper has it."""
    entries = tuple(entries)
    written = b"".join(os.fsencode(name) + b"\0" for name in (path, *(entry.name for entry in entries)))
    head = struct.pack("=QQ", is_root, len(entries))
    return head + b"".join(map(_expected, entries)) + written


def _expected(entry: _Expected) -> bytes:
    """A signature as the helper has it: whether it is a link's, and five words of 64 bits."""
    words = (value & _WORD for value in entry.signature or _NOTHING)
    return struct.pack(f"={_FIELDS + 1}Q", entry.is_link, *words)
