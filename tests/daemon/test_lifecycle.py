"""The composition root from inside: exit codes, loops, and what a task that fails does to the rest.

The order of life is shown from outside, in tests/daemon.
"""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptd import config
from promptd.daemon import process
from promptd.daemon.lifecycle import Daemon
from promptd.daemon.status import StatusReporter
from promptd.errors import AlreadyRunning, ConfigError
from promptd.support import log
from tests.conftest import Library, Until

FILES = {"hello.md": "Hello.\n"}


@pytest.fixture
def switch_interval() -> Iterator[None]:
    """Undo what `run` sets for the whole process."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)
    log.silence()


@pytest.mark.usefixtures("switch_interval")
@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("cache.entries is wrong"), 78), (AlreadyRunning("a daemon serves already"), 75)],
)
def test_a_refusal_is_one_sentence_and_a_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of sysexits.h, and nothing else on standard error."""

    def load() -> config.Config:
        raise error

    assert process.run(load, {}) == code
    assert capsys.readouterr().err == f"promptd: error: {error}\n"


def test_without_uvloop_it_runs_on_asyncios_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """On other interpreters than CPython there is none."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = process._new_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()


def test_with_uvloop_it_runs_on_that() -> None:
    """Where it is installed."""
    loop = process._new_loop()
    assert type(loop).__module__.startswith("uvloop")
    loop.close()


@pytest.fixture
def made(library: Library, tmp_path: Path) -> Daemon:
    """A daemon that is put together but does not live."""
    settings = config.load(None, {}, {"roots": [str(library(FILES))]})
    return Daemon(settings, lambda: settings, {"XDG_STATE_HOME": str(tmp_path)})


async def test_a_task_that_fails_is_logged_and_the_rest_goes_on(
    made: Daemon, said: io.StringIO, until: Until
) -> None:
    """One line with the traceback."""

    async def broken() -> None:
        raise LookupError("an unexpected failure")

    task = made.tasks.spawn(broken())
    await until(task.done)
    await until(said.getvalue)
    (line,) = (json.loads(line) for line in said.getvalue().splitlines() if '"promptd.daemon"' in line)
    assert line["event"] == "unforeseen error"
    assert "LookupError: an unexpected failure" in line["exception"]
    assert repr(made).startswith("<Daemon <RunState starting>")


@pytest.mark.usefixtures("switch_interval")
def test_a_whole_life_in_this_process(
    library: Library, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On asyncio's loop: it listens, answers, and ends at SIGTERM with exit code 0."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    short = tmp_path_factory.mktemp("d")
    environment = {"PROMPTD_STATE_DIRECTORY": str(short / "state")}
    overrides = {"roots": [str(library(FILES))], "serve.socket": str(short / "s"), "log.level": "error"}
    answers: list[bytes] = []
    ready = StatusReporter.ready
    begun: list[asyncio.Task[None]] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_unix_connection(str(short / "s"))
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"hello"}}\n')
        answers.append(await reader.readline())
        writer.close()
        os.kill(os.getpid(), signal.SIGTERM)

    def ready_and_asked(status: StatusReporter) -> None:
        ready(status)
        begun.append(asyncio.create_task(ask()))

    monkeypatch.setattr(StatusReporter, "ready", ready_and_asked)
    assert process.run(lambda: config.load(None, environment, overrides), environment) == 0
    assert json.loads(answers[0])["result"]["text"] == "Hello.\n"
    assert json.loads((short / "state" / "health.json").read_text())["status"] == "stopped"
