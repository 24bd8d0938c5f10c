r"""Which file systems tell of changes: told by the type of the mount, from /proc/self/mountinfo.

inotify hears what goes through this kernel's own file system code. What another machine writes to a shared
directory, or what happens below an overlay or inside a FUSE server, makes no event here, so such directories
are scanned. On network and FUSE file systems nothing is watched at all: to place a watch is to look a path
up, and that hangs for as long as the server does. Events of an overlay are true as far as they go (all that
containers do to their own files), so an overlay is watched *and* scanned.

`Mounts` is a parsed table and pure; `MountTable` reads the kernel's and knows, without reading, whether it
has changed (the file answers poll). The format is in proc_pid_mountinfo(5): fields are separated by single
blanks, blanks in paths written as octal (`\040`), optional fields end at `-`.
"""

import os
import re
import select
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Told = Literal["everything", "own changes", "nothing"]

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
    """Mount points and the types mounted there; the mount on top where there are several."""

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

    def told(self, path: str) -> Told:
        """How much of what happens in a directory makes events here."""
        kind = self.type_at(path)
        if kind in REMOTE or kind.startswith("fuse."):
            return "nothing"
        return "own changes" if kind in LAYERED else "everything"

    def near(self, paths: Iterable[str]) -> "Mounts":
        """What matters for these paths and what is below them: mounts there, and the one that holds each."""
        wanted: dict[str, str] = {}
        for path in paths:
            wanted[path] = self.type_at(path)
            below = path.rstrip("/") + "/"
            wanted |= {point: kind for point, kind in self.types.items() if point.startswith(below)}
        return Mounts(wanted)

    @property
    def tells_everything(self) -> bool:
        """True if none of the mounts is of a kind that keeps changes to itself."""
        return all(self.told(point) == "everything" for point in self.types)


class MountTable:
    """This process's mounts, as the kernel shows them; an empty table where there is no /proc."""

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
        """True if something was mounted or unmounted since the last time of asking. Never waits."""
        return bool(self._poll.poll(0))

    def read(self) -> Mounts:
        """The mounts right now."""
        if self._descriptor < 0:
            return Mounts({})
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        pieces = []
        while piece := os.read(self._descriptor, 1 << 16):
            pieces.append(piece)
        return Mounts.parse(os.fsdecode(b"".join(pieces)))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            self._poll.unregister(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = -1


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
