"""The claim on a state directory: one holder at a time, whoever it is and however it ends."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptd.claim import FILE_NAME, Claim

HOLD = """
import sys
from pathlib import Path
from promptd.claim import Claim
claim = Claim(Path(sys.argv[1]))
claim.assert_held()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_who_was_first_and_takes_over(tmp_path: Path) -> None:
    """The error names the process and the key; when the first lets go the second has it at its next try."""
    first, second = Claim(tmp_path), Claim(tmp_path)
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
        claim = Claim(tmp_path)
        with pytest.raises(OSError, match=rf"process {holder.pid}\)"):
            claim.assert_held()
        holder.kill()
    claim.assert_held()
    assert (tmp_path / FILE_NAME).read_text() == f"{os.getpid()}\n"
    claim.release()


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none; writing goes on there as if alone."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("promptd.claim.fcntl.flock", refuse)
    claim = Claim(tmp_path)
    claim.assert_held()
    claim.release()


def test_without_the_directory_there_is_no_claim(tmp_path: Path) -> None:
    """What failed once is tried again."""
    claim = Claim(tmp_path / "state")
    with pytest.raises(FileNotFoundError):
        claim.assert_held()
    claim.directory.mkdir()
    claim.assert_held()
    claim.release()
