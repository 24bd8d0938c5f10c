"""The only module that imports watchfiles: one instance that watches some directories and is polled.

Three techniques make watchfiles' RustNotify fit for a daemon.

*Directories are opened first.* A directory is opened, the kernel is asked where the handle really is, and
watchfiles gets `/proc/self/fd/N`. No symlink swapped in between leads a watch out of the library, names that
are not UTF-8 never reach Rust, and asking again after the watches are in place shows whether a directory was
replaced meanwhile.

*Poll, do not wait.* `RustNotify.watch` waits in steps of its own and returns only after a quiet one; several
instances in one thread would wait for each other. Its loop asks a stop event in every step, and an exception
from that ends the loop with all events kept. A stop event that returns False twice and then raises makes a
poll of 2 µs out of it: the first step sees the events, the second finds them settled.

*Watch a heartbeat.* Every instance also watches one anonymous file of ours. Touching it makes an event in
each instance that works, and no file access on any disk.
"""

import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from watchfiles._rust_notify import RustNotify

RELEASE_S = 0.25  # the kernel takes microseconds, a thread on a busy machine longer
HANDLE = "/proc/self/fd/"
_AIM_FLAGS = getattr(os, "O_PATH", 0) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Inotify:
    """Watches directories, given as real paths, without their subdirectories. The constructor blocks.

    Permission errors are not ignored: with `ignore_permission_denied` watchfiles 1.3 swallows every error
    at the start, including an exhausted watch limit.

    Raises:
        FileNotFoundError: a directory is gone, or is no longer at that path.
        PermissionError: a directory may not be read.
        OSError, RuntimeError: a limit (see `is_limit`), or anything else.
    """

    open_instances = 0

    def __init__(self, paths: Sequence[str]) -> None:
        handles: list[int] = []
        self._paths: dict[str, str] = {}
        try:
            for path in paths:
                self._paths[_open_handle(path, handles)] = path
            aims = list(self._paths)
            self._notify: Any = _retry_at_limit(lambda: RustNotify(aims, False, False, 0, False, False))
            Inotify.open_instances += 1
            self._check()
        finally:
            for handle in handles:
                os.close(handle)

    def __repr__(self) -> str:
        return f"<Inotify {len(self._paths)} paths>"

    def drain(self) -> set[str]:
        """The paths that had events since the last call, as far as the kernel has reported. Never blocks.

        Raises:
            RuntimeError: the instance is closed, or broke on a name that is not UTF-8.
        """
        try:
            changes = self._notify.watch(0, 0, 0, _StopAtThirdCall())
        except StopIteration:
            return set()
        return {self._real(path) for _, path in changes}

    def close(self) -> None:
        """Stop watching. A thread of watchfiles frees the watches a moment later."""
        self._notify.close()
        Inotify.open_instances -= 1

    def _check(self) -> None:
        try:
            for aim, path in self._paths.items():
                _verify(aim, path)
        except OSError:
            self.close()
            raise

    def _real(self, path: str) -> str:
        """Map a handle's path back to the directory's: `/proc/self/fd/7/a.md` to `/lib/a.md`."""
        if path in self._paths:
            return self._paths[path]
        aim, _, name = path.rpartition("/")
        return f"{self._paths[aim]}/{name}"


class _StopAtThirdCall:
    """A stop event that is not set, is still not set, and then raises StopIteration."""

    __slots__ = ("is_set",)

    def __init__(self) -> None:
        self.is_set = itertools.repeat(False, 2).__next__


class HeartbeatFile:
    """An anonymous file that is watched with the directories and touched to see which watches work.

    `path` is "" where the system has no such files; then there is no heartbeat.
    """

    def __init__(self) -> None:
        try:
            self._descriptor = os.memfd_create("promptd-heartbeat", os.MFD_CLOEXEC)
        except (AttributeError, OSError):
            self._descriptor = -1
        self.path = "" if self._descriptor < 0 else f"{HANDLE}{self._descriptor}"

    def __repr__(self) -> str:
        return f"<HeartbeatFile {self.path or 'none'}>"

    def beat(self) -> None:
        """Make an event in every working instance that watches `path`."""
        if self.path:
            os.utime(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self.path:
            os.close(self._descriptor)
        self.path = ""


def is_limit(error: BaseException) -> bool:
    """True if the limit of inotify watches, instances or descriptors is reached.

    watchfiles 1.3 leaves errno unset, so the text must do: "OS file watch limit reached" for
    `fs.inotify.max_user_watches`, "Too many open files (os error 24)" for `max_user_instances`.
    """
    return "watch limit" in str(error) or "os error 24" in str(error) or getattr(error, "errno", 0) == 24


def max_queued_events() -> int:
    """How many events the kernel keeps for an instance before it drops further ones silently."""
    try:
        with open("/proc/sys/fs/inotify/max_queued_events") as limit:
            return int(limit.read())
    except (OSError, ValueError):
        return 16_384  # the kernel's default


def instances() -> int:
    """How many inotify instances this process has open; 0 where /proc is not readable."""
    try:
        with os.scandir(HANDLE) as descriptors:
            return sum(_is_inotify(descriptor.path) for descriptor in descriptors)
    except OSError:
        return 0


def _retry_at_limit(make: Callable[[], Any]) -> Any:
    """Make an instance; at a limit try again once, after instances that were just closed are really gone."""
    try:
        return make()
    except (OSError, RuntimeError) as error:
        if not is_limit(error) or instances() <= Inotify.open_instances:
            raise
    _await_closed()
    return make()


def _await_closed() -> None:
    deadline_s = time.monotonic() + RELEASE_S
    while instances() > Inotify.open_instances and time.monotonic() < deadline_s:
        time.sleep(0.001)


def _open_handle(path: str, handles: list[int]) -> str:
    """Open a directory and return its handle's path; fails if the handle is not really at `path`."""
    if path.startswith(HANDLE):
        return path
    handles.append(os.open(path, _AIM_FLAGS))
    aim = f"{HANDLE}{handles[-1]}"
    _verify(aim, path)
    return aim


def _verify(aim: str, path: str) -> None:
    if aim != path and os.readlink(aim) != path:
        raise FileNotFoundError(2, "is no longer where it was", path)


def _is_inotify(descriptor: str) -> bool:
    try:
        return os.readlink(descriptor) == "anon_inode:inotify"
    except OSError:
        return False
