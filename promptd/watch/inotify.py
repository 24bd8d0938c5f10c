"""The door to watchfiles: one instance that watches some directories, asked without ever waiting.

Three habits make watchfiles' RustNotify fit for a daemon.

*Aim through handles.* A directory is opened first, the kernel is asked where the handle really is, and
watchfiles gets `/proc/self/fd/N`. No symlink swapped in between leads a watch out of the library, names that
are not UTF-8 never reach Rust, and after the watches are in place the same question shows whether one of the
directories was replaced meanwhile.

*Ask, do not wait.* `RustNotify.watch` waits in steps of its own and returns only after a quiet one; several
instances in one thread would wait for each other. Its loop asks a stop event in every step, though, and what
that raises ends the loop with all events kept: a stop event that says "no" twice and then raises makes a look
of 2 µs out of it. The first step sees what there is, the second finds it settled.

*Hear a pulse.* Every instance also watches one anonymous file of ours. Touching it makes an event in each
instance that is alive, and nothing anywhere on a disk.
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
    """Watches directories, given as real paths, but not what is below them. Blocking while it is made.

    Permission errors are not ignored: with `ignore_permission_denied` watchfiles 1.3 swallows every error
    at the start, a used-up watch limit among them.

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
                self._paths[_aim(path, handles)] = path
            aims = list(self._paths)
            self._notify: Any = _patiently(lambda: RustNotify(aims, False, False, 0, False, False))
            Inotify.open_instances += 1
            self._check()
        finally:
            for handle in handles:
                os.close(handle)

    def __repr__(self) -> str:
        return f"<Inotify {len(self._paths)} paths>"

    def haul(self) -> set[str]:
        """The paths that had events since the last haul, as far as the kernel has told. Never waits.

        Raises:
            RuntimeError: the instance is closed, or broke on a name that is not UTF-8.
        """
        try:
            changes = self._notify.watch(0, 0, 0, _NoNoStop())
        except StopIteration:
            return set()
        return {self._real(path) for _, path in changes}

    def close(self) -> None:
        """Stop watching; a thread of watchfiles frees the watches a moment later."""
        self._notify.close()
        Inotify.open_instances -= 1

    def _check(self) -> None:
        try:
            for aim, path in self._paths.items():
                _ask_where(aim, path)
        except OSError:
            self.close()
            raise

    def _real(self, path: str) -> str:
        """From a handle's path back to the directory's: `/proc/self/fd/7/a.md` to `/lib/a.md`."""
        if path in self._paths:
            return self._paths[path]
        aim, _, name = path.rpartition("/")
        return f"{self._paths[aim]}/{name}"


class _NoNoStop:
    """A stop event that is not set, is still not set, and then raises StopIteration."""

    __slots__ = ("is_set",)

    def __init__(self) -> None:
        self.is_set = itertools.repeat(False, 2).__next__


class Pulse:
    """An anonymous file to be watched beside the directories and touched to see who is alive.

    `path` is "" where the system has no such files; then there is no pulse to hear.
    """

    def __init__(self) -> None:
        try:
            self._descriptor = os.memfd_create("promptd-pulse", os.MFD_CLOEXEC)
        except (AttributeError, OSError):
            self._descriptor = -1
        self.path = "" if self._descriptor < 0 else f"{HANDLE}{self._descriptor}"

    def __repr__(self) -> str:
        return f"<Pulse {self.path or 'none'}>"

    def beat(self) -> None:
        """Make an event in every living instance that watches `path`."""
        if self.path:
            os.utime(self._descriptor)

    def close(self) -> None:
        """Give the file back."""
        if self.path:
            os.close(self._descriptor)
        self.path = ""


def is_limit(error: BaseException) -> bool:
    """True if the inotify watches, instances or descriptors that we may have are used up.

    watchfiles 1.3 leaves errno unset, so the text must do: "OS file watch limit reached" for
    `fs.inotify.max_user_watches`, "Too many open files (os error 24)" for `max_user_instances`.
    """
    return "watch limit" in str(error) or "os error 24" in str(error) or getattr(error, "errno", 0) == 24


def max_queued_events() -> int:
    """How many events the kernel keeps for an instance before it drops all further ones, without a word."""
    try:
        with open("/proc/sys/fs/inotify/max_queued_events") as limit:
            return int(limit.read())
    except (OSError, ValueError):
        return 16_384  # the kernel's default


def instances() -> int:
    """How many inotify instances this process has open; 0 where /proc does not say."""
    try:
        with os.scandir(HANDLE) as descriptors:
            return sum(_is_inotify(descriptor.path) for descriptor in descriptors)
    except OSError:
        return 0


def _patiently(make: Callable[[], Any]) -> Any:
    """Make an instance; at a limit once more, when those that were closed just now are really gone."""
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


def _aim(path: str, handles: list[int]) -> str:
    """Open a directory and return its handle's path, which is asked to be really at `path`."""
    if path.startswith(HANDLE):
        return path
    handles.append(os.open(path, _AIM_FLAGS))
    aim = f"{HANDLE}{handles[-1]}"
    _ask_where(aim, path)
    return aim


def _ask_where(aim: str, path: str) -> None:
    if aim != path and os.readlink(aim) != path:
        raise FileNotFoundError(2, "is no longer where it was", path)


def _is_inotify(descriptor: str) -> bool:
    try:
        return os.readlink(descriptor) == "anon_inode:inotify"
    except OSError:
        return False
