"""Who answers: a client asks the kernel whose process listens on a socket before it believes a word of it.

A socket is found by its path, and the environment may be another user's (`sudo -E`, `su -m`), or somebody
may have been first at a path that all may write. So the listener must be us or root, or the user whom root
gave the directory of the socket, as systemd does with /run/promptd: it is his, and root alone decides above
it.
"""

import os
import socket
import stat
import sys

from promptd.errors import Unavailable

_UCRED_BYTES = 12  # pid, uid, gid: SO_PEERCRED in unix(7)


def check_server(connection: socket.socket, path: str) -> None:
    """Raise Unavailable, which says who answers, unless it is somebody to believe."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED_BYTES)
    uid = int.from_bytes(found[4:8], sys.byteorder)
    if uid in (os.geteuid(), 0) or _is_given_to(os.path.dirname(os.path.abspath(path)), uid):  # noqa: PTH100, PTH120 - pathlib costs a command a tenth of its start
        return
    raise Unavailable(
        f"{_name(uid)} answers on {path}, not you, root or a service: what he says is not believed. Is"
        " $XDG_RUNTIME_DIR or $PROMPTD_SOCKET somebody else's? Name a daemon's socket with --socket",
        socket=path,
        uid=uid,
    )


def _is_given_to(directory: str, uid: int) -> bool:
    """True if root made this directory for the user, and not to live in."""
    above = os.path.dirname(directory)  # noqa: PTH120
    if above == "/run/user" or directory == _home(uid):
        return False
    try:
        own, top = os.lstat(directory), os.lstat(above)
    except OSError:
        return False
    is_roots = top.st_uid == 0 and not top.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_roots and stat.S_ISDIR(own.st_mode) and own.st_uid == uid


def _home(uid: int) -> str:
    import pwd  # here: hardly a command needs it

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


def _name(uid: int) -> str:
    import pwd

    try:
        return f"user {uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"user {uid}"
