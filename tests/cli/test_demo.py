"""The demo, for real: a daemon, a socket, an edit; and nothing left behind however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from promptd.cli.demo import daemon as demo_daemon
from promptd.errors import Internal


def _start(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "promptd", "demo"],
        env=os.environ | {"TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_whole_story(tmp_path: Path) -> None:
    """It exits 0, shows prompt, manifest, tokens, edit, time and snapshot in plain text, and cleans up."""
    with _start(tmp_path) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    for sign in ("# Review a change to Harbour", "tokens in the whole prompt", "+| **note** |",
                 "after the file was written", '"schema_version"', "SIGTERM: exit 0"):  # fmt: skip
        assert sign in out, f"{sign!r} is missing from the demo's output"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM stop the daemon, remove its directory and print no traceback."""
    with _start(tmp_path) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if line.startswith("promptd serve, pid "))
        daemon_pid = int(first.split("pid ")[1].split(":")[0])
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{daemon_pid}").exists()


def test_a_daemon_that_does_not_come_up_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error holds the end of the daemon's log, and the directory is gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(demo_daemon, "SNAPSHOT_EVERY_S", "not a number")
    with pytest.raises(Internal, match="did not start") as failure, demo_daemon.demo_daemon():
        pytest.fail("a daemon with a wrong configuration came up")
    assert "snapshot_interval" in "".join(failure.value.details["log"])
    assert list(tmp_path.iterdir()) == []
