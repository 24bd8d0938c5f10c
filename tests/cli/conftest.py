"""What the tests of the command line share: a way to run it, and a daemon with prepared answers.

`run` calls `main` in this process and gives back exit code, stdout as bytes and stderr as text. The
fake daemon is a real Unix socket with canned answers; the real one stands beside it in test_serve.py.
"""

import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from promptd.cli.app import main
from promptd.errors import PromptdError
from tests.conftest import Library

LONG = "".join(
    f"Step {number} reads file {number} and tells apart what is in it.\n\n" for number in range(60)
)
FILES = {
    "commands/a.md": "# A\n\n<include>parts/b.md</include>\n",
    "commands/greet.md": "---\nvariables: {name: {required: true}}\n---\nHello {name}.\n",
    "parts/b.md": f"---\ndescription: The steps\npriority: 0.2\n---\n{LONG}",
}


class Outcome(NamedTuple):
    """How one run of the command line ended."""

    code: int
    out: bytes
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Colours as by default, and a state for each test; all else is kept out by tests/suite/hermetic.py."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Return a function that runs one command line in this process."""

    def run_it(*arguments: object) -> Outcome:
        capfdbinary.readouterr()
        code = main([str(each) for each in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Outcome(int(code), out, err.decode())

    return run_it


class FakeDaemon:
    """Answers each method with what `answers` holds for it: a result, or an error to send."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.answers: dict[str, Any] = {"ping": {"pong": True}}
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def reply_to(self, line: bytes) -> bytes:
        """One request line in, one reply line out."""
        request = json.loads(line)
        method, params = request["method"], request.get("params") or {}
        self.requests.append((method, params))
        answer = self.answers[method]
        if isinstance(answer, PromptdError):
            data = {"type": answer.type, **answer.details}
            error = {"code": answer.code, "message": answer.message, "data": data}
            outcome: dict[str, Any] = {"error": error}
        else:
            outcome = {"result": answer}
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}).encode() + b"\n"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    fake: FakeDaemon


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(self.server.fake.reply_to(line))


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """Give a fake daemon that listens where every command looks for one."""
    with TemporaryDirectory(prefix="promptd-") as short:  # a socket's path has at most 107 bytes
        fake = FakeDaemon(Path(short) / "s")
        monkeypatch.setenv("PROMPTD_SOCKET", str(fake.socket))
        with _Server(str(fake.socket), _Handler) as server:
            server.fake = fake
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield fake
            server.shutdown()
            thread.join()


@pytest.fixture
def root(library: Library) -> Path:
    """Write a library with one long component."""
    return library(FILES)
