"""A machine that is hostile to the suite: `unshare … python -m tests.suite.hostile TESTS…`.

A promptd serves the system socket, and the environment is that of another user's session: a runtime
directory of another user in which the same daemon is found, a home and a state that would show any write,
settings of promptd that no configuration takes. The tests that are named are run in it. What happened is
printed as one line of JSON: whether they passed, how many connections they made to that daemon, and what they
wrote into those directories. `/run` is a file system of this namespace's own, so nothing of the machine is
touched.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.daemon.process import PATIENCE_S, POLL_S, Peer

REPOSITORY = Path(__file__).parents[2]
SYSTEM_SOCKET = Path("/run/promptd/promptd.sock")
OTHER_UID = 4242
RUNTIME, HOME, OURS = Path(f"/run/user/{OTHER_UID}"), Path("/run/home"), Path("/run/ours")
HOSTILE = {
    "HOME": str(HOME),
    "XDG_RUNTIME_DIR": str(RUNTIME),
    "XDG_STATE_HOME": str(HOME / "state"),
    "XDG_CONFIG_HOME": str(HOME / "config"),
    "PROMPTD_SOCKET": str(SYSTEM_SOCKET),
    "PROMPTD_CONFIG": "/nowhere/promptd.toml",
    "PROMPTD_ROOTS": "/nowhere",
    "PROMPTD_CACHE_ENTRIES": "no number",
    "PROMPTD_STATE_DIRECTORY": str(HOME / "state" / "promptd"),
    "STATE_DIRECTORY": str(HOME / "state" / "promptd"),
    "NOTIFY_SOCKET": "/run/nowhere",
    "WATCHDOG_USEC": "1000",
}
# The locks of tests/suite/alone.py are held by the test that waits for this.
PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-p",
    "no:tests.suite.alone",
    "-p",
    "no:xdist",
    "-q",
    "-m",
    "not slow",
)


def furnish() -> None:
    """An own `/run` with a library, and the directories of another user."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    for directory in (
        SYSTEM_SOCKET.parent,
        RUNTIME / "promptd",
        HOME / "state" / "promptd",
        OURS / "library",
    ):
        directory.mkdir(parents=True)
    (OURS / "library" / "a.md").write_text("A.\n")
    (RUNTIME / "promptd" / "promptd.sock").symlink_to(SYSTEM_SOCKET)
    RUNTIME.chmod(0o700)
    with suppress(OSError):  # in a namespace of users there is only one
        os.chown(RUNTIME, OTHER_UID, OTHER_UID)


@contextmanager
def serving() -> Iterator[Peer]:
    """A promptd on the system socket, and a connection to it."""
    environment = {**os.environ, "PROMPTD_STATE_DIRECTORY": str(OURS / "state")}
    command = [
        sys.executable,
        "-m",
        "promptd",
        "serve",
        str(OURS / "library"),
        "--socket",
        str(SYSTEM_SOCKET),
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as daemon:
        try:
            deadline_s = time.monotonic() + PATIENCE_S
            while not SYSTEM_SOCKET.exists():
                assert daemon.poll() is None
                assert time.monotonic() < deadline_s
                time.sleep(POLL_S)
            with Peer(SYSTEM_SOCKET) as peer:
                yield peer
        finally:
            daemon.terminate()


def accepted(peer: Peer) -> int:
    """How many connections the daemon has had."""
    count: int = peer.ask("statistics")["connections"]["accepted"]
    return count


def belongings() -> dict[str, int]:
    """Everything in the directories of another user, and when it was written."""
    return {
        str(path): path.lstat().st_mtime_ns
        for place in (RUNTIME, HOME)
        for path in [place, *place.rglob("*")]
    }


def main() -> None:
    """Run the tests and say what happened."""
    furnish()
    with serving() as peer:
        before, asked = belongings(), accepted(peer)
        done = subprocess.run(
            [*PYTEST, "-o", f"cache_dir={OURS}/cache", *sys.argv[1:]],
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
            | HOSTILE,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        after, asked = belongings(), accepted(peer) - asked
    written = sorted(path for path in after if before.get(path) != after[path])
    story = {"code": done.returncode, "said": done.stdout[-3000:], "asked": asked, "written": written}
    print(json.dumps(story))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
