"""Same inputs, same bytes: two daemons with different hash seeds and the engine in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from promptd import config
from promptd.engine.embedded import Engine
from promptd.errors import PromptdError
from tests.corpora import MISSING, root_of
from tests.daemon.process import Daemon, Peer, write

ALIASES = {"~/.claude/get-shit-done": "get-shit-done"}
VALUES = {"project_name": "Harbour", "n": 3, "on": True}
PIPELINED = 16  # requests sent before the first answer is read

OWN = {
    "commands/all.md": "---\nvariables: {who: {default: you}}\narguments: [first]\ncolour: [b, a]\n---\n"
    "Hello {who}, {n}, {on}, {phase_dir}.\n<include>parts/a.md</include>\n"
    "{{component: parts/b.md}}\n@../parts/c.md\n"
    "<include>parts/nowhere.md</include>\n<include optional='true'>parts/none.md</include>\n"
    "<include mode='reference'>parts/b.md</include>\n<include>parts/b.md#two</include>\n$ARGUMENTS $first\n",
    "commands/twice.md": "<include>parts/a.md</include>\n<include>parts/a.md</include>\n",
    "commands/cycle.md": "<include>parts/cycle.md</include>\n",
    "commands/listed.md": "---\nincludes: [parts/c.md, parts/a.md]\n---\nBody.\n",
    "parts/a.md": "A. ünïcödé 漢字 🙂\r\n<include>parts/c.md</include>\r\n",
    "parts/b.md": "# One\n\nFirst.\n\n## Two\n\nSecond {project_name}.\n\n# Three\n",
    "parts/c.md": "---\nname: c\n---\nC.\n",
    "parts/cycle.md": "<include>commands/cycle.md</include>\n",
}


def outcome(reply: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A reply without what may differ: the clock, which names the daemon."""
    kind = "result" if "result" in reply else "error"
    return kind, {key: value for key, value in reply[kind].items() if key != "clock"}


def ask_all(peer: Peer, requests: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The outcomes of many requests, some of them under way at once, in the order of the requests."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    sent: list[int] = []
    for number, request in enumerate(requests):
        sent.append(peer.say("assemble", **request))
        if number >= PIPELINED:
            reply = peer.receive()
            found[reply["id"]] = outcome(reply)
    while len(found) < len(sent):
        reply = peer.receive()
        found[reply["id"]] = outcome(reply)
    return [found[identity] for identity in sent]


def ask_engine(engine: Engine, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same without a daemon, as the command line's --no-daemon does."""
    try:
        return outcome({"result": json.loads(engine.call("assemble", request))})
    except PromptdError as error:
        details = json.loads(json.dumps({**error.details, "type": error.type}))
        return "error", {"code": error.code, "message": error.message, "data": details}


def library(directory: Path, name: str) -> Path:
    """A library of our own, or a real one if $PROMPTD_CORPORA has it."""
    if name == "own":
        return write(directory / "library", OWN)
    root = root_of(name)
    if not root.is_dir():
        pytest.skip(MISSING)
    return root


@pytest.fixture(params=["own", "swm-factory", "gsd"])
def root(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A library; what is written for it goes with it."""
    with TemporaryDirectory(prefix="promptd-") as short:
        yield library(Path(short), request.param)


@pytest.mark.slow
def test_every_prompt_is_the_same_everywhere(root: Path) -> None:
    """Text, tokens, manifest, warnings and errors of every component, in whichever process and order."""
    settings = {"roots": [str(root)], "library.aliases": ALIASES}
    names = [
        found.relative_to(root).as_posix()
        for found in sorted(root.rglob("*.md"))
        if not any(part.startswith(".") for part in found.relative_to(root).parts)
    ]
    requests = [{"name": name, "variables": VALUES, "arguments": 'one "two three"'} for name in names]
    aliases = {"PROMPTD_LIBRARY_ALIASES": json.dumps(ALIASES)}
    outcomes = []
    for seed, order in (("0", 1), ("4242", -1)):
        with TemporaryDirectory(prefix="promptd-") as short:
            daemon = Daemon(Path(short), root, environment=aliases | {"PYTHONHASHSEED": seed})
            try:
                with daemon.connect() as peer:
                    outcomes.append(ask_all(peer, requests[::order])[::order])
            finally:
                daemon.close()
    with Engine(config.load(None, {}, settings)) as engine:
        embedded = [ask_engine(engine, request) for request in requests]
    for name, one, other, alone in zip(names, *outcomes, embedded, strict=True):
        assert one == other == alone, name
    assert sum(kind == "result" for kind, _ in embedded) >= len(names) * 0.7
