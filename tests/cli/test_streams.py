"""Streams that fail: a command ends with the documented code, and writes all or says so."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from promptd.cli import app, streams
from promptd.cli.app import main
from promptd.engine.embedded import Engine
from promptd.support import log
from tests.cli.conftest import FakeDaemon, Run
from tests.cli.everything import answer_for, command_lines
from tests.suite.session import untraced

NAME = "commands/a.md"
BIG = "word " * 100_000
FULL = "promptd: error: cannot write to stdout: No space left on device"

Lines = list[tuple[str, ...]]


@pytest.fixture
def everything(daemon: FakeDaemon, root: Path, tmp_path: Path) -> Iterator[Lines]:
    """Give a command line for every command and format, with a daemon that answers them all."""
    with Engine.open(root) as engine:
        answer_for(daemon, engine, "a text")
        yield command_lines(NAME, tmp_path, "a text")


@contextlib.contextmanager
def _pipe_without_a_reader() -> Iterator[TextIO]:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        yield stream


def _main_with(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], **streams: TextIO | None) -> int:
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        return int(main(arguments))


def test_a_full_disk_is_73_for_every_command(
    everything: Lines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`/dev/full` takes nothing: the last line on stderr says so, after whatever warnings there are."""
    with open("/dev/full", "w") as full:
        for arguments in everything:
            code = _main_with(monkeypatch, arguments, stdout=full)
            assert (code, capfd.readouterr().err.splitlines()[-1]) == (73, FULL), arguments


def test_a_reader_that_left_is_141_for_every_command(
    everything: Lines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And nothing is said of it; help pages are no exception."""
    with _pipe_without_a_reader() as gone:
        for arguments in everything:
            code = _main_with(monkeypatch, arguments, stdout=gone)
            assert (code, capfd.readouterr().err.count("error")) == (141, 0), arguments


def test_a_stderr_that_is_full_closed_or_left_changes_nothing(
    everything: Lines, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The result and the code are those of a stderr that works."""
    with open("/dev/full", "w") as full, _pipe_without_a_reader() as gone:
        for arguments in everything:
            expected = int(main(arguments)), capfdbinary.readouterr().out
            for stderr in (full, gone, None):
                code = _main_with(monkeypatch, arguments, stderr=stderr)
                assert (code, capfdbinary.readouterr().out) == expected, arguments


def test_an_unforeseen_error_is_one_sentence_and_70(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command raises; the traceback is for those who ask for it."""
    for error in (
        ValueError("bad\x1b[2J"),
        BrokenPipeError(32, "Broken pipe"),
        MemoryError(),
        OSError(5, "I/O"),
    ):

        def broken(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("promptd.cli.list.ask", broken)
        code, out, err = run("list")
        assert (code, out) == (70, b"")
        assert err.startswith(f"promptd: error: unexpected error, a bug in promptd: {type(error).__name__}")
        assert err.count("\n") == 2
        assert "\x1b" not in err
    monkeypatch.setenv("PROMPTD_DEBUG", "1")
    err = run("list").err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "raise error" in err


# -- as the shell has them --------------------------------------------------------------------------


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give an environment with and without PYTHONUNBUFFERED, which containers set."""
    return untraced() | {"PYTHONUNBUFFERED": request.param}


def _command(library: Path) -> list[str]:
    return [sys.executable, "-m", "promptd", "assemble", "big", "--library", str(library)]


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Write a library with a component of 500 kB."""
    (tmp_path / "L").mkdir()
    (tmp_path / "L" / "big.md").write_text(BIG)
    return tmp_path / "L"


@pytest.mark.slow
def test_a_file_at_its_size_limit_is_73(big: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """A write that takes a part is followed by one that fails: never a cut prompt and exit 0."""
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run(
            _command(big),
            env=environment,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536)),
        )
    assert done.returncode == 73
    assert done.stderr == b"promptd: error: cannot write to stdout: File too large\n"


@pytest.mark.slow
def test_a_reader_that_leaves_half_way_is_141(big: Path, environment: dict[str, str]) -> None:
    """`| head -c 1`."""
    with subprocess.Popen(
        _command(big), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"w"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


@pytest.mark.slow
def test_a_pipe_that_does_not_block_gets_all(big: Path, environment: dict[str, str]) -> None:
    """The command waits until there is room."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    got: list[bytes] = []
    with subprocess.Popen(_command(big), env=environment, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        with open(reader, "rb") as pipe:
            thread = threading.Thread(target=lambda: got.append(pipe.read()))
            thread.start()
            thread.join()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == (b"", 0)
    assert got == [BIG.encode()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closed", "code", "out", "err"),
    [
        (">&-", 73, b"", b"promptd: error: cannot write to stdout: it is closed or read-only\n"),
        ("2>&-", 0, b"x\n", b""),
        ("<&-", 0, b"x\n", b"warning"),
        (">&- 2>&- <&-", 73, b"", b""),
    ],
)
def test_closed_streams(
    closed: str, code: int, out: bytes, err: bytes, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A file that is opened meanwhile does not take the place of a stream that is closed."""
    (tmp_path / "x.md").write_text("x\n<include>gone.md</include>\n")
    command = f'"{sys.executable}" -m promptd assemble x --library "{tmp_path}" {closed}'
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (code, out)
    assert err in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_long_ones_clean_up_when_a_stream_fails(stream: str, tmp_path: Path) -> None:
    """`demo` stops its daemon and removes its directory: with 73, or with 0 where only stderr fails."""
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "promptd", "demo"],
            env=untraced() | {"TMPDIR": str(tmp_path)},
            **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: full}),  # type: ignore[call-overload]
        )
        out, err = process.communicate()
    assert process.returncode == (73 if stream == "stdout" else 0)
    assert b"Traceback" not in (err or out)
    assert list(tmp_path.iterdir()) == []


def test_every_command_is_tried_here(everything: Lines) -> None:
    """A new command comes into tests/cli/everything.py, or here with the reason why not."""
    elsewhere = {
        "serve": "writes nothing but its log",
        "init": "needs a directory of its own; prints through the same functions",
        "bench": "takes half a minute; test_command.py of bench runs it",
        "demo": "above",
    }
    tried = {arguments[0] for arguments in everything}
    assert {name for names in app.COMMANDS.values() for name in names} == tried - {"--help", "--version"} | {
        *elsewhere
    }


def test_a_log_counts_what_is_lost_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon's stderr may be full for a while: that costs lines, and the next one is tried again."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = log.statistics()
    with open(writer, "w") as stderr, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        with streams.whole_streams():
            streams.make_stderr_a_log()
            log.configure("json")
            try:
                while log.statistics().lost == before.lost:
                    log.get_logger("x").info("a line", filler="x" * 300)
                os.read(reader, 1 << 20)
                log.get_logger("x").info("the last line")
            finally:
                log.silence()
        assert b"the last line" in os.read(reader, 1 << 20)
    os.close(reader)
