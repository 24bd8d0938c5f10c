"""The command table, the border between errors and exit codes, and how fast it starts."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from promptd.cli import app
from promptd.errors import CycleError, UnknownComponent
from tests.cli.conftest import FakeDaemon, Run
from tests.suite.session import untraced

# What no prompt needs that a daemon assembles for us; each costs 10 to 200 ms to import.
HEAVY = {
    "asyncio",
    "pathlib",
    "rich",
    "networkx",
    "tiktoken",
    "watchfiles",
    "structlog",
    "psutil",
    "markdown_it",
}


def _all_commands() -> Iterator[tuple[str, click.Command]]:
    todo: list[tuple[str, click.Command]] = [("", app.cli)]
    while todo:
        path, command = todo.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            found = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
            todo += [(f"{path} {name}".strip(), each) for name, each in found if each]
        else:
            yield path, command


@pytest.mark.parametrize(("path", "command"), [*_all_commands()])
def test_every_command_has_help_with_examples(path: str, command: click.Command, run: Run) -> None:
    """`--help` of each command says what it does and shows how it is called."""
    code, out, _ = run(*path.split(), "--help")
    assert code == 0
    assert f"promptd {path}" in out.decode().split("Examples:")[1]
    assert command.help, "a command without a summary"


def test_help_lists_every_command_once(run: Run) -> None:
    """The help page names all commands in their sections."""
    text = run("--help").out.decode()
    for name in ("assemble", "serve", "check", "socket", "completion"):
        assert text.count(f"\n  {name} ") == 1


def test_without_a_command_help_is_an_error(run: Run) -> None:
    """A bare `promptd` explains itself on stderr and is a usage error."""
    code, out, err = run()
    assert (code, out) == (64, b"")
    assert "Usage: promptd" in err


def test_version(run: Run) -> None:
    """`--version` prints name and version on stdout."""
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith(b"promptd ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("assemble",),
        ("assemble", "a", "--no-such-option"),
        ("assemble", "a", "--variable", "novalue"),
        ("assemble", "a", "--budget", "0"),
        ("graph", "--format", "png"),
        ("check", "/no/such/directory"),
        ("completion", "tcsh"),
    ],
)
def test_a_wrong_command_line_exits_64(arguments: tuple[str, ...], run: Run) -> None:
    """A usage error is 64, says what is wrong and where the help is, and prints no result."""
    code, out, err = run(*arguments)
    assert (code, out) == (64, b"")
    assert err.startswith("promptd: error: ")
    assert f"See 'promptd {arguments[0]} --help'." in err


def test_a_misspelt_command_is_answered_with_the_nearest(run: Run) -> None:
    """`asemble` is a usage error that names `assemble`."""
    code, _, err = run("asemble", "x")
    assert code == 64
    assert "Did you mean assemble?" in err


@pytest.mark.parametrize(("old", "new"), app.RENAMED.items())
def test_an_old_command_name_says_the_new_one(old: str, new: str, run: Run) -> None:
    """One line on stderr, exit 64, whatever follows the name."""
    expected = f"promptd: error: promptd {old} was renamed: use promptd {new}\n"
    assert run(old, "prompts", "--json") == (64, b"", expected)


def test_an_unknown_component_names_the_nearest(daemon: FakeDaemon, run: Run) -> None:
    """What the daemon suggests is shown where its message does not hold it."""
    daemon.answers["get"] = UnknownComponent("No component named 'a'.", name="a", nearest=["b.md", "c.md"])
    code, out, err = run("get", "a")
    assert (code, out) == (65, b"")
    assert err == "promptd: error: No component named 'a'.\n  nearest: b.md, c.md\n"


def test_an_error_of_the_daemon_is_one_sentence(daemon: FakeDaemon, run: Run) -> None:
    """A cycle is reported with its chain and code 65, without a traceback."""
    daemon.answers["assemble"] = CycleError("a.md:3 → b.md:7 → a.md", chain=["a.md:3", "b.md:7", "a.md"])
    code, out, err = run("assemble", "a")
    assert (code, out) == (65, b"")
    assert err == "promptd: error: a.md:3 → b.md:7 → a.md\n"


def test_no_daemon_exits_69(run: Run) -> None:
    """Without a daemon the error says how to go on."""
    code, out, err = run("assemble", "a")
    assert (code, out) == (69, b"")
    assert "promptd serve" in err


def test_ctrl_c_exits_130_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt ends the command quietly with 128 + SIGINT."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("promptd.cli.reload.ask", interrupted)
    code, out, err = run("reload")
    assert (code, out) == (130, b"")
    assert "Traceback" not in err


def test_assembling_imports_little(daemon: FakeDaemon) -> None:
    """`promptd assemble` through a daemon loads click, msgspec, a socket and 15 modules of ours, no more.

    Neither the configuration, nor the engine, nor rich is among them. Each module costs about half a
    millisecond; what is counted here is what the command line may cost, whatever the machine.
    """
    daemon.answers["assemble"] = {"text": "hello", "warnings": []}
    script = "import sys; from promptd.cli.app import main; main(['assemble', 'a']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=untraced()
    )
    loaded = set(done.stdout.removeprefix("hello").split())
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    ours = {name for name in loaded if name.partition(".")[0] == "promptd"}
    assert not {name for name in ours if name.split(".")[1:2] not in ([], ["cli"], ["client"], ["errors"])}
    assert len(ours) <= 15, sorted(ours)
    assert len(loaded - _loaded_by("click, msgspec, socket")) <= len(ours) + 2


def _loaded_by(modules: str) -> set[str]:
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=untraced()
    )
    return set(done.stdout.split())


def test_a_reader_that_leaves_ends_the_command_quietly(daemon: FakeDaemon) -> None:
    """`promptd assemble … | true` says nothing on stderr and ends with 128 + SIGPIPE."""
    daemon.answers["assemble"] = {"text": "x" * 1_000_000, "warnings": []}
    command = [sys.executable, "-m", "promptd", "assemble", "a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(), err) == (141, b"")
