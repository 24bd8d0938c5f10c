"""A state file: whole or not at all, bounded, and never more than one line in the log for what lasts."""

import errno
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptd.support import log
from promptd.support.locks import StateLock
from promptd.support.state_file import StateFile


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    log.silence()


def events(said: io.StringIO) -> list[str]:
    """The events logged so far."""
    return [json.loads(line)["event"] for line in said.getvalue().splitlines()]


def file_in(directory: Path, lock: StateLock | None = None, **more: int) -> StateFile:
    """A file of at most ten bytes."""
    return StateFile(directory / "notes.bin", "notes", max_bytes=10, lock=lock, **more)


def test_what_is_stored_is_loaded(tmp_path: Path, said: io.StringIO) -> None:
    """By another object, as by another process; with the mode that was asked for."""
    assert file_in(tmp_path, mode=0o600).store(b"123")
    assert file_in(tmp_path).load(int) == 123
    assert (tmp_path / "notes.bin").stat().st_mode & 0o777 == 0o600
    assert events(said) == []
    assert repr(file_in(tmp_path)) == f"<StateFile {tmp_path}/notes.bin>"


def test_no_file_is_nothing_to_say(tmp_path: Path, said: io.StringIO) -> None:
    """The first start."""
    assert file_in(tmp_path).load(int) is None
    assert events(said) == []


@pytest.mark.parametrize(
    "problem", [OSError, ValueError, KeyError, TypeError, MemoryError, ZeroDivisionError]
)
def test_whatever_decoding_runs_into_means_starting_afresh(
    tmp_path: Path, said: io.StringIO, problem: type[Exception]
) -> None:
    """One warning, no exception: a damaged file may make a decoder do anything."""
    file_in(tmp_path).store(b"1")

    def broken(_: bytes) -> int:
        raise problem("damaged")

    assert file_in(tmp_path).load(broken) is None
    assert events(said) == ["notes cannot be read, starting afresh"]


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path, said: io.StringIO) -> None:
    """Ten bytes are read, of eleven none; nor a file that grows while it is read (a device has no size)."""
    (tmp_path / "notes.bin").write_bytes(b"1234567890")
    assert file_in(tmp_path).load(int) == 1234567890
    (tmp_path / "notes.bin").write_bytes(b"12345678901")
    assert file_in(tmp_path).load(int) is None
    (tmp_path / "notes.bin").unlink()
    (tmp_path / "notes.bin").symlink_to("/dev/zero")
    assert file_in(tmp_path).load(bytes) is None
    assert events(said) == ["notes cannot be read, starting afresh"] * 2


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    """At the next load, once it is old enough to have lost its writer."""
    file_in(tmp_path).store(b"1")
    leftover = tmp_path / ".notes.bin.1-1.tmp"
    leftover.write_bytes(b"half")
    os.utime(leftover, (time.time() - 3_600,) * 2)
    assert file_in(tmp_path).load(int) == 1
    assert not leftover.exists()


def test_failing_is_said_when_it_begins_and_when_it_ends(tmp_path: Path, said: io.StringIO) -> None:
    """In between `last_error` has the path and the reason."""
    file = file_in(tmp_path / "missing")
    assert [file.store(b"1") for _ in range(3)] == [False] * 3
    assert file.last_error == f"{tmp_path}/missing/notes.bin: No such file or directory"
    (tmp_path / "missing").mkdir()
    assert [file.store(b"1") for _ in range(3)] == [True] * 3
    assert file.last_error == ""
    assert events(said) == ["notes not saved", "notes saved again"]


def test_only_the_holder_of_the_lock_writes(tmp_path: Path) -> None:
    """Another process's lock refuses every write and says whose it is; the content stays."""
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    assert file_in(tmp_path, first).store(b"1")
    refused = file_in(tmp_path, second)
    assert not refused.store(b"2")
    assert "another promptd" in refused.last_error
    assert refused.load(int) == 1
    first.release()
    assert refused.store(b"2")
    second.release()


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs the next start some time, and this one nothing."""
    file = file_in(tmp_path)
    file.store(b"1")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("promptd.support.state_file.write_atomic", full)
        assert not file.store(b"2")
    assert file.load(int) == 1
