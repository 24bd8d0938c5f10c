"""A flood: bad clients take every connection of a daemon with few descriptors, while a good one is timed.

Slow senders, half frames, clients that do not read and silent connections, all of the good client's user.
"""

import contextlib
import socket
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.daemon.process import Daemon, Peer, write
from tests.proofs.usage import descriptors, resident_bytes

DESCRIPTORS = 64
ROUNDS, ASKED = 5, 300
BAD, FLOOD = 5, 200  # of each kind, and connections that say nothing
ASK_LARGE = b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"large"}}\n'


@dataclass(frozen=True, slots=True)
class FloodResult:
    """Medians of one good client, how long a new one takes to be served, and what the daemon used."""

    before_ms: float
    during_ms: float
    grown_bytes: int
    descriptors_before: int
    descriptors_during: int
    served_s: float
    recovered_s: float

    def __str__(self) -> str:
        ratio = self.during_ms / self.before_ms
        return (
            f"with {DESCRIPTORS} descriptors and {3 * BAD + FLOOD} bad clients a good one's p50 is"
            f" {self.during_ms:.2f} ms, {self.before_ms:.2f} ms before ({ratio:.1f} times);"
            f" {self.descriptors_during} descriptors open, memory {self.grown_bytes / 1e6:+.1f} MB;"
            f" a new client is served within {self.served_s:.2f} s before,"
            f" {self.recovered_s:.2f} s after they are gone"
        )


def start(place: Path) -> Daemon:
    """A daemon that may open 64 descriptors."""
    large = "A line of a large prompt.\n" * 8_000
    library = write(place / "library", {"small.md": "Small.\n", "large.md": large})
    (place / "run").mkdir()
    return Daemon(
        place / "run",
        library,
        wrapper=("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"),
        environment={
            "PROMPTD_SERVE_REQUEST_TIMEOUT": "1",
            "PROMPTD_SERVE_WRITE_TIMEOUT": "2",
            "PROMPTD_SERVE_FIRST_BYTE_TIMEOUT": "1",
        },
    )


def median_ms(peer: Peer) -> float:
    """What a request takes."""
    times = []
    for _ in range(ASKED):
        began_s = time.perf_counter()
        assert peer.ask("assemble", name="small")["text"] == "Small.\n"
        times.append(1000 * (time.perf_counter() - began_s))
    return statistics.median(times)


def begin(daemon: Daemon, attack: ExitStack) -> list[socket.socket | None]:
    """Non-readers of large replies, half frames, silent ones; returns those that go on sending slowly."""
    for _ in range(BAD):
        _send(_connect(daemon, attack), ASK_LARGE * 200)
    for _ in range(BAD):
        _send(_connect(daemon, attack), ASK_LARGE[:40])
    slow = [_connect(daemon, attack) for _ in range(BAD)]
    for _ in range(FLOOD):
        _connect(daemon, attack)
    return slow


def run(daemon: Daemon, good: Peer) -> FloodResult:
    """Time a good client before and during the flood."""
    pid = daemon.process.pid
    before_ms, served_s = median_ms(good), _served_s(daemon)
    before, memory = descriptors(pid), resident_bytes(pid)
    with ExitStack() as attack:
        slow = begin(daemon, attack)
        during_ms = []
        for _ in range(ROUNDS):
            for peer in slow:
                _send(peer, b" ")
            during_ms.append(median_ms(good))
        during, grown_bytes = descriptors(pid), resident_bytes(pid) - memory
    recovered_s = _served_s(daemon)
    return FloodResult(
        before_ms, statistics.median(during_ms), grown_bytes, before, during, served_s, recovered_s
    )


def _served_s(daemon: Daemon) -> float:
    """After how long a new client is served; Busy is an answer while the dead still hold their places."""
    began_s = time.monotonic()
    daemon.wait_for(lambda: _is_served(daemon))
    return time.monotonic() - began_s


def _is_served(daemon: Daemon) -> bool:
    with daemon.connect() as late, contextlib.suppress(OSError, AssertionError):  # hung up on
        late.say("assemble", name="small")
        return "result" in late.receive()
    return False


def _connect(daemon: Daemon, attack: ExitStack) -> socket.socket | None:
    """One more connection, or None if the kernel's queue is full too."""
    peer = attack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    peer.setblocking(False)
    try:
        peer.connect(str(daemon.socket))
    except BlockingIOError:
        return None
    return peer


def _send(peer: socket.socket | None, data: bytes) -> None:
    """Send what is taken."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        if peer is not None:
            peer.send(data)
