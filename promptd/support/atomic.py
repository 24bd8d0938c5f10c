"""Write a whole file or nothing: what a reader opens is always one complete version.

A temporary file beside the target, written and fsynced, then renamed over it, then the directory's entry
fsynced where the file system can. Whatever goes wrong before the rename (a full disk above all), the last
good file stays, the temporary one is removed and the OSError travels on. A kill -9 can leave a temporary
file behind, never a half target; `discard_leftovers` clears those away. Blocking: call it from a thread.
"""

import contextlib
import fnmatch
import glob
import itertools
import os
import time
from pathlib import Path

from promptd.support.own_files import open_own, own_directory

STALE_S = 60.0  # a write takes milliseconds; a temporary file this old has lost its writer

_numbers = itertools.count()


def write_atomic(target: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `target`, in a directory of our own, by `data`; the umask applies to `mode`.

    Raises:
        OSError: nothing was replaced, and no temporary file of this call remains.
    """
    temporary = f".{target.name}.{os.getpid()}-{next(_numbers)}.tmp"
    with own_directory(target.parent) as directory:
        try:
            _write_synced(directory, temporary, data, mode)
            os.replace(temporary, target.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
            raise
        _sync_directory(directory)


def discard_leftovers(target: Path, *, now_unix_s: float | None = None) -> int:
    """Remove temporary files that earlier, killed writers of `target` left; returns how many."""
    oldest = (time.time() if now_unix_s is None else now_unix_s) - STALE_S
    with contextlib.suppress(OSError), own_directory(target.parent) as directory:
        return sum(_discard(directory, name, oldest) for name in _leftovers(directory, target.name))
    return 0


def _leftovers(directory: int, name: str) -> list[str]:
    opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return fnmatch.filter(os.listdir(opened), f".{glob.escape(name)}.*.tmp")  # noqa: PTH208 (a descriptor)
    finally:
        os.close(opened)


def _discard(directory: int, name: str, oldest: float) -> bool:
    with contextlib.suppress(OSError):  # another daemon may be clearing the same directory
        if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < oldest:
            os.unlink(name, dir_fd=directory)
            return True
    return False


def _write_synced(directory: int, name: str, data: bytes, mode: int) -> None:
    descriptor = open_own(directory, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 (a descriptor, not a path)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: int) -> None:
    """Make the rename itself durable; some file systems refuse to fsync a directory, and may."""
    with contextlib.suppress(OSError):
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
