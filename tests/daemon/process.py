"""A daemon as a child process, and a client of a few lines that sends exactly what it is given.

Nothing of promptd is used here: what these tests show is seen from outside, by bytes, files and exit codes.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

PATIENCE_S = 20.0
POLL_S = 0.005
# What a daemon must not inherit. Coverage is left out of it so that it runs at the speed it has for users;
# what these tests show is seen from outside.
FOREIGN = ("PROMPTD_", "NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "STATE_DIRECTORY", "XDG_", "COVERAGE_")


class Peer:
    """One connection: lines out, lines in."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.reader = self.socket.makefile("rb")
        self.number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.reader.close()
        self.socket.close()

    def say(self, method: str, **params: Any) -> int:
        """Send a request without waiting; returns its id."""
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return self.number

    def receive(self) -> dict[str, Any]:
        """The next line."""
        line = self.reader.readline()
        assert line.endswith(b"\n"), f"the daemon hung up in the middle of a line: {line[-80:]!r}"
        received: dict[str, Any] = json.loads(line)
        return received

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole reply to one request; notifications that come before it are dropped."""
        identity = self.say(method, **params)
        while (received := self.receive()).get("id") != identity:
            assert "method" in received
        return received

    def ask(self, method: str, **params: Any) -> Any:
        """The result of one request."""
        reply = self.call(method, **params)
        assert "result" in reply, reply
        return reply["result"]

    def send(self, line: bytes) -> dict[str, Any]:
        """The reply to these very bytes."""
        self.socket.sendall(line)
        return self.receive()


class Daemon:
    """A daemon process with its socket, state and log in one short directory."""

    def __init__(
        self,
        directory: Path,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.directory = directory
        self.socket = directory / "s"
        self.state = directory / "state"
        self.log_path = directory / "log"
        self._peer: Peer | None = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        kept |= {"PROMPTD_STATE_DIRECTORY": str(self.state), **(environment or {})}
        command = [*wrapper, sys.executable, "-m", "promptd", "serve", *map(str, arguments)]
        command += ["--socket", str(self.socket), "--log-format", "json"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=kept, stdin=subprocess.DEVNULL, stderr=log, pass_fds=pass_fds
            )

    # -- talking ------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        """A connection kept for `ask`; waits until the daemon answers."""
        if self._peer is None:
            self._peer = self.connect()
        return self._peer

    def connect(self) -> Peer:
        """One more connection, as soon as a daemon listens."""
        found: list[Peer] = []

        def is_connected() -> bool:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                found.append(Peer(self.socket))
            return bool(found)

        self.wait_for(is_connected)
        return found[0]

    def ask(self, method: str, **params: Any) -> Any:
        """The result of one request."""
        return self.peer.ask(method, **params)

    def text(self, name: str, **params: Any) -> str:
        """An assembled prompt."""
        text: str = self.ask("assemble", name=name, **params)["text"]
        return text

    def error(self, method: str, **params: Any) -> str:
        """The type of the error that a request is answered with."""
        reply = self.peer.call(method, **params)
        kind: str = reply["error"]["data"]["type"]
        return kind

    def statistics(self, section: str) -> dict[str, Any]:
        """What one section of the statistics counts."""
        found: dict[str, Any] = self.ask("statistics")[section]
        return found

    # -- watching -----------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is truthy; fail if it never is, or the daemon ends first."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"the daemon ended: {self.log_text()}"
            assert time.monotonic() < deadline, f"still not true: {self.log_text()}"
            time.sleep(POLL_S)

    def log_text(self) -> str:
        """Everything the daemon has logged."""
        return self.log_path.read_text()

    def log(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def snapshot(self) -> dict[str, Any]:
        """The health snapshot on disk."""
        found: dict[str, Any] = json.loads((self.state / "health.json").read_text())
        return found

    # -- ending -------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for the end: the exit code."""
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM, and wait for the end: the exit code."""
        self.signal(signal.SIGTERM)
        return self.end()

    def close(self) -> None:
        """Leave nothing behind."""
        if self._peer is not None:
            self._peer.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write `{id: text}` below a root and return the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
