"""Opening paths without being led astray: the kernel resolves, and never through a magic link.

A magic link is what procfs shows as a symlink and follows as none: `/proc/<pid>/root` leads into another
process's mount namespace, where any path may be anything, however harmless it reads. `openat2` (Linux 5.6)
can be told to refuse them, and to stay beneath a directory. Where it is missing, or forbidden by a seccomp
filter, the same is done one component at a time.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
from collections import deque

BENEATH, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV = 0x08, 0x04, 0x02, 0x01  # openat2(2), field `resolve`
O_PATH = getattr(os, "O_PATH", 0)
MAX_LINKS = 40  # as many as the kernel follows
_PROCFS = 0x9FA0
_OPENAT2 = 437  # the same on every architecture
_AT_FDCWD = -100
_EAGAIN_TRIES = 16  # a rename anywhere meanwhile makes a resolution with `..` uncertain
_HOW = struct.Struct("=QQQ")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """openat2(2): the descriptor, or the errno as a negative number."""
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    found = _libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_long(directory),
        ctypes.c_char_p(path),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    return int(found) if found >= 0 else -ctypes.get_errno()


def _is_there() -> bool:
    """True if the kernel has openat2 and lets us call it."""
    found = _call(_AT_FDCWD, b"/", O_PATH | os.O_DIRECTORY, NO_MAGICLINKS)
    if found < 0:
        return False
    os.close(found)
    return True


HAS_OPENAT2 = _is_there()


def open_beneath(directory: int, path: str, flags: int, resolve: int = BENEATH | NO_MAGICLINKS) -> int:
    """Open what is below a directory; links that stay below it are followed.

    Raises:
        OSError: EXDEV for what leads out (also an absolute link), ELOOP for a magic link or, if forbidden,
            any link, ENOSYS where the kernel cannot do it: then go step by step.
    """
    if not HAS_OPENAT2:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    for _ in range(_EAGAIN_TRIES):
        found = _call(directory, os.fsencode(path), flags, resolve)
        if found >= 0:
            return found
        if found != -errno.EAGAIN:
            break
    raise OSError(-found, os.strerror(-found), path)


def open_path(path: str, flags: int) -> int:
    """Open an absolute path, whatever links it has, except magic ones. Raises OSError: ELOOP for those."""
    if HAS_OPENAT2:
        return open_beneath(_AT_FDCWD, path, flags, NO_MAGICLINKS)
    return _by_steps(path, flags)


def _by_steps(path: str, flags: int) -> int:
    """The same where the kernel has no openat2: no step follows anything, and no link of procfs is read."""
    left, links = deque(part for part in path.split("/") if part not in ("", ".")), 0
    stack = [os.open("/", O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        while left:
            name = left.popleft()
            if name == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            target = link_at(stack[-1], name)
            if target is None:
                step = flags if not left else O_PATH | os.O_DIRECTORY
                stack.append(os.open(name, step | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=stack[-1]))
                continue
            links += 1
            if links > MAX_LINKS or is_procfs(stack[-1]):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                close_all(stack[1:])
                del stack[1:]
            left.extendleft(part for part in reversed(target.split("/")) if part not in ("", "."))
        if len(stack) == 1:
            return os.open("/", flags | os.O_CLOEXEC)
        return stack.pop()
    finally:
        close_all(stack)


def link_at(directory: int, name: str) -> str | None:
    """Where a link in a directory points, as it is written; None for anything but a link. Raises OSError."""
    if not stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return None
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as problem:
        if problem.errno == errno.EINVAL:  # it is no link any more
            return None
        raise


def is_procfs(descriptor: int) -> bool:
    """True if what is open lies in procfs, whose links need not lead where they say."""
    found = ctypes.create_string_buffer(256)  # struct statfs, which begins with the type
    if _libc.fstatfs(descriptor, found):
        return False
    kind: int = ctypes.c_long.from_buffer(found).value
    return kind == _PROCFS


def close_all(descriptors: list[int]) -> None:
    """Close some descriptors."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
