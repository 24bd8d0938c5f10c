"""Files of our own in directories that others may reach: opened so that nobody can put something else there.

A directory must belong to us or to root, and nobody else may write in it, unless it is sticky: there others
may add names, but not exchange ours. A file must be regular, belong to us or to root, and have no second
name: a hard link would let us overwrite what somebody else chose. Links are not followed, and nothing is
waited for: a FIFO would hold up whoever opens it. All paths are opened without magic links. Blocking, for
microseconds.
"""

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from promptd.support.resolve import O_PATH, open_path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)


class Untrusted(PermissionError):
    """A file or directory that somebody else may have put there; `strerror` says what to do."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(errno.EPERM, f"{path} {sentence}", path)


@contextlib.contextmanager
def own_directory(path: Path | str) -> Iterator[int]:
    """A descriptor of a directory in which only we decide. Raises OSError: Untrusted above all."""
    directory = open_path(str(Path(path).absolute()), O_PATH | os.O_DIRECTORY)
    try:
        _check_directory(str(path), os.fstat(directory))
        yield directory
    finally:
        os.close(directory)


def _check_directory(path: str, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise Untrusted(path, f"belongs to user {found.st_uid}: use a directory of your own")
    writers = found.st_mode & OTHERS_WRITE
    if writers == stat.S_IWGRP and is_private_group(found.st_gid):
        return
    if writers and not found.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(found.st_mode)
        raise Untrusted(path, f"may be written by others (mode {mode:04o}): use another, or `chmod go-w` it")


def is_private_group(gid: int) -> bool:
    """True if a group has no other members than us: the usual group of one user, named as he is."""
    try:
        us, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == us.pw_gid and group.gr_name == us.pw_name and set(group.gr_mem) <= {us.pw_name}


def open_own(directory: int, name: str, flags: int, mode: int = 0o600) -> int:
    """Open, or with O_CREAT make, a regular file of our own. Raises OSError: Untrusted for anything else."""
    opened = os.open(name, flags | _FLAGS, mode, dir_fd=directory)
    try:
        _check_file(name, os.fstat(opened))
    except BaseException:
        os.close(opened)
        raise
    return opened


def _check_file(name: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Untrusted(name, "is not a regular file: remove it")
    if found.st_uid not in (os.geteuid(), 0):
        raise Untrusted(name, f"belongs to user {found.st_uid}: remove it")
    if found.st_nlink > 1:
        raise Untrusted(name, "has another name (a hard link): remove it")


def read_own(path: Path, max_bytes: int) -> bytes:
    """The content of a file of our own.

    Raises OSError; ValueError: it is larger than allowed, or growing.
    """
    with own_directory(path.parent) as directory:
        return _content(open_own(directory, path.name, os.O_RDONLY), max_bytes)


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file, whoever it belongs to: a reader is led nowhere and never waits.

    Raises OSError; ValueError: it is no regular file, or larger than allowed.
    """
    opened = open_path(str(Path(path).absolute()), os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOCTTY", 0))
    return _content(opened, max_bytes)


def _content(opened: int, max_bytes: int) -> bytes:
    with open(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_size <= max_bytes:
            data = file.read(found.st_size + 1)
            if len(data) <= found.st_size:
                return data
    raise ValueError(f"the file is larger than {max_bytes} bytes, or growing")
