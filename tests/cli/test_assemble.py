"""`assemble`: what goes to stdout, what goes to stderr, what is asked."""

import json
import shlex
from pathlib import Path
from typing import Any

from promptd.errors import UnsupportedOption
from tests.cli.conftest import FakeDaemon, Library, Run

REPLY: dict[str, Any] = {"text": "line one\nno newline at the end: ä", "tokens": 9, "warnings": []}
WARNING = {"kind": "missing", "message": "b.md does not exist", "id": "a.md", "line": 3, "chain": ["a.md:3"]}


def test_the_prompt_and_nothing_else(daemon: FakeDaemon, run: Run) -> None:
    """Stdout holds exactly the bytes of the prompt, without an added newline."""
    daemon.answers["assemble"] = REPLY
    assert run("assemble", "a") == (0, "line one\nno newline at the end: ä".encode(), "")


def test_warnings_go_to_stderr(daemon: FakeDaemon, run: Run) -> None:
    """A missing include is reported with its place, and stdout stays the prompt."""
    daemon.answers["assemble"] = REPLY | {"warnings": [WARNING]}
    code, out, err = run("assemble", "a")
    assert (code, out.decode()) == (0, REPLY["text"])
    assert err == "promptd: warning: a.md:3: b.md does not exist\n"


def test_json_is_the_result_as_it_was_sent(daemon: FakeDaemon, run: Run) -> None:
    """`--json` prints the very bytes of the result, unknown fields included, as one line."""
    daemon.answers["assemble"] = REPLY | {"later": [1.50, {"z": 1, "a": 2}]}
    code, out, _ = run("assemble", "a", "--json")
    assert code == 0
    assert out == json.dumps(daemon.answers["assemble"]).encode() + b"\n"


def test_options_become_parameters(daemon: FakeDaemon, run: Run) -> None:
    """Variables, arguments, strategy and budget are passed on; what was not given is not sent."""
    daemon.answers["assemble"] = REPLY
    run("assemble", "a", "--variable", "x=1", "--var", "y=a=b", "-v", "empty=", "--arguments", "one two")
    run("assemble", "a", "b", "--strategy", "conservative", "--budget", "800")
    assert daemon.requests == [
        ("assemble", {"name": "a", "variables": {"x": "1", "y": "a=b", "empty": ""}, "arguments": "one two"}),
        ("assemble", {"components": ["a", "b"], "strategy": "conservative", "budget": 800}),
    ]


def test_what_the_daemon_cannot_do_is_an_error(daemon: FakeDaemon, run: Run) -> None:
    """A strategy the daemon does not know is refused, never ignored."""
    daemon.answers["assemble"] = UnsupportedOption("strategy is not supported yet", option="strategy")
    code, out, err = run("assemble", "a", "--strategy", "x")
    assert (code, out) == (64, b"")
    assert "strategy is not supported yet" in err


def test_formats_are_printed_as_json(root: Path, run: Run) -> None:
    """The blocks put together are the prompt."""
    text = run("assemble", "--library", root, "commands/a").out.decode()
    blocks = json.loads(run("assemble", "--library", root, "commands/a", "--format", "anthropic").out)
    assert "".join(block["text"] for block in blocks) == text
    messages = json.loads(run("assemble", "--library", root, "commands/a", "--format", "openai").out)
    assert messages == [{"role": "system", "content": text}]


def test_what_was_not_given_is_not_sent(daemon: FakeDaemon, run: Run) -> None:
    """Every option is a parameter of the same name."""
    daemon.answers["assemble"] = {"text": "", "warnings": []}
    run("assemble", "a", "--budget", "9", "--reserve", "2", "--model", "m", "--stable-first")
    run("assemble", "a", "--no-stable-first", "--format", "openai")
    assert [params for _, params in daemon.requests] == [
        {"name": "a", "budget": 9, "reserve": 2, "model": "m", "stable_first": True},
        {"name": "a", "stable_first": False, "format": "openai"},
    ]


def test_the_line_to_type_is_the_one_that_was_typed(library: Library, run: Run) -> None:
    """With the library it named and the values it gave; typed with values it works."""
    place = library({"a b.md": "---\nvariables:\n  x: {required: true}\n  y: {required: true}\n---\n{x} {y}"})
    code, _, err = run("assemble", "a b", "--library", place, "--variable", "x=1 2")
    typed = shlex.split(err.strip().rpartition("; type: ")[2].replace("VALUE", "3"))
    assert (code, typed[0]) == (64, "promptd")
    assert run(*typed[1:]).out == b"1 2 3"


def test_strict_prints_no_prompt_that_has_a_warning(daemon: FakeDaemon, run: Run) -> None:
    """Every warning is named, then that they are errors; the exit code says: fix the library."""
    daemon.answers["assemble"] = REPLY | {"warnings": [WARNING, WARNING]}
    for more in ((), ("--json",), ("--format", "openai")):
        code, out, err = run("assemble", "a", "--strict", *more)
        assert (code, out) == (65, b"")
        assert err.count("promptd: warning: a.md:3: b.md does not exist\n") == 2
        assert err.endswith("promptd: error: 2 warnings; with --strict the prompt is not printed\n")
    daemon.answers["assemble"] = REPLY
    assert run("assemble", "a", "--strict") == (0, REPLY["text"].encode(), "")
    assert "strict" not in daemon.requests[-1][1]
