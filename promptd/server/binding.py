"""Getting the listening socket: bound by ourselves under a held lock, or taken over from systemd.

`bind` never takes a socket from a daemon that lives: the process that holds the flock on `<socket>.lock` owns
the path until it ends, however it ends, and only the holder may remove what a dead one left behind.
The lock file itself stays: removing it would let two daemons lock two different files. Everything here
blocks, for microseconds.
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from promptd.errors import AlreadyRunning, ConfigError
from promptd.support.own_files import open_own, own_directory

MAX_PATH_BYTES = 107  # sockaddr_un.sun_path holds 108 with its final NUL (unix(7))
_BACKLOG = 512  # queued by the kernel before we accept; it caps this at net.core.somaxconn


@dataclass(slots=True)
class Binding:
    """A listening socket, and what is to be undone at the end; `path` is "" if it has none."""

    socket: socket.socket
    path: str
    _inode: tuple[int, int] | None = None  # of the socket file, if we made it
    _lock: int | None = None
    _directory: int | None = None  # where both are

    @property
    def is_open(self) -> bool:
        """True until the socket was withdrawn."""
        return self.socket.fileno() >= 0

    def withdraw(self) -> None:
        """Close the socket, and remove its file if it is the one we made."""
        if self._directory is not None:
            name = Path(self.path).name
            if self._inode is not None and _inode_of(self._directory, name) == self._inode:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._directory)
            os.close(self._directory)
        self._inode = self._directory = None
        self.socket.close()

    def release(self) -> None:
        """Give up the lock: from now on another daemon may bind the path."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def bind(path: str, mode: int = 0o600) -> Binding:
    """Listen on a Unix socket at `path` with permissions `mode`; its directory is made 0700 if absent.

    Raises AlreadyRunning if a daemon holds the path, ConfigError if the path cannot be used.
    """
    _check(path)
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with own_directory(Path(path).absolute().parent) as directory:
            lock = _take_lock(directory, path)
            try:
                _remove_stale(directory, path)
                return _bind(directory, path, mode, lock)
            except BaseException:
                os.close(lock)
                raise
    except OSError as error:
        if _is_answered(path):  # its directory may be the service's, while this one is somebody else's
            raise _running(path, "") from error
        raise _cannot_listen(path, error) from error


def adopt(listening: socket.socket) -> Binding:
    """Take over a listening Unix stream socket (LISTEN_FDS), whose file is not ours to remove.

    Raises ConfigError if it is anything else.
    """
    is_ours = listening.family == socket.AF_UNIX and listening.type == socket.SOCK_STREAM
    if not is_ours or not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ConfigError("the inherited socket is not a listening Unix stream socket; see promptd.socket")
    listening.setblocking(False)
    return Binding(listening, os.fsdecode(listening.getsockname()))


def _check(path: str) -> None:
    size = len(os.fsencode(path))
    if size > MAX_PATH_BYTES:
        raise ConfigError(
            f"the socket path has {size} bytes, Unix allows {MAX_PATH_BYTES}: choose a shorter one ({path})",
            key="serve.socket",
            path=path,
        )
    if not path or "\0" in path:
        raise ConfigError("the socket path is empty or holds a NUL", key="serve.socket", path=path)


def _cannot_listen(path: str, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {path}: {error.strerror or error}", key="serve.socket", path=path)


def _take_lock(directory: int, path: str) -> int:
    """The descriptor of the held lock. Raises AlreadyRunning."""
    name = f"{Path(path).name}.lock"
    while True:
        lock = open_own(directory, name, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            raise _running(path, holder) from None
        found = os.fstat(lock)
        if _inode_of(directory, name) == (found.st_dev, found.st_ino):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return lock
        os.close(lock)  # the file was removed while we locked it: lock the one that is there now


def _running(path: str, holder: str) -> AlreadyRunning:
    who = f"promptd (process {holder})" if holder else "a daemon"
    return AlreadyRunning(f"{who} already serves {path}", socket=path, holder=holder)


def _remove_stale(directory: int, path: str) -> None:
    """Remove the socket file of a daemon that died. Raises AlreadyRunning if a process listens on it."""
    name = Path(path).name
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(
            f"{path} exists and is not a socket; promptd does not remove it", key="serve.socket", path=path
        )
    if _is_listening(path):
        raise _running(path, "")
    os.unlink(name, dir_fd=directory)


def _is_listening(path: str) -> bool:
    """True if a process without our lock (another program) listens there; its queue may even be full."""
    return _tried(path) not in (errno.ECONNREFUSED, errno.ENOENT)


def _is_answered(path: str) -> bool:
    """True if we could connect there."""
    return _tried(path) in (0, errno.EAGAIN)


def _tried(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path)


def _bind(directory: int, path: str, mode: int, lock: int) -> Binding:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Born with its mode, so that no path is led elsewhere before a chmod; nothing else runs at the start.
        umask = os.umask(0o777 & ~mode)
        try:
            listening.bind(path)
        finally:
            os.umask(umask)
        inode = _inode_of(directory, Path(path).name)
        if inode is None:
            raise OSError(errno.EBUSY, "its directory was replaced meanwhile")
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return Binding(listening, path, inode, lock, os.dup(directory))


def _inode_of(directory: int, name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino
