r"""Which file systems report changes, judged by the type of the mount in /proc/self/mountinfo.

inotify reports what goes through this kernel's own file system code. What another machine writes to a shared
directory, or what happens below an overlay or inside a FUSE server, makes no event here, so such directories
are scanned. Directories on network and FUSE file systems are not watched at all: adding a watch looks the
path up, which hangs for as long as the server does. Events of an overlay are correct but incomplete (they
cover what containers do to their own files), so an overlay is watched *and* scanned.

`Mounts` is a parsed table and pure. `MountTable` reads the kernel's table and knows without reading whether
it has changed (the file supports poll). The format is in proc_pid_mountinfo(5): fields are separated by
single blanks, blanks in paths are written as octal (`\040`), optional fields end at `-`.
"""

import os
import re
import select
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

EventCoverage = Literal["all", "local only", "none"]

REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "fuse"),
        *("ceph", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "glusterfs", "ocfs2", "gfs2"),
        *("virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fakeowner"),
    )
)
LAYERED = frozenset({"overlay", "overlayfs", "aufs", "unionfs"})

_POLL_CHANGED = select.POLLERR | select.POLLPRI
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounts:
    """File system type by mount point; where several are mounted at one point, the topmost."""

    types: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Mounts":
        """Read the text of a mountinfo file; lines that are not understood are left out."""
        types: dict[str, str] = {}
        for line in text.splitlines():
            places, _, kinds = line.partition(" - ")
            fields = places.split(" ")
            if len(fields) >= 5 and kinds:
                types[_unescaped(fields[4])] = kinds.split(" ")[0]
        return cls(types)

    def type_at(self, path: str) -> str:
        """The type of the file system at a real, absolute path; "" if no mount is known above it."""
        while path not in self.types:
            above = os.path.dirname(path)
            if above == path:
                return ""
            path = above
        return self.types[path]

    def event_coverage(self, path: str) -> EventCoverage:
        """Which changes in a directory make events here."""
        kind = self.type_at(path)
        if kind in REMOTE or kind.startswith("fuse."):
            return "none"
        return "local only" if kind in LAYERED else "all"

    def near(self, paths: Iterable[str]) -> "Mounts":
        """The mounts that concern these paths: those at or below them, and the one that holds each."""
        wanted: dict[str, str] = {}
        for path in paths:
            wanted[path] = self.type_at(path)
            below = path.rstrip("/") + "/"
            wanted |= {point: kind for point, kind in self.types.items() if point.startswith(below)}
        return Mounts(wanted)

    @property
    def reports_everything(self) -> bool:
        """True if every mount reports all changes."""
        return all(self.event_coverage(point) == "all" for point in self.types)


def hanging(paths: Iterable[str]) -> frozenset[int]:
    """The numbers of those paths that lie on a file system that may not answer, by the mount table alone."""
    table = MountTable()
    try:
        mounts = table.read()
    finally:
        table.close()
    return frozenset(at for at, path in enumerate(paths) if mounts.event_coverage(path) == "none")


class MountTable:
    """This process's mounts, from the kernel; an empty table where there is no /proc."""

    def __init__(self, path: str = "/proc/self/mountinfo") -> None:
        self._poll = select.poll()
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        else:
            self._poll.register(self._descriptor, _POLL_CHANGED)

    def __repr__(self) -> str:
        return f"<MountTable {'closed' if self._descriptor < 0 else 'open'}>"

    def has_changed(self) -> bool:
        """True if something was mounted or unmounted since the last call. Never blocks."""
        return bool(self._poll.poll(0))

    def read(self) -> Mounts:
        """The current mounts."""
        if self._descriptor < 0:
            return Mounts({})
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        groups = []
        while group := os.read(self._descriptor, 1 << 16):
            groups.append(group)
        return Mounts.parse(os.fsdecode(b"".join(groups)))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            self._poll.unregister(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = -1


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
