"""Kill -9 at any instant and a full disk: what is on disk is whole, and the next start finds its way."""

import json
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Daemon, write
from tests.proofs import daemons

KILLS = 6
SNAPSHOT_S = 0.1
QUICK = {"PROMPTD_MONITOR_SNAPSHOT_INTERVAL": str(SNAPSHOT_S)}


@pytest.fixture
def library(place: Path) -> Path:
    """Two components, one of which needs the other."""
    return write(place / "library", {"hello.md": "Hello. @./tone.md\n", "tone.md": "Be kind.\n"})


def state_of(daemon: Daemon, name: str) -> dict[str, object] | None:
    """A file of the state directory, which must be whole if it is there."""
    try:
        data = (daemon.state / name).read_bytes()
    except FileNotFoundError:
        return None
    found: dict[str, object] = json.loads(data)
    return found


@pytest.mark.slow
def test_killed_at_any_instant(place: Path, library: Path) -> None:
    """Its snapshot and use counts are whole, and its socket is no obstacle: the next one answers."""
    chance = random.Random(7)
    for number in range(KILLS):
        daemon = daemons.start("watched", place / "run", library, **QUICK)
        try:
            if number % 4:  # else it is killed while it starts, or in its first moments
                assert "Be kind." in daemon.text("hello")
            due_s = time.monotonic() + chance.random() * 3 * SNAPSHOT_S
            while time.monotonic() < due_s:
                if number % 4:
                    daemon.ask("assemble", name="hello")
            daemon.signal(signal.SIGKILL)
            assert daemon.end() == -signal.SIGKILL
            assert (state_of(daemon, "health.json") or {"schema_version": 2})["schema_version"] == 2
            assert (state_of(daemon, "hot.json") or {"schema_version": 1})["schema_version"] == 1
        finally:
            daemon.close()
    last = daemons.start("watched", place / "run", library, **QUICK)
    try:
        assert "Be kind." in last.text("hello")
        assert not last.log("use counts cannot be read, starting afresh")
    finally:
        last.close()


@pytest.mark.slow
def test_no_use_is_lost_beyond_the_last_interval(place: Path, library: Path) -> None:
    """What was used before the last interval began is counted after a kill, and adds up over several."""
    weights = []
    for _ in range(3):
        daemon = daemons.start("watched", place / "run", library, **QUICK)
        try:
            for _ in range(10):
                daemon.text("hello")
            used_at = time.time()

            def is_kept(daemon: Daemon = daemon, used_at: float = used_at) -> bool:
                kept = state_of(daemon, "hot.json")
                return kept is not None and float(str(kept["saved_unix_s"])) > used_at

            daemon.wait_for(is_kept)
            daemon.signal(signal.SIGKILL)
            daemon.end()
            weights.append(json.loads((daemon.state / "hot.json").read_bytes())["weights"]["tone.md"])
        finally:
            daemon.close()
    assert weights == pytest.approx([10, 20, 30], rel=0.01)


def failures(daemon: Daemon) -> list[str]:
    """What the daemon says is wrong with its files."""
    return [problem for problem in daemon.ask("health")["problems"] if "not written" in problem]


@pytest.mark.slow
def test_files_that_may_not_grow(place: Path, library: Path) -> None:
    """Where no byte can be written the last good snapshot stays, the failure is logged and counted,
    requests are answered, and when there is space again the snapshot is new.
    """
    daemon = daemons.start("watched", place / "run", library, **QUICK)
    try:
        daemon.wait_for((daemon.state / "health.json").exists)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        daemon.wait_for(lambda: failures(daemon))
        last_good = daemon.snapshot()
        assert last_good["schema_version"] == 2
        assert "Be kind." in daemon.text("hello")
        daemon.wait_for(lambda: failures(daemon))
        assert daemon.snapshot() == last_good
        assert not list(daemon.state.glob(".*.tmp"))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        daemon.wait_for(lambda: not failures(daemon))
        daemon.wait_for(lambda: daemon.snapshot()["time_unix_s"] > last_good["time_unix_s"])
        assert daemon.statistics("snapshots")["failed"] > 0
        assert daemon.stop() == 0
    finally:
        daemon.close()


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if not shutil.which("mount"):
        pytest.skip("a small file system takes mount")
    disk = place / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system takes the right to mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@pytest.mark.slow
def test_a_full_disk(place: Path, library: Path, small_disk: Path) -> None:
    """The same on a real full file system: the last good snapshot and use counts stay whole."""
    daemon = daemons.start(
        "watched", place / "run", library, PROMPTD_STATE_DIRECTORY=str(small_disk / "state"), **QUICK
    )
    daemon.state = small_disk / "state"
    try:
        daemon.text("hello")
        daemon.wait_for((daemon.state / "hot.json").exists)
        daemon.wait_for((daemon.state / "health.json").exists)
        ballast = fill(small_disk)
        daemon.wait_for(lambda: failures(daemon))
        assert state_of(daemon, "health.json")
        assert state_of(daemon, "hot.json")
        assert "Be kind." in daemon.text("hello")
        ballast.unlink()
        daemon.wait_for(lambda: not failures(daemon))
        assert daemon.stop() == 0
        assert daemon.snapshot()["status"] == "stopped"
    finally:
        daemon.close()


@pytest.mark.slow
def test_a_start_on_a_full_disk(place: Path, library: Path, small_disk: Path) -> None:
    """It serves without a snapshot, and says so."""
    fill(small_disk)
    daemon = daemons.start(
        "watched", place / "run", library, PROMPTD_STATE_DIRECTORY=str(small_disk / "state"), **QUICK
    )
    try:
        daemon.wait_for(lambda: failures(daemon))
        assert "Be kind." in daemon.text("hello")
        assert daemon.ask("health")["status"] == "degraded"
    finally:
        daemon.close()
