"""What both clients do alike, the asyncio one driven as if it were blocking."""

import contextlib
import json
import socket
import threading
from typing import Any

import pytest

from promptd import errors
from promptd.client import AssembleReply, ManifestEntry, PromptWarning
from promptd.protocol.describe import schema_of
from promptd.protocol.methods import METHODS
from promptd.protocol.replies import GetReply
from tests.client.conftest import Open, Play
from tests.client.scripted import Talk, echo

PROMPT = {
    "text": "Hello",
    "tokens": 1,
    "tokens_source": 2,
    "encoding": "o200k_base",
    "digest": "d",
    "etag": "e",
    "name": "a.md",
    "metadata": {"description": "x"},
    "manifest": [
        {"id": "a.md", "digest": "d", "tokens": 1, "span": [0, 5], "reason": "included", "chain": []}
    ],
    "warnings": [
        {"kind": "missing", "message": "m", "id": "a.md", "line": 3, "target": "b", "chain": ["a.md:3"]}
    ],
    "clock": "c:1:1",
    "consistent": True,
}


def hang_up(_: Talk) -> None:
    """Close at once."""


def hang_up_on_request(talk: Talk) -> None:
    """Read a request and close."""
    talk.request()


def test_a_prompt_is_typed(play: Play, open_client: Open, path: str) -> None:
    """Manifest and warnings are records, spans tuples."""
    play(lambda talk: talk.answer(PROMPT))
    prompt = open_client(path).assemble("a")
    assert isinstance(prompt, AssembleReply)
    assert (prompt.text, prompt.tokens, prompt.consistent, prompt.unchanged) == ("Hello", 1, True, False)
    assert prompt.manifest == (ManifestEntry("a.md", "d", 1, (0, 5), "included"),)
    assert prompt.warnings == (PromptWarning("missing", "m", "a.md", 3, "b", ("a.md:3",)),)


def test_assemble_sends_what_was_given(play: Play, open_client: Open, path: str) -> None:
    """One name or several, and no parameter that was not given."""
    asked: list[dict[str, Any]] = []

    def script(talk: Talk) -> None:
        while True:
            asked.append(talk.request())
            talk.send(id=asked[-1]["id"], result=PROMPT)

    play(script)
    client = open_client(path)
    client.assemble("a")
    client.assemble(["a", "b"], {"x": 1}, "args", strategy="none", budget=5, etag="e")
    assert asked[0] == {"jsonrpc": "2.0", "id": 1, "method": "assemble", "params": {"name": "a"}}
    assert asked[1]["params"] == {
        "components": ["a", "b"],
        "variables": {"x": 1},
        "arguments": "args",
        "strategy": "none",
        "budget": 5,
        "etag": "e",
    }


@pytest.mark.parametrize(
    ("method", "args", "params"),
    [
        ("get", ("a",), {"name": "a"}),
        ("get", ("a", (2, 3)), {"name": "a", "span": [2, 3]}),
        ("list", (), {"glob": "**"}),
        ("list", ("x/*",), {"glob": "x/*"}),
        ("changes", (), {}),
        ("changes", ("c:1a:7",), {"since": "c:1a:7"}),
        ("dependencies", ("a",), {"name": "a"}),
        ("dependencies", ("a", 2), {"name": "a", "depth": 2}),
        ("dependents", ("a", 2), {"name": "a", "depth": 2}),
        ("graph", (), {}),
        ("graph", ("a",), {"name": "a"}),
        *((name, (), {}) for name in ("check", "statistics", "health", "reload", "rescan")),
        *((name, (), {}) for name in ("ping", "version", "describe", "metrics", "alerts", "configuration")),
    ],
)
def test_every_method_is_there(
    play: Play, open_client: Open, path: str, method: str, args: tuple[Any, ...], params: dict[str, Any]
) -> None:
    """Each asks under its own name with its parameters by name, and gives back the reply of the method."""
    asked: list[dict[str, Any]] = []
    reply = METHODS[method].reply

    def script(talk: Talk) -> None:
        asked.append(talk.request())
        talk.send(id=asked[-1]["id"], result=least(schema_of(reply)))

    play(script)
    answer = getattr(open_client(path), method)(*args)
    assert isinstance(answer, reply if isinstance(reply, type) else dict)
    assert (asked[0]["method"], asked[0]["params"]) == (method, params)


def least(schema: dict[str, Any], records: dict[str, Any] | None = None) -> Any:
    """Return the smallest value that a schema allows: what is required, and of that as little as can be."""
    records = schema.get("$defs", {}) if records is None else records
    if "$ref" in schema:
        return least(records[schema["$ref"].rpartition("/")[2]], records)
    if "anyOf" in schema:
        return least(schema["anyOf"][0], records)
    members = {name: least(schema["properties"][name], records) for name in schema.get("required", ())}
    kinds = {"object": members, "array": [], "string": "", "integer": 0, "number": 0.5, "boolean": False}
    return schema["enum"][0] if "enum" in schema else kinds[schema["type"]]


def test_a_reference_is_fetched(play: Play, open_client: Open, path: str) -> None:
    """Section and digest go along; a text that has changed is the error that says so."""
    asked: list[dict[str, Any]] = []

    def script(talk: Talk) -> None:
        asked.append(talk.request())
        error = {"code": -32000, "message": "changed", "data": {"type": "promptd.DigestMismatch"}}
        talk.send(id=asked[-1]["id"], error=error)

    play(script)
    with pytest.raises(errors.DigestMismatch, match="changed"):
        open_client(path).get("a", section="One", digest="0123456789ab")
    assert asked[0]["params"] == {"name": "a", "section": "One", "digest": "0123456789ab"}


def test_call_gives_the_encoded_result(play: Play, open_client: Open, path: str) -> None:
    """Byte for byte as the daemon sent it."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.connection.sendall(b'{"jsonrpc":"2.0","id":1,"result":{"a" : 1}}\n')

    play(script)
    assert open_client(path).call("anything", {"b": 2}) == b'{"a" : 1}'


def test_errors_are_raised_and_the_connection_lives(play: Play, open_client: Open, path: str) -> None:
    """The leaf that the daemon raised; the next question goes over the same connection."""

    def script(talk: Talk) -> None:
        error = {"code": -32001, "message": "no x", "data": {"type": "promptd.UnknownComponent", "name": "x"}}
        talk.send(id=talk.request()["id"], error=error)
        talk.answer({"pong": True})

    daemon = play(script)
    client = open_client(path)
    with pytest.raises(errors.UnknownComponent, match="no x") as caught:
        client.get("x")
    assert caught.value.details == {"name": "x"}
    assert client.statistics() == {"pong": True}
    assert daemon.accepted == 1


def test_large_answers_come_whole(play: Play, open_client: Open, path: str) -> None:
    """Megabytes, in as many chunks as the socket likes."""
    play(lambda talk: talk.answer(least(schema_of(GetReply)) | {"text": "x" * 3_000_000}))
    assert len(open_client(path).get("a").text) == 3_000_000


def test_what_is_no_answer_is_passed_over(play: Play, open_client: Open, path: str) -> None:
    """Notifications and answers to questions given up before do not confuse it."""

    def script(talk: Talk) -> None:
        talk.send(method="changed", params={"subscription": 9, "digest": "d", "previous": "p", "clock": "c"})
        talk.send(id=-1, result={})
        talk.answer({"right": True})

    play(script)
    assert open_client(path).statistics() == {"right": True}


# -- the daemon goes away -------------------------------------------------------------------------


@pytest.mark.parametrize("goodbye", [hang_up, hang_up_on_request])
def test_a_restart_goes_unnoticed(play: Play, open_client: Open, path: str, goodbye: Any) -> None:
    """Hung up before any byte of an answer: asked once more over a new connection."""

    def one_answer(talk: Talk) -> None:
        talk.answer({"first": True})
        goodbye(talk)

    daemon = play(one_answer, echo)
    client = open_client(path)
    assert client.statistics() == {"first": True}
    assert client.statistics()["method"] == "statistics"
    assert daemon.accepted == 2


def test_another_daemon_at_the_same_path(play: Play, open_client: Open, path: str) -> None:
    """The whole process was replaced; the next question reaches the new one."""
    first = play(echo)
    client = open_client(path)
    client.statistics()
    first.close()
    second = play(echo)
    client.statistics()
    assert (first.accepted, second.accepted) == (1, 1)


def test_it_asks_twice_and_no_more(play: Play, open_client: Open, path: str) -> None:
    """A daemon that always hangs up is Unavailable, after two attempts."""
    daemon = play(hang_up_on_request)
    with pytest.raises(errors.Unavailable, match="closed the connection"):
        open_client(path).statistics()
    assert daemon.accepted == 2


def test_an_answer_cut_short_is_not_asked_again(play: Play, open_client: Open, path: str) -> None:
    """Bytes had come: whatever was asked may have been done."""

    def cut(talk: Talk) -> None:
        talk.request()
        talk.connection.sendall(b'{"jsonrpc":"2.0","id":1,"resu')

    daemon = play(cut)
    with pytest.raises(errors.Unavailable, match="closed the connection"):
        open_client(path).statistics()
    assert daemon.accepted == 1


def test_a_refused_connection_says_why(play: Play, open_client: Open, path: str) -> None:
    """An error without an id concerns the connection: it is raised, and a later question connects anew."""

    def refuse(talk: Talk) -> None:
        talk.send(id=None, error={"code": -32017, "message": "full", "data": {"type": "promptd.Busy"}})
        while True:
            talk.request()

    play(refuse, echo)
    client = open_client(path)
    with pytest.raises(errors.Busy, match="full"):
        client.statistics()
    assert client.statistics()["method"] == "statistics"


def test_no_daemon_there(open_client: Open, path: str) -> None:
    """Unavailable, with the path and how to start a daemon."""
    with pytest.raises(errors.Unavailable, match="promptd serve") as caught:
        open_client(path).statistics()
    assert caught.value.details == {"socket": path}


def test_an_impossible_path(open_client: Open) -> None:
    """A path no socket can have is Unavailable too, not an OSError."""
    with pytest.raises(errors.Unavailable, match="too long"):
        open_client("/tmp/" + "x" * 200).statistics()


def test_a_daemon_that_does_not_answer(play: Play, open_client: Open, path: str) -> None:
    """Unavailable after `timeout_s`; a late answer is not mistaken for the next one's."""
    late = threading.Event()

    def slow(talk: Talk) -> None:
        request = talk.request()
        late.wait(10)
        talk.send(id=request["id"], result={"late": True})
        echo(talk)

    play(slow, echo)
    client = open_client(path, timeout_s=0.05)
    with pytest.raises(errors.Unavailable, match="within"):
        client.statistics()
    late.set()
    client.timeout_s = 10.0
    assert client.statistics()["method"] == "statistics"


def test_a_daemon_that_does_not_read(play: Play, open_client: Open, path: str) -> None:
    """A request that cannot be sent is given up after `timeout_s` too."""
    done = threading.Event()
    play(lambda talk: (done.wait(10), None)[1])
    with pytest.raises(errors.Unavailable, match="within"):
        open_client(path, timeout_s=0.05).get("x" * 5_000_000)
    done.set()


def test_a_daemon_that_does_not_accept(open_client: Open, path: str) -> None:
    """Its queue is full: connecting is tried until `timeout_s`, or until a place is free."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as frozen:
        frozen.bind(path)
        frozen.listen(0)
        queued = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        queued.connect(path)
        with pytest.raises(errors.Unavailable, match="within"):
            open_client(path, timeout_s=0.05).statistics()
        answering = threading.Timer(0.05, lambda: answer_pings(frozen))
        answering.start()
        assert open_client(path).statistics() == {"pong": True}
        answering.join()
        queued.close()


def answer_pings(listening: socket.socket) -> None:
    """Accept waiting clients, answer one request and hang up, until a request was answered."""
    for _ in range(2):
        connection, _ = listening.accept()
        talk = Talk(connection)
        connection.settimeout(0.2)
        with contextlib.suppress(OSError, EOFError):
            talk.answer({"pong": True})
        talk.close()


def test_something_else_listens(play: Play, open_client: Open, path: str) -> None:
    """A server of another protocol, which greets and waits, is Unavailable, and says so."""

    def greet(talk: Talk) -> None:
        talk.connection.sendall(b"220 mail.example.org ESMTP\r\n")
        talk.connection.recv(65_536)

    play(greet)
    with pytest.raises(errors.Unavailable, match="not promptd"):
        open_client(path).statistics()


def test_a_bad_parameter_is_not_sent(play: Play, open_client: Open, path: str) -> None:
    """It is the caller's error before any connection is made."""
    daemon = play(echo)
    with pytest.raises(errors.InvalidParams):
        open_client(path).get("\ud800")
    assert daemon.accepted == 0


def test_closing_is_not_the_end(play: Play, open_client: Open, path: str) -> None:
    """After close the next question connects again; closing twice is fine."""
    daemon = play(echo)
    client = open_client(path)
    assert "not connected" in repr(client)
    client.statistics()
    assert repr(client) == f"<Client of {path}, connected>"
    client.hang_up()
    client.hang_up()
    client.statistics()
    assert daemon.accepted == 2


def test_the_socket_comes_from_the_environment(
    play: Play, open_client: Open, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an argument the path is discovered."""
    play(echo)
    monkeypatch.setenv("PROMPTD_SOCKET", path)
    assert json.loads(open_client().call("ping"))["method"] == "ping"
