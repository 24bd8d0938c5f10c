"""Malicious or broken input: an error that names the problem, and the daemon goes on."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.daemon.process import Daemon, write

SECRET = "root-of-all-secrets"
FILES = {
    "hello.md": "Hello, {name}.\n",
    "huge.md": "A line of a very large component.\n" * 30_000,
    "wide.md": "<include>huge.md</include>\n" * 40,
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One daemon for everything here: each test finds it as healthy as the first."""
    with TemporaryDirectory(prefix="promptd-") as short:
        directory = Path(short)
        library = write(directory / "library", FILES)
        write(directory, {"secret.md": SECRET})
        (library / "link.md").symlink_to(directory / "secret.md")
        environment = {
            "PROMPTD_TOKENS_MAX_CONTEXT_TOKENS": "100000000",
            "PROMPTD_SERVE_REQUEST_TIMEOUT": "0.2",
        }
        made = Daemon(directory, library, environment=environment)
        made.ask("ping")
        yield made
        assert not made.log("unforeseen error"), made.log_text()
        assert made.stop() == 0
        made.close()


@pytest.fixture(autouse=True)
def _others_are_served(daemon: Daemon) -> Iterator[None]:
    """Before and after each test, on a connection of their own."""
    yield
    assert daemon.text("hello", variables={"name": "you"}) == "Hello, you.\n"


LINES: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"GET / HTTP/1.1", -32700, "promptd.MalformedFrame"),
    "no text": (b"\xff\xfe\x00\x01", -32700, "promptd.MalformedFrame"),
    "100,000 brackets": (b"[" * 100_000, -32600, "promptd.InvalidRequest"),
    "100,000 braces": (b'{"a":' * 100_000, -32600, "promptd.InvalidRequest"),
    "deep parameters": (
        b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":' + b'{"a":' * 100 + b"1" + b"}" * 101,
        -32600,
        "promptd.InvalidRequest",
    ),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, "promptd.InvalidRequest"),
    "an empty batch": (b"[]", -32600, "promptd.InvalidRequest"),
    "a number": (b"7", -32600, "promptd.InvalidRequest"),
    "no version": (b'{"id":1,"method":"ping"}', -32600, "promptd.InvalidRequest"),
    "method of a wrong type": (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600, "promptd.InvalidRequest"),
    "id of a wrong type": (
        b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
        -32600,
        "promptd.InvalidRequest",
    ),
    "unknown method": (
        b'{"jsonrpc":"2.0","id":1,"method":"exec"}',
        -32601,
        "promptd.MethodNotFound",
    ),
    "parameters in a list": (
        b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":["hello"]}',
        -32602,
        "promptd.InvalidParams",
    ),
    "a name of a wrong type": (
        b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":{"$ne":null}}}',
        -32602,
        "promptd.InvalidParams",
    ),
    "a variable of a wrong type": (
        b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"hello","variables":{"name":[1]}}}',
        -32602,
        "promptd.InvalidParams",
    ),
    "a misspelt parameter": (
        b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"hello","variabels":{}}}',
        -32602,
        "promptd.InvalidParams",
    ),
    "2 MiB": (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 2_097_152, -32014, "promptd.FrameTooLarge"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_bad_line_gets_an_error_and_the_next_request_an_answer(daemon: Daemon, name: str) -> None:
    """On the same connection."""
    line, code, kind = LINES[name]
    with daemon.connect() as peer:
        reply = peer.send(line + b"\n")
        assert reply["jsonrpc"] == "2.0"
        assert (reply["error"]["code"], reply["error"]["data"]["type"]) == (code, kind)
        assert 0 < len(reply["error"]["message"]) < 1_000
        assert reply["id"] in (1, None)
        assert peer.ask("ping")["pong"] is True


SURROGATES: dict[str, dict[str, Any]] = {
    "a name": {"name": "hel\\ud800lo"},
    "a value": {"name": "hello", "variables": {"name": "\\ud800"}},
    "a name of a variable": {"name": "hello", "variables": {"\\udfff": "x"}},
    "arguments": {"name": "hello", "arguments": "\\ud83d"},
    "a strategy": {"name": "hello", "strategy": "\\ud800"},
    "an etag": {"name": "hello", "etag": "\\ud800"},
}


@pytest.mark.parametrize("name", SURROGATES)
def test_lone_surrogates_are_refused_or_answered(daemon: Daemon, name: str) -> None:
    """JSON can say what UTF-8 cannot: a whole line comes back in any case, and it is no defect of ours."""
    params = json.dumps(SURROGATES[name]).replace("\\\\", "\\")
    with daemon.connect() as peer:
        reply = peer.send(b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":%b}\n' % params.encode())
        assert reply.get("error", {}).get("data", {}).get("type") != "promptd.Internal"
        assert peer.ask("ping")["pong"] is True


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "../secret.md",
        "/etc/passwd",
        "//etc/passwd",
        "%2e%2e/secret.md",
        "hello.md/../../secret.md",
        "hello.md\x00",
        "\\\\server\\share",
        "link",
        "link.md",
        ".",
        "..",
        "/",
        "~/.ssh/id_rsa",
        "a/" * 400 + "x",
    ],
)
def test_names_are_ids_and_never_paths(daemon: Daemon, name: str) -> None:
    """Nothing outside the library is read, whatever a name looks like and whatever method it is given to."""
    for method in ("assemble", "get", "dependencies", "dependents", "graph", "subscribe"):
        reply = daemon.peer.call(method, name=name)
        assert SECRET not in json.dumps(reply)
        if method in ("assemble", "get", "subscribe"):  # the others say what is known of an invalid one
            assert reply["error"]["data"]["type"] in (
                "promptd.OutsideRoot",
                "promptd.UnknownComponent",
                "promptd.InvalidParams",
            ), reply


@pytest.mark.parametrize("glob", ["[", "***", "**/**/**/**/x", "*" * 500, "[!a-", "\ud7ff", "a/" * 500])
def test_a_strange_glob_lists_nothing_or_something_soon(daemon: Daemon, glob: str) -> None:
    """And delays no other client."""
    assert daemon.ask("list", glob=glob)["total"] == 4


def test_values_are_inert(daemon: Daemon) -> None:
    """A value that looks like a directive or a variable is text."""
    value = "<include>huge.md</include> {name} {{name}} $ARGUMENTS !`id`"
    assert daemon.text("hello", variables={"name": value}) == f"Hello, {value}.\n"


def test_a_reply_that_is_too_large_is_an_error(daemon: Daemon) -> None:
    """40 times a megabyte: said in a few bytes."""
    reply = daemon.peer.call("assemble", name="wide")
    assert reply["error"]["data"]["type"] == "promptd.PromptTooLarge"
    assert len(json.dumps(reply)) < 1_000


def test_notifications_get_no_answer(daemon: Daemon) -> None:
    """Not even wrong ones: the next line is the answer to the next request."""
    with daemon.connect() as peer:
        for line in (
            b'{"jsonrpc":"2.0","method":"ping"}\n',
            b'{"jsonrpc":"2.0","method":"nonsense"}\n',
            b'{"jsonrpc":"2.0","method":"assemble","params":{"nmae":1}}\n',
        ):
            peer.socket.sendall(line)
        assert peer.call("ping")["id"] == peer.number


def test_half_a_line_and_a_hang_up(daemon: Daemon) -> None:
    """A client that leaves amid a request leaves nothing behind; one that waits too long gets an error."""
    for _ in range(20):
        with daemon.connect() as peer:
            peer.socket.sendall(b'{"jsonrpc":"2.0","id":1,"method":"pi')
    with daemon.connect() as peer:
        peer.socket.sendall(b'{"jsonrpc":"2.0","id":1,"method":"pi')
        assert peer.receive()["error"]["data"]["type"] == "promptd.Busy"
        assert peer.reader.read() == b""


def test_who_does_not_wait_for_the_answer_is_not_missed(daemon: Daemon) -> None:
    """Large answers to peers that are gone."""
    for _ in range(20):
        with daemon.connect() as peer:
            peer.say("get", name="huge")
    daemon.wait_for(lambda: daemon.statistics("connections")["connections"] == 1)


def test_random_bytes(daemon: Daemon) -> None:
    """Noise in lines: every one that is not empty is answered with an error."""
    noise = os.urandom(30_000)
    with daemon.connect() as peer:
        peer.socket.sendall(noise + b"\n")
        peer.socket.shutdown(socket.SHUT_WR)
        replies = [json.loads(line) for line in peer.reader.read().splitlines()]
    assert len(replies) == sum(not (not line or line.isspace()) for line in noise.split(b"\n"))
    assert all("error" in reply for reply in replies)
