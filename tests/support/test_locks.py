"""The lock on a state directory: one holder at a time, whichever process it is and however it ends."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from promptd.daemon.state.index_file import IndexFile, Writing
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.support.locks import FILE_NAME, StateLock

HOLD = """
import sys
from pathlib import Path
from promptd.support.locks import StateLock
lock = StateLock(Path(sys.argv[1]))
lock.assert_held()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_learns_who_was_first_and_takes_over(tmp_path: Path) -> None:
    """The error names the process and the key; when the first lets go the second has it at its next try."""
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.assert_held()
    first.assert_held()
    with pytest.raises(OSError, match=f"process {os.getpid()}.*`state.directory`") as refused:
        second.assert_held()
    assert refused.value.errno == errno.EBUSY
    first.release()
    second.assert_held()
    assert "not held" in repr(first)
    second.release()


def test_a_killed_holder_leaves_nothing_that_blocks(tmp_path: Path) -> None:
    """The lock goes with the process, the file stays."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lock = StateLock(tmp_path)
        with pytest.raises(OSError, match=rf"process {holder.pid}\)"):
            lock.assert_held()
        holder.kill()
    lock.assert_held()
    assert (tmp_path / FILE_NAME).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_file_system_without_locks_refuses_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none; writing goes on there as if alone."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("promptd.support.locks.fcntl.flock", refuse)
    lock = StateLock(tmp_path)
    lock.assert_held()
    lock.release()


def test_without_the_directory_there_is_no_lock(tmp_path: Path) -> None:
    """What failed once is tried again."""
    lock = StateLock(tmp_path / "state")
    with pytest.raises(FileNotFoundError):
        lock.assert_held()
    lock.directory.mkdir()
    lock.assert_held()
    lock.release()


def test_a_lock_whose_file_was_removed_is_taken_again(tmp_path: Path) -> None:
    """The next process locks another file of that name: then the first has to give way."""
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.assert_held()
    (tmp_path / "lock").unlink()
    second.assert_held()
    with pytest.raises(OSError, match="another promptd"):
        first.assert_held()
    second.release()


def test_threads_of_one_daemon_do_not_refuse_each_other(tmp_path: Path) -> None:
    """Snapshot and use counts are written in threads."""
    refused: list[OSError] = []

    def take(lock: StateLock, together: threading.Barrier) -> None:
        together.wait()
        try:
            lock.assert_held()
        except OSError as problem:
            refused.append(problem)

    for _ in range(100):
        lock, together = StateLock(tmp_path), threading.Barrier(2)
        threads = [threading.Thread(target=take, args=(lock, together)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lock.release()
    assert not refused


def test_the_second_daemon_writes_no_index_and_no_counts(tmp_path: Path) -> None:
    """The holder of the lock writes, and no other process."""
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.assert_held()
    assert not IndexFile(tmp_path, second).write(Writing(()))
    TokenCountsFile(tmp_path, second).write("x", {})
    assert {path.name for path in tmp_path.iterdir()} == {"lock"}
    first.release()
