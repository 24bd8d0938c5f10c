"""Load generators: closed loops, one request in flight on each connection.

`uload` is a client in C (`uload.c`, named by ULOAD_C or beside the checkout), compiled into a temporary
directory; without it or a compiler the loop below does, in a process of its own so that it never shares an
interpreter with what it measures. Every figure says which client made it.
"""

import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

ULOAD_C = os.environ.get("ULOAD_C", str(Path(__file__).parents[2] / "shared" / "bench" / "uload.c"))
_PRINTED = re.compile(r"(\d+) requests/s\s+p50 (\d+) us\s+p99 (\d+) us")


@dataclass(frozen=True, slots=True)
class Result:
    """Requests a second, and percentiles of latency in microseconds."""

    rate: float
    p50_us: float
    p99_us: float


Load = Callable[[str, int, float, bytes, int], Result]  # socket, connections, seconds, request, reply bytes


def generator(directory: str) -> tuple[str, Load]:
    """The name of the client and the client: in C if it can be had."""
    binary = f"{directory}/uload"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler and Path(ULOAD_C).is_file():
        subprocess.run([compiler, "-O2", "-o", binary, ULOAD_C], check=True)
        return "uload (C)", lambda *load: _uload(binary, *load)
    return "Python", _python


def _uload(binary: str, path: str, connections: int, seconds: float, request: bytes, reply: int) -> Result:
    written = request.decode().replace("\r", "\\r").replace("\n", "\\n")
    command = [binary, path, str(connections), str(seconds), written, str(reply)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _result(done.stdout)


def _python(path: str, connections: int, seconds: float, request: bytes, reply: int) -> Result:
    command = [sys.executable, "-m", "benchmarks.load", path, str(connections), str(seconds), str(reply)]
    done = subprocess.run(command, check=True, capture_output=True, input=request)
    return _result(done.stdout.decode())


def _result(printed: str) -> Result:
    found = _PRINTED.search(printed)
    if found is None:
        raise RuntimeError(f"the load generator said {printed!r}")
    return Result(*map(float, found.groups()))


def reply_of(path: str, request: bytes, ends: Callable[[bytes], bool]) -> bytes:
    """One reply, read until `ends` says that it is whole."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10.0)
        peer.connect(path)
        peer.sendall(request)
        reply = b""
        while not ends(reply):
            piece = peer.recv(1 << 20)
            if not piece:
                raise RuntimeError(f"the server ended a reply early: {reply[:200]!r}")
            reply += piece
        return reply


def closed_loop(
    path: str, connections: int, seconds: float, requests: Iterator[bytes], reply_bytes: int = 0
) -> tuple[Result, list[bytes]]:
    """The loop in Python: the result, and the last reply of each connection."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(path)
        selector.register(peer, selectors.EVENT_READ, _Turn(peer))
    turns: list[_Turn] = [key.data for key in selector.get_map().values()]
    for turn in turns:
        turn.ask(next(requests))
    started = time.perf_counter()
    took: list[float] = []
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(1.0):
            if key.data.hear(reply_bytes):
                took.append(time.perf_counter() - key.data.asked_s)
                key.data.ask(next(requests))
    for turn in turns:
        turn.peer.close()
    return _summary(took, now - started), [turn.reply for turn in turns]


class _Turn:
    """One connection: when it asked, what it heard."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.asked_s = 0.0
        self.reply = b""
        self._pieces: list[bytes] = []
        self._size = 0

    def ask(self, request: bytes) -> None:
        self.asked_s = time.perf_counter()
        self.peer.sendall(request)

    def hear(self, reply_bytes: int) -> bool:
        piece = self.peer.recv(1 << 20)
        if not piece:
            raise RuntimeError("the server closed the connection")
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size < reply_bytes if reply_bytes else not piece.endswith(b"\n"):
            return False
        self.reply = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return True


def _summary(took_s: Iterable[float], seconds: float) -> Result:
    ordered = sorted(took_s)
    if not ordered:
        raise RuntimeError("no reply came")
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return Result(len(ordered) / seconds, p50 * 1e6, p99 * 1e6)


def _main() -> None:
    path, connections, seconds, reply = sys.argv[1:]
    request = sys.stdin.buffer.read()
    result, _ = closed_loop(path, int(connections), float(seconds), repeat(request), int(reply))
    print(f"{result.rate:.0f} requests/s  p50 {result.p50_us:.0f} us  p99 {result.p99_us:.0f} us")


if __name__ == "__main__":
    _main()
