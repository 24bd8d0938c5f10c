"""Every example of the help texts, the README and docs/ runs against the demo library.

One real daemon serves all of them; each test works in a directory and a home of its own, in which `prompts`
is the demo library. A plain `promptd …` runs in this process and what it is piped into in a shell; anything
else is the shell's altogether. `serve` is started, asked and stopped.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from promptd.cli.child import ChildDaemon, child_daemon
from promptd.cli.demo.daemon import DemoDaemon, demo_daemon
from promptd.cli.init import copy_starter
from tests.cli.conftest import Run
from tests.cli.examples import (
    Examples,
    all_commands,
    inline_of_pages,
    of_help,
    of_pages,
    reason_not_to_run,
)

TOOLS = ("dot", "jq", "mail", "socat")  # where one is missing, a stand-in reads its input and says nothing
MAY_FIND = re.compile(r"promptd (check|bench|tokens .*--check|health --check)\b")  # exit code 1 is an answer
SLOW = {"assemble"}  # an engine is loaded
WITHIN_S = 30.0

_ASSIGNMENT = re.compile(r"\w+=\$\(.*\)$")
_STARTS_A_DAEMON = re.compile(r"promptd (serve|bench)\b")
_PLAIN = re.compile(r"promptd (?P<arguments>[^|><&$`]*?)(?P<rest>[|>].*|&)?$")


def _marked(examples: Examples) -> object:
    is_slow = examples.place in SLOW or any(map(_STARTS_A_DAEMON.match, examples.commands))
    return pytest.param(examples, id=examples.place, marks=[pytest.mark.slow] if is_slow else [])


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoDaemon]:
    """Start one daemon on the demo library and the starter library, with a health snapshot."""
    with demo_daemon() as daemon:
        copy_starter(daemon.library)
        yield daemon


@pytest.fixture
def shell(demo: DemoDaemon, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[_Shell]":
    """Give a shell in a directory of its own."""
    for name in [name for name in os.environ if name.startswith("PROMPTD_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    for path in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (home / path).mkdir(parents=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in [name for name in TOOLS if shutil.which(name) is None]:
        (tools / name).write_text("#!/bin/sh\ncat > /dev/null\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(tools)])
    )
    monkeypatch.setenv("PROMPTD_SOCKET", str(demo.socket))
    monkeypatch.setenv("PROMPTD_STATE_DIRECTORY", str(demo.snapshot.parent))
    work = tmp_path / "work"
    shutil.copytree(demo.library, work / "prompts")
    shutil.copytree(demo.library / "components", work / "shared" / "prompts" / "components")
    (work / "state").symlink_to(demo.snapshot.parent)
    monkeypatch.chdir(work)
    with ExitStack() as stack:
        yield _Shell(run, monkeypatch, stack)


class _Shell:
    """Runs examples, one after the other."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self._run = run
        self._monkeypatch = monkeypatch
        self._stack = stack
        self._assigned: list[str] = []  # `clock=$(…)`, for the lines after it

    def execute(self, command: str) -> None:
        """Run one example. Fails if it exits with a code that its help does not name."""
        plain = _PLAIN.match(command)
        if command.startswith("promptd serve"):
            self._serve(command)
        elif plain is None:
            self._in_bash(command, "\n".join([*self._assigned, command]), b"")
            self._assigned += [command] if _ASSIGNMENT.match(command) else []
        else:
            code, out, err = self._run(*shlex.split(plain["arguments"]))
            assert code == 0 or (code == 1 and MAY_FIND.match(command)), f"{command}: exit {code}\n{err}"
            if rest := plain["rest"]:
                self._in_bash(command, rest[1:] if rest.startswith("|") else f"cat {rest}", out)

    def _in_bash(self, command: str, script: str, given: bytes) -> None:
        done = subprocess.run(
            ["bash", "-c", script], input=given, capture_output=True, timeout=WITHIN_S, check=False
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stderr.decode()}"

    def _serve(self, command: str) -> None:
        """Start the daemon in place of the one before it; what follows asks it."""
        arguments = shlex.split(command.removesuffix("&"))[2:]
        self._stack.close()
        daemon = self._stack.enter_context(_serving(arguments))
        self._monkeypatch.setenv("PROMPTD_SOCKET", str(daemon.socket))


@contextmanager
def _serving(arguments: list[str]) -> Iterator[ChildDaemon]:
    with TemporaryDirectory(prefix="promptd-") as place, child_daemon(Path(place), arguments) as daemon:
        yield daemon
        assert daemon.stop() == 0, daemon.log_tail()


@pytest.fixture
def short_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `promptd bench` measure for no longer than it must."""
    monkeypatch.setattr("promptd.cli.bench.latency.SECONDS", 0.05)
    monkeypatch.setattr("promptd.cli.bench.caching.REQUESTS", 50)
    monkeypatch.setattr("promptd.cli.bench.loading.ROUNDS", 1)
    monkeypatch.setattr("promptd.cli.bench.loading.FIRST_REQUESTS", 5)
    monkeypatch.setattr("promptd.cli.bench.loading.EARLIER_REQUESTS", 5)
    monkeypatch.setattr("promptd.cli.bench.reduction.ENOUGH_S", 0.1)


@pytest.mark.usefixtures("short_bench")
@pytest.mark.parametrize("examples", [_marked(each) for each in (*of_help(), *of_pages())])
def test_examples_run(examples: Examples, shell: _Shell) -> None:
    """Each command of a help text or a console block exits as documented, in order."""
    assert examples.commands, "no examples"
    for command in examples.commands:
        if not reason_not_to_run(command):
            shell.execute(command)


@pytest.mark.parametrize(("page", "text"), [*inline_of_pages()])
def test_commands_in_running_text_exist(page: str, text: str) -> None:
    """Every `promptd …` in a page names a command there is, with options that it has."""
    commands = dict(all_commands())
    words = text.split()[1:]
    name = next((path for path in (" ".join(words[:2]), words[0]) if path in commands), None)
    assert name is not None, f"{page}: `{text}`"
    known = {option for each in commands[name].params for option in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
    assert given <= known, f"{page}: `{text}`"
