"""Whom a client believes: a stranger's socket is found like a daemon's, and what it says is not taken in."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from promptd.client import AsyncClient, Client
from promptd.client.trust import _is_given_to
from promptd.errors import Unavailable
from tests.client.conftest import Driven, Play
from tests.client.scripted import Talk

STRANGER = 65534
LISTEN = """
import json, os, socket, sys
directory, uid = sys.argv[1], int(sys.argv[2])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.makedirs(f"{directory}/promptd", exist_ok=True)
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(f"{directory}/promptd/promptd.sock")
    os.chmod(f"{directory}/promptd/promptd.sock", 0o666)
    listening.listen()
    print("listening", flush=True)
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                result = {"text": "EVIL", "pong": True, "pid": 1, "uptime_s": 1.0}
                reply = {"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": result}
                connection.sendall(json.dumps(reply).encode() + b"\\n")
"""
Serve = Callable[[Path, int], Path]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short, which others may enter."""
    with tempfile.TemporaryDirectory(prefix="promptd-") as made:
        Path(made).chmod(0o755)
        yield Path(made).resolve()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that has a user answer in a runtime directory, and returns the socket."""
    if os.geteuid() != 0:
        pytest.skip("to be another user takes root")
    with ExitStack() as endings:

        def start(directory: Path, uid: int) -> Path:
            server = subprocess.Popen(
                [sys.executable, "-c", LISTEN, str(directory), str(uid)], stdout=subprocess.PIPE
            )
            endings.callback(server.communicate)
            endings.callback(server.kill)
            assert server.stdout is not None
            assert server.stdout.readline() == b"listening\n"
            return directory / "promptd" / "promptd.sock"

        yield start


@pytest.fixture
def stranger(place: Path, serve: Serve) -> Path:
    """The runtime directory of a stranger, in which he answers."""
    runtime = place / "user"
    runtime.mkdir()
    os.chown(runtime, STRANGER, STRANGER)
    serve(runtime, STRANGER)
    return runtime


def said(problem: Unavailable) -> bool:
    """True if an error says who answers."""
    return f"user {STRANGER}" in problem.message and "is not believed" in problem.message


@pytest.mark.parametrize("is_explicit", [False, True])
def test_a_strangers_socket_is_not_believed(
    stranger: Path, is_explicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by somebody else's environment, or named: both clients say who answers."""
    monkeypatch.delenv("PROMPTD_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(stranger))
    socket = str(stranger / "promptd" / "promptd.sock") if is_explicit else None
    with Client(socket) as client, pytest.raises(Unavailable) as refused:
        client.ping()
    assert said(refused.value)
    asked = Driven(socket)
    with pytest.raises(Unavailable) as refused:
        asked.runner.run(asked._client.ping())
    assert said(refused.value)
    asked.hang_up()
    asked.runner.close()
    with pytest.raises(Unavailable):
        next(iter(Client(socket).subscribe("a")))


def test_the_command_line_does_not_believe_it_either(stranger: Path) -> None:
    """As `sudo -E promptd assemble` would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROMPTD_")}
    done = subprocess.run(
        [sys.executable, "-m", "promptd", "assemble", "a"],
        env=environment | {"XDG_RUNTIME_DIR": str(stranger)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "EVIL" not in done.stdout
    assert done.returncode == 69
    assert f"user {STRANGER}" in done.stderr


def test_a_service_is_believed_where_root_gave_it_a_directory(place: Path, serve: Serve) -> None:
    """As systemd's RuntimeDirectory=: /run is root's alone, /run/promptd the service's."""
    (place / "promptd").mkdir()
    os.chown(place / "promptd", STRANGER, STRANGER)
    socket = serve(place, STRANGER)
    with Client(socket) as client:
        assert client.ping().pong
    place.chmod(0o1777)  # anybody could have made that directory
    with Client(socket) as client, pytest.raises(Unavailable):
        client.ping()


def test_a_home_is_nobodys_gift_to_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root made it as well, but whoever lives there is a person."""
    monkeypatch.setattr("promptd.client.trust._home", lambda _uid: "/home/somebody")
    assert not _is_given_to("/home/somebody", 1000)
    assert not _is_given_to("/run/user/1000", 1000)


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_a_client_bounds_what_it_reads(play: Play, path: str, kind: str) -> None:
    """A reply without an end is given up at the limit."""
    sent = []

    def endless(talk: Talk) -> None:
        talk.request()
        for _ in range(100):
            talk.connection.sendall(b'{"jsonrpc":"2.0"' + b" " * 100_000)
            sent.append(1)

    play(endless)
    client = (
        Client(path, max_reply_bytes=1_000_000)
        if kind == "blocking"
        else Driven(path, max_reply_bytes=1_000_000)
    )
    with pytest.raises(Unavailable, match="longer than 1000000 bytes"):
        client.ping() if isinstance(client, Client) else client.runner.run(client._client.ping())
    if isinstance(client, Driven):
        client.hang_up()
        client.runner.close()
    assert len(sent) < 50


def test_the_two_clients_have_the_same_limit() -> None:
    """What one takes in the other does."""
    assert Client("/x").max_reply_bytes == AsyncClient("/x").max_reply_bytes
