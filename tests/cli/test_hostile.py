"""Hostile names, titles, descriptions, front matter, values and settings, through every command and format.

What a terminal obeys or a reader cannot see never comes out as it is: not on stdout, not on stderr, not in a
graph or a report. JSON in a pipe stays exact, and so does the text of a prompt.
"""

import json
import os
import pty
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptd.cli.app import main
from promptd.engine.embedded import Engine
from tests.cli.conftest import FakeDaemon, Run
from tests.cli.everything import answer_for, command_lines

# A cleared screen, a title, a C1 control sequence, a forged line, an override, an isolate, zero width, a tag,
# a line separator, DEL, a mark of the byte order, markup of rich, HTML and of the graph languages.
EVIL = (
    "\x1b[2J\x1b]0;t\x07\x9b31m\rforged \u202egpj.\u2066x\u200bz\U000e0041\u2028\x7f\ufeff"
    "[bold red]<b>&\"'`]; n"
)
NAME = f"a{EVIL.replace('/', '')}.md"
VISIBLE_FORMATS = {"\u0600", "\u06dd", "\u070f", "\u08e2"}
_STYLE = re.compile(r"\x1b\[[\d;]*m")  # bold and dim, which are rich's own; EVIL has none


def hidden(text: str) -> list[str]:
    """The characters of an output that should have been escapes, by what Unicode says of them."""
    return [
        char
        for char in text
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and char not in VISIBLE_FORMATS
        and char not in "\n"
    ]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Write a library in which everything that can be named is hostile."""
    root = tmp_path / "library"
    root.mkdir()
    evil = json.dumps(EVIL)
    head = f"description: {evil}\npriority: {evil}\nvariables:\n  {evil}: {evil}\n{evil}: {evil}\n"
    body = f"# {EVIL}\n\n<include>{EVIL}.md</include>\n<include>part.md</include>\n@{{x}} {EVIL}\n"
    (root / NAME).write_text(f"---\n{head}---\n{body}")
    (root / "part.md").write_text(f"---\ndescription: {evil}\n---\n{EVIL}\n")
    (root / "new\nline.md").write_text("<include>part.md#no such</include>\n")
    with open(os.fsencode(root) + b"/bad\xff\x9b.md", "w") as file:
        file.write("x\n")
    return root


@pytest.fixture
def everything(daemon: FakeDaemon, library: Path, tmp_path: Path) -> Iterator[list[tuple[str, ...]]]:
    """Give a command line for every command and format; the daemon's answers are hostile throughout."""
    with Engine.open(library) as engine:
        answer_for(daemon, engine, EVIL)
        yield command_lines(NAME, tmp_path, EVIL)


def _is_exact(arguments: tuple[str, ...]) -> bool:
    """True if the result is for programs: JSON, or the text of a library in a pipe."""
    return "--json" in arguments or arguments[0] in ("assemble", "get")


def test_in_a_pipe(everything: list[tuple[str, ...]], run: Run) -> None:
    """Nothing hidden is in what people read."""
    for arguments in everything:
        _, out, err = run(*arguments)
        assert hidden(err) == [], arguments
        if not _is_exact(arguments):
            assert hidden(out.decode()) == [], arguments
        if "--json" in arguments:
            json.loads(out)


def test_in_this_process(library: Path, run: Run) -> None:
    """The same of the real warnings and errors of such a library, which name files, lines and values."""
    for arguments in (
        ("check", str(library)),
        *(("list", *more, "--library", str(library)) for more in ((), (f"{EVIL}*",))),
        *(("tokens", NAME, *more, "--library", str(library)) for more in ((), ("--tree",))),
        *((command, name, "--library", str(library)) for command in ("assemble", "get", "budget", "graph")
          for name in (NAME, EVIL, "new\nline.md")),
        ("assemble", NAME, "--variable", f"{EVIL}=x", "--strategy", EVIL, "--library", str(library)),
        ("assemble", NAME, "--variable", EVIL, "--library", str(library)),
        ("tokens", "--check", "--budget", "1", "--library", str(library)),
        ("config", "check", f"{EVIL}.toml"),
        ("list", "--library", f"{library}{EVIL}"),
        ("serve", "--config", f"{EVIL}.toml"),
        ("socket", "--socket", f"/tmp/{EVIL}"),
        ("init", str(library / f"new{EVIL}")),
        ("health", "--file", f"{EVIL}"),
        ("changes", EVIL),
        (EVIL,),
        ("list", f"--{EVIL}"),
    ):  # fmt: skip
        _, out, err = run(*arguments)
        assert hidden(err) == [], (arguments, err)
        if arguments[0] not in ("assemble", "get"):
            assert hidden(out.decode()) == [], (arguments, out)


@pytest.mark.parametrize("problem", ["[roots]\n", "x = 1\n", "[roots\n"])
def test_a_configuration(problem: str, tmp_path: Path, run: Run) -> None:
    """A wrong one is told with its key, value and file, whatever these hold."""
    path = tmp_path / f"c{EVIL.replace('/', '')}.toml"
    evil = json.dumps(EVIL)
    for text in (
        problem,
        f"[cache]\n{evil} = 1\n",
        f"[cache]\nentries = {evil}\n",
        f"[tokens]\nmodel = {evil}\n",
        f'[[roots]]\npath = "."\ndialects = [{evil}]\n',
        f"{EVIL}\n",
    ):
        path.write_text(text)
        code, out, err = run("config", "check", str(path))
        assert (code, out) == (78, b"")
        assert hidden(err) == [], text


def test_json_is_exact(everything: list[tuple[str, ...]], daemon: FakeDaemon, run: Run) -> None:
    """In a pipe the result comes as it is; a graph is escaped and means the same."""
    assert json.loads(run("assemble", NAME, "--json").out) == daemon.answers["assemble"]
    assert run("list", "--json").out.decode().rstrip("\n") == json.dumps(daemon.answers["list"])
    assert json.loads(run("graph", "--format", "json").out) == daemon.answers["graph"]
    assert run("assemble", NAME).out.decode() == daemon.answers["assemble"]["text"]


@pytest.mark.slow
def test_on_a_terminal(
    everything: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """There nothing hidden comes out at all: texts with escapes, JSON with escapes that mean the same."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    for arguments in everything:
        text = _on_a_terminal(monkeypatch, arguments)
        assert hidden(text) == [], arguments
        if "--json" in arguments:
            json.loads(text)
    assert "hidden characters are shown as escapes" in capfd.readouterr().err


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> str:
    """What a command writes to a terminal; a carriage return before each line end is the terminal's own."""
    master, slave = pty.openpty()
    got: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(master, 65_536)
            except OSError:
                return
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    with open(slave, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        main(arguments)
    thread.join()
    os.close(master)
    return _STYLE.sub("", b"".join(got).decode().replace("\r\n", "\n"))
