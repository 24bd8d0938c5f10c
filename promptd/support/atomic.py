"""Write a whole file or nothing: what a reader opens is always one complete version.

A temporary file beside the target, written and fsynced, then renamed over it, then the directory's entry
fsynced where the file system can. Whatever goes wrong before the rename (a full disk above all), the last
good file stays, the temporary one is removed and the OSError travels on. A kill -9 can leave a temporary
file behind, never a half target; `discard_leftovers` clears those away. Blocking: call it from a thread.
"""

import contextlib
import glob
import itertools
import os
import time
from pathlib import Path

STALE_S = 60.0  # a write takes milliseconds; a temporary file this old has lost its writer

_numbers = itertools.count()


def write_atomic(target: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `target` by `data`; the umask applies to `mode`.

    Raises:
        OSError: nothing was replaced, and no temporary file of this call remains.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{next(_numbers)}.tmp")
    try:
        _write_synced(temporary, data, mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def discard_leftovers(target: Path, *, now_unix_s: float | None = None) -> int:
    """Remove temporary files that earlier, killed writers of `target` left; returns how many."""
    oldest = (time.time() if now_unix_s is None else now_unix_s) - STALE_S
    removed = 0
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with contextlib.suppress(OSError):  # another daemon may be clearing the same directory
            if leftover.stat().st_mtime < oldest:
                leftover.unlink()
                removed += 1
    return removed


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 (a descriptor, not a path)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable; some file systems refuse to fsync a directory, and may."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
