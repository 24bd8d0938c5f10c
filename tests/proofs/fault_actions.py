"""Everything that goes wrong at once: trees toggle, a watcher dies, clients misbehave, daemons are killed.

Each is a function of a FaultContext that goes on until the context is over, for a thread of its own.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.process import Daemon
from tests.proofs import daemons
from tests.proofs.usage import descriptors, resident_bytes
from tests.proofs.writers import VersionedPairs

ASK_LARGE = b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"large"}}\n'
BRANCHES = ("main", "other")
KILL_EVERY_S, DEATH_EVERY_S, SAMPLED_S = 30.0, 2.0, 0.5


class Toggle:
    """A git repository inside the library whose files say which of two branches they are of.

    `toggles` holds (began, completed, branch) of each checkout in monotonic nanoseconds; a checkout under way
    is completed at infinity.
    """

    def __init__(self, directory: Path, files: int) -> None:
        self.directory = directory
        self.files = files
        self.toggles: list[tuple[int, float, str]] = [(0, 0, BRANCHES[1])]
        directory.mkdir(parents=True)
        self._git("init", "-q", "-b", BRANCHES[0])
        for branch in BRANCHES:
            if branch != BRANCHES[0]:
                self._git("checkout", "-q", "-b", branch)
            for number in range(files):
                path = directory / self.name(number)
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"This is {branch}, file {number}.\n")
            self._git("add", "-A")
            self._git("commit", "-q", "-m", branch)

    def name(self, number: int) -> str:
        """The id of a file, below the repository."""
        return f"g{number % 50}/f{number}.md"

    def checkout(self) -> None:
        """Go to the other branch."""
        branch = BRANCHES[len(self.toggles) % 2 - 1]
        began_ns = time.monotonic_ns()
        self.toggles.append((began_ns, float("inf"), branch))
        self._git("checkout", "-q", branch)
        self.toggles[-1] = (began_ns, time.monotonic_ns(), branch)

    def wrong_with(self, name: str, text: str, sent_ns: int, received_ns: int) -> list[str]:
        """What a prompt of this repository shows that it must not."""
        allowed: set[str] = set()
        for began_ns, completed_ns, branch in reversed(self.toggles):
            if began_ns <= received_ns:
                allowed.add(branch)
            if completed_ns < sent_ns:
                break
        right = any(text.startswith(f"This is {branch},") for branch in allowed)
        return [] if right else [f"{name} says {text[:40]!r} while on {sorted(allowed)}"]

    def _git(self, *arguments: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "gc.auto=0")
        subprocess.run(
            ["git", *who, *arguments],
            cwd=self.directory,
            check=True,
            env=_git_environment(),
            capture_output=True,
        )


def _git_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


@dataclass
class FaultContext:
    """A library, the daemon on it (one after another), and what was done to it."""

    place: Path
    versioned: VersionedPairs
    toggle: Toggle
    done: Counter[str] = field(default_factory=Counter)
    kill_every_s: float = KILL_EVERY_S
    is_over: threading.Event = field(default_factory=threading.Event)
    is_left: threading.Event = field(default_factory=threading.Event)
    memory: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    descriptors: list[int] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    daemon: Daemon = field(init=False)

    @property
    def death(self) -> Path:
        """Where a file ends the watcher's notifier."""
        return self.place / "death"

    def begin(self) -> None:
        """Start a daemon on the library."""
        self.daemon = daemons.weak(
            self.place / "run",
            self.versioned.root,
            PROOF_DEATH=str(self.death),
            PROMPTD_SERVE_MAX_CONNECTIONS_PER_UID="200",
            PROMPTD_SERVE_WRITE_TIMEOUT="2",
            PROMPTD_SERVE_REQUEST_TIMEOUT="2",
            PROMPTD_SERVE_FIRST_BYTE_TIMEOUT="2",
        )

    def socket(self, stack: ExitStack) -> socket.socket | None:
        """A connection, or None if no daemon listens or it is full."""
        made = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        made.setblocking(False)
        with contextlib.suppress(OSError):
            made.connect(str(self.place / "run" / "s"))
            return made
        return None


def _send(peer: socket.socket | None, data: bytes) -> None:
    with contextlib.suppress(OSError):
        if peer is not None:
            peer.send(data)


def toggle(context: FaultContext) -> None:
    """One checkout after another."""
    while not context.is_over.wait(0.5):
        context.toggle.checkout()
        context.done["checkouts"] += 1


def kill_watcher(context: FaultContext) -> None:
    """Close the notifier under the watcher's hands."""
    while not context.is_over.wait(DEATH_EVERY_S):
        context.death.touch()
        context.done["watchers killed"] += 1


def send_slowly(context: FaultContext) -> None:
    """Ten requests that come a byte at a time."""
    while not context.is_over.is_set():
        with ExitStack() as stack:
            peers = [context.socket(stack) for _ in range(10)]
            for byte in ASK_LARGE[:30]:
                for peer in peers:
                    _send(peer, bytes([byte]))
                if context.is_over.wait(0.05):
                    break
        context.done["slow senders"] += 10


def send_halves(context: FaultContext) -> None:
    """Half a request and then the end, or nothing for as long as one may."""
    while not context.is_over.wait(0.1):
        with ExitStack() as stack:
            for _ in range(10):
                _send(context.socket(stack), ASK_LARGE[:40])
            context.is_over.wait(0.3)
        context.done["half frames"] += 10


def never_read(context: FaultContext) -> None:
    """Ten who ask for more than fits into any buffer, and do not read."""
    while not context.is_over.is_set():
        with ExitStack() as stack:
            for _ in range(10):
                _send(context.socket(stack), ASK_LARGE * 100)
            context.is_over.wait(3.0)
        context.done["non-readers"] += 10


def flood(context: FaultContext) -> None:
    """Three hundred connections at once, for half a second."""
    while not context.is_over.wait(3.0):
        with ExitStack() as stack:
            for _ in range(300):
                context.socket(stack)
            context.is_over.wait(0.5)
        context.done["flood connections"] += 300


def kill(context: FaultContext) -> None:
    """Kill -9, and start another."""
    while not context.is_over.wait(context.kill_every_s):
        with context.turn:
            context.daemon.signal(signal.SIGKILL)
            context.daemon.end()
            context.daemon.close()
            context.begin()
            context.done["daemons killed"] += 1


def sample(context: FaultContext) -> None:
    """Memory and descriptors of whichever daemon there is, until everyone has left."""
    while not context.is_left.wait(SAMPLED_S):
        with contextlib.suppress(Exception), context.turn:  # it may be gone at any line
            pid = context.daemon.process.pid
            point = (time.monotonic(), float(resident_bytes(pid)))
            context.memory.setdefault(pid, []).append(point)
            context.descriptors.append(descriptors(pid))


FAULTS = {
    "toggle": toggle,
    "watcher": kill_watcher,
    "slow": send_slowly,
    "halves": send_halves,
    "non-readers": never_read,
    "flood": flood,
    "kill": kill,
}


def has_git() -> bool:
    """True if checkouts can be made."""
    return shutil.which("git") is not None
