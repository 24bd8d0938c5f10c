"""An environment that is the suite's own: nothing of the caller's settings, home or running promptd is seen.

A pytest plugin, loaded by tests/conftest.py. It works on `os.environ`, once for each process that runs tests
and before any of them is collected, so that child processes inherit what it leaves. No test needs to know of
it, and no fixture has to repeat it.

The home and the runtime directory are new, empty and removed at the end. One thing is in the runtime
directory: a socket on which nothing listens. Discovery takes the first socket that exists, so no command, in
whatever process, goes on to the system's and asks a promptd that happens to serve this machine.
"""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import pytest

# What the caller's session, service manager and shell say to programs: to promptd, to git, to tiktoken.
FOREIGN = (
    "DATA_GYM_CACHE_DIR",
    "GIT_",
    "LISTEN_",
    "NOTIFY_SOCKET",
    "PROMPTD_",
    "PYTHONDONTWRITEBYTECODE",  # each of hundreds of child processes would compile promptd again
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "TIKTOKEN_CACHE_DIR",
    "WATCHDOG_",
    "XDG_",
)
OURS = frozenset({"PROMPTD_CORPORA"})  # where real libraries are: for the tests, and for nothing else
_place = pytest.StashKey[Path]()


def neutral(environment: Mapping[str, str], place: Path) -> dict[str, str]:
    """The environment without what is foreign, with a home and a runtime directory in `place`."""
    kept = {
        name: value for name, value in environment.items() if name in OURS or not name.startswith(FOREIGN)
    }
    return kept | {"HOME": str(place / "home"), "XDG_RUNTIME_DIR": str(place / "runtime")}


def furnish(place: Path) -> None:
    """Make the home, and the runtime directory with its dead socket."""
    (place / "home").mkdir()
    socket_path = place / "runtime" / "promptd" / "promptd.sock"
    socket_path.parent.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(socket_path))


def replace(environment: MutableMapping[str, str], new: Mapping[str, str]) -> None:
    """Make the environment equal to another, in place: `os.environ` is held by many."""
    for name in set(environment) - set(new):
        del environment[name]
    environment.update(new)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Leave the caller's environment; also in a worker, which inherited its starter's."""
    place = Path(tempfile.mkdtemp(prefix="promptd-tests-"))  # short: a socket's path has at most 107 bytes
    furnish(place)
    replace(os.environ, neutral(os.environ, place))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_place] = place


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what was made."""
    shutil.rmtree(config.stash[_place], ignore_errors=True)
