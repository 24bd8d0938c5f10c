"""The lock on a state directory: the one daemon that holds it writes there.

Two daemons on two sockets may be given one directory by mistake. Each would overwrite the other's snapshot
and use counts; so the second one serves, writes nothing there, says why, and takes the lock when the first
one ends. It is an flock on the file `lock` in the directory. Blocking, for microseconds.
"""

import errno
import fcntl
import os
import threading
from pathlib import Path

from promptd.support.own_files import open_own, own_directory

FILE_NAME = "lock"
_NO_LOCKS = (
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.ENOSYS,
)  # a file system without flock: no process can be refused


class StateLock:
    """The lock of this process on one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: int | None = None
        self._taking = threading.Lock()

    def __repr__(self) -> str:
        return f"<StateLock on {self.directory}, {'held' if self._lock is not None else 'not held'}>"

    def assert_held(self) -> None:
        """Take the lock, unless it is ours already.

        Raises OSError: another daemon has it (EBUSY), or the directory cannot be written or trusted.
        """
        with self._taking:  # snapshots and use counts are written in threads
            if self._lock is not None and not self._is_in_place(self._lock):
                self.release()
            if self._lock is None:
                self._lock = self._take()

    def _is_in_place(self, lock: int) -> bool:
        """False if the file was removed: then the next process locks another one of that name."""
        try:
            with own_directory(self.directory) as directory:
                found = os.stat(FILE_NAME, dir_fd=directory, follow_symlinks=False)
            return os.path.samestat(os.fstat(lock), found)
        except FileNotFoundError:
            return False

    def _take(self) -> int:
        with own_directory(self.directory) as directory:
            lock = open_own(directory, FILE_NAME, os.O_RDWR | os.O_CREAT)
        try:
            _lock(lock, self.directory)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def release(self) -> None:
        """Let another daemon have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def _lock(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        who = f"another promptd (process {holder})" if holder else "another promptd"
        raise OSError(
            errno.EBUSY,
            f"{who} uses the state directory {directory}: set another `state.directory` for this one",
        ) from None
    except OSError as problem:
        if problem.errno not in _NO_LOCKS:
            raise
