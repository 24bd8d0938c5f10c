"""`serve` for real: a daemon process, the other commands talking to it, and how it refuses and ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.cli.conftest import Run

LIBRARY = str(files("promptd.cli.demo") / "library")
VALUES = ("--var", "project_name=Harbour", "--args", "one two")


@contextmanager
def _serving(directory: Path, *options: object, hash_seed: str = "0") -> Iterator[subprocess.Popen[str]]:
    """A daemon that has said it is ready; its state and its socket `s` are in `directory`."""
    environment = os.environ | {
        "PROMPTD_STATE_DIRECTORY": str(directory / "state"),
        "PYTHONHASHSEED": hash_seed,
    }
    command = [sys.executable, "-m", "promptd", "serve", "--socket", directory / "s", "--log-format", "json"]
    process = subprocess.Popen(
        [str(each) for each in (*command, *options)], env=environment, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        try:
            log = iter(process.stderr)
            seen = next((line for line in log if json.loads(line)["event"] == "ready"), None)
            assert seen is not None, "the daemon ended before it was ready"
            yield process
        finally:
            process.terminate()
            process.stderr.read()


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give a temporary directory with a short path, since a socket's path has at most 107 bytes."""
    with TemporaryDirectory(prefix="promptd-") as short:
        yield Path(short)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give one real daemon on the demo library for all tests that leave it as it is, and its socket."""
    with TemporaryDirectory(prefix="promptd-") as short, _serving(Path(short), LIBRARY) as process:
        yield process, f"{short}/s"


@pytest.fixture
def serving(
    shared: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch
) -> subprocess.Popen[str]:
    """Give the shared daemon, where every command finds it."""
    process, socket = shared
    monkeypatch.setenv("PROMPTD_SOCKET", socket)
    return process


def _without_clock(result: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(result).items() if name != "clock"}


@pytest.mark.usefixtures("serving")
def test_a_daemon_and_no_daemon_give_the_same_bytes(run: Run) -> None:
    """Every prompt, its warnings and its whole result are equal both ways, but for the clock."""
    names = run("list", "commands/**").out.split() + run("list", "agents/**").out.split()
    assert names
    for name in (each.decode() for each in names):
        served = run("assemble", name, *VALUES, "--json")
        alone = run("assemble", name, *VALUES, "--json", "--library", LIBRARY)
        assert (served.code, served.err) == (alone.code, alone.err) == (0, alone.err)
        assert _without_clock(served.out) == _without_clock(alone.out)
    plain = ("assemble", "commands/review-change", *VALUES)
    assert run(*plain) == run(*plain, "--library", LIBRARY)


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "agents/*"),
        ("get", "agents/reviewer"),
        ("deps", "agents/reviewer", "--tree"),
        ("deps", "components/reporting/evidence", "--reverse"),
        ("graph", "--format", "mermaid"),
        ("check",),
    ],
)
def test_questions_about_the_library_have_one_answer(command: tuple[str, ...], run: Run) -> None:
    """What a daemon says of a library is what this process says of it."""
    served = run(*command)
    assert served.code == 0, served.err
    assert served == run(*command, "--library", LIBRARY)


def test_a_running_daemon_is_looked_after(serving: subprocess.Popen[str], run: Run) -> None:
    """status, reload and rescan answer; the page names the process."""
    page = run("status").out.decode()
    assert f"pid {serving.pid}," in page.splitlines()[0]
    assert "components 22" in page
    assert json.loads(run("status", "--json").out)["health"]["status"] == "ok"
    assert run("reload").out.startswith(b"reloaded: nothing changed (revision ")
    assert run("rescan").out.startswith(b"rescanned: 0 changed, 0 added, 0 removed (revision ")


def test_a_second_daemon_on_the_socket_exits_75(serving: subprocess.Popen[str], run: Run) -> None:
    """The second one says who is there, and the first one goes on."""
    command = [sys.executable, "-m", "promptd", "serve", LIBRARY]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 75
    assert str(serving.pid) in second.stderr
    assert run("get", "agents/reviewer").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_asked_to_stop_exits_0(directory: Path, number: signal.Signals) -> None:
    """It stops in order, leaving the last snapshot and no socket."""
    with _serving(directory, LIBRARY) as process:
        process.send_signal(number)
        process.wait()
    assert process.returncode == 0
    assert json.loads((directory / "state" / "health.json").read_text())["status"] == "stopped"
    assert not (directory / "s").exists()


@pytest.mark.slow
def test_hash_seeds_do_not_change_a_byte(directory: Path, run: Run) -> None:
    """Two daemons with different PYTHONHASHSEED answer everything with the same bytes."""
    answers = []
    for seed in ("1", "4242"):
        with _serving(directory, LIBRARY, hash_seed=seed):
            commands = (("assemble", "commands/review-change", *VALUES, "--json"), ("list", "--json"))
            outs = [run(*command, "--socket", directory / "s").out for command in commands]
            answers.append([_without_clock(out) for out in outs])
    assert answers[0] == answers[1]


def test_a_configuration_is_served(directory: Path, run: Run) -> None:
    """Roots, variables and the socket of a file apply; the file's socket is found by --config too."""
    config = directory / "promptd.toml"
    config.write_text(
        f'[[roots]]\npath = "{LIBRARY}"\n'
        f'[serve]\nsocket = "{directory}/s"\n'
        '[library.variables]\nproject_name = "From the file"\n'
    )
    with _serving(directory, "--config", config):
        served = run("assemble", "commands/review-change", "--config", config)
    assert served.code == 0, served.err
    assert served.out.startswith(b"# Review a change to From the file\n")
    assert served.out == run("assemble", "commands/review-change", "--no-daemon", "--config", config).out


def test_nothing_to_serve_is_a_usage_error(run: Run) -> None:
    """Without DIR and without a configuration there is nothing to serve."""
    code, _, err = run("serve")
    assert code == 64
    assert "promptd serve DIR" in err


@pytest.mark.parametrize("text", ["[cache]\nentries = 0\n", "[cache]\nentries = 5\n"])
def test_a_wrong_configuration_exits_78(text: str, tmp_path: Path, run: Run) -> None:
    """A value out of bounds names its key; a file without roots says what is missing."""
    config = tmp_path / "promptd.toml"
    config.write_text(text)
    code, _, err = run("serve", "--config", config)
    assert code == 78
    assert "cache.entries" in err or "[[roots]]" in err


def test_a_dialect_that_does_not_exist_is_named_with_its_line(tmp_path: Path, run: Run) -> None:
    """By every command that reads the configuration."""
    path = tmp_path / "c.toml"
    path.write_text(f'[[roots]]\npath = "{tmp_path}"\ndialects = ["nope"]\n')
    for arguments in (
        ("serve", "--config", path),
        ("config", "check", path),
        ("list", "--no-daemon", "--config", path),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (78, b"")
        assert err.startswith(f"promptd: error: {path}, line 3: roots[0].dialects: no dialect 'nope'")
