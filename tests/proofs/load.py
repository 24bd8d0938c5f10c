"""Load from clients that verify every reply: closed loops over many connections, each reply verified.

One thread and one selector drive all connections. A reply is checked against what the writers of the pairs
have written (register.py) and against the branch that a repository is on; a client that gets an error, or
whose connection is closed, counts it and connects again.
"""

import errno
import json
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.proofs.register import wrong_with
from tests.proofs.writers import VersionedPairs

RETRY_S = 0.02
WAITED_S = 0.05
PATIENCE_S = 30.0  # a request without a reply for so long is counted as unanswered

Check = Callable[[str, dict[str, Any], int, int], list[str]]  # name, result, sent, received: what is wrong


class Client:
    """One connection with one request under way."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.again_s = 0.0
        self.name = ""
        self.sent_ns = 0
        self.held = bytearray()

    def hang_up(self, now_s: float) -> None:
        """Come again a moment later."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.again_s = now_s + RETRY_S
        self.held.clear()


class Load:
    """`connections` clients of the daemon at `path`, from `start` to `stop`.

    `names` says what to ask for next. `phase` is where latencies in µs are counted: it may be set at any
    time. `served`, `errors` (by kind) and `wrong` (sentences) are read when it is over.
    """

    def __init__(self, path: Path, connections: int, names: Iterator[str], check: Check) -> None:
        self.phase = ""
        self.latencies_us: dict[str, list[int]] = {}
        self.served = 0
        self.inconsistent = 0
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._path = str(path)
        self._names = names
        self._check = check
        self._clients = [Client() for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End, with whatever is under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            now_s = time.monotonic()
            for client in self._clients:
                self._mind(client, now_s)
            for key, _ in self._selector.select(WAITED_S):
                self._receive(key.data)
        for client in self._clients:
            client.hang_up(0.0)
        self._selector.close()

    def _mind(self, client: Client, now_s: float) -> None:
        if client.socket is None and now_s >= client.again_s:
            self._connect(client, now_s)
        elif client.socket is not None and now_s - client.sent_ns / 1e9 > PATIENCE_S:
            self._lose(client, "no answer in 30 s")

    def _connect(self, client: Client, now_s: float) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            made.connect(self._path)
        except OSError as refused:
            made.close()
            client.again_s = now_s + RETRY_S
            if refused.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN):
                self.errors[f"connect: {refused.strerror}"] += 1
            return
        client.socket = made
        self._selector.register(made, selectors.EVENT_READ, client)
        self._ask(client)

    def _ask(self, client: Client) -> None:
        client.name = next(self._names)
        request = {"jsonrpc": "2.0", "id": 1, "method": "assemble", "params": {"name": client.name}}
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        client.sent_ns = time.monotonic_ns()
        assert client.socket is not None
        try:
            client.socket.send(line)
        except OSError as gone:
            if not isinstance(gone, BrokenPipeError | ConnectionResetError):
                raise
            self._read_last_words(client)

    def _read_last_words(self, client: Client) -> None:
        """A refusal may be waiting on a connection that can no longer be written to."""
        assert client.socket is not None
        try:
            said = client.socket.recv(1 << 16)
            self._lose(client, json.loads(said)["error"]["data"]["type"] if said else "hung up")
        except (OSError, ValueError):
            self._lose(client, "hung up")

    def _receive(self, client: Client) -> None:
        assert client.socket is not None
        try:
            data = client.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self._lose(client, "hung up in a reply" if client.held else "hung up")
            return
        client.held += data
        if data.endswith(b"\n"):
            received_ns = time.monotonic_ns()
            reply = json.loads(client.held)
            client.held.clear()
            self._judge(client, reply, received_ns)

    def _judge(self, client: Client, reply: dict[str, Any], received_ns: int) -> None:
        if "error" in reply:
            self.errors[reply["error"]["data"]["type"]] += 1
            if reply["id"] is None:  # the connection was refused as a whole
                self._lose(client, "")
                return
        else:
            self.served += 1
            self.inconsistent += not reply["result"]["consistent"]
            self.latencies_us.setdefault(self.phase, []).append((received_ns - client.sent_ns) // 1000)
            self.wrong += self._check(client.name, reply["result"], client.sent_ns, received_ns)
        self._ask(client)

    def _lose(self, client: Client, kind: str) -> None:
        if kind:
            self.errors[kind] += 1
        assert client.socket is not None
        self._selector.unregister(client.socket)
        client.hang_up(time.monotonic())


def pairs_check(
    versioned: VersionedPairs, name: str, result: dict[str, Any], sent_ns: int, received_ns: int
) -> list[str]:
    """What is wrong with a prompt of these pairs."""
    read = versioned.read_of(result, sent_ns, received_ns)
    missing = [] if read.versions else [f"{name} shows nothing: {result['text'][:80]!r}"]
    return missing + wrong_with(read, versioned.writes, versioned.pairs)
