"""The kernel's queue of events runs over: watchman's recipe, with the queue as it is and with a short one."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import Start
from tests.daemon.process import Daemon
from tests.faults.namespaces import REPOSITORY, environment

FILES = 20_000
WITHIN_S = 2.0  # watchman's own bound, on a machine that has nothing else to do
TIMES_PLAIN = 10  # elsewhere, so many times what a plain look at the same files takes
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def create(root: Path) -> None:
    """Twenty thousand files, as fast as they come."""
    for number in range(FILES):
        os.close(os.open(f"{root}/{number:05}.md", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))


def plain_look_s(root: Path) -> float:
    """How long this machine takes to list, stat, read and hash those files, one by one."""
    began_s = time.monotonic()
    for entry in sorted(root.iterdir()):
        entry.lstat()
        hashlib.sha256(entry.read_bytes()).digest()
    return time.monotonic() - began_s


@pytest.fixture
def short_queue() -> Iterator[None]:
    """A queue of 64 events for every instance that is made on this machine meanwhile; needs root."""
    before = QUEUE.read_text()
    try:
        QUEUE.write_text("64")
    except OSError as problem:
        pytest.skip(f"fs.inotify.max_queued_events cannot be set here: {problem}")
    yield
    QUEUE.write_text(before)


@pytest.fixture
def plain_listener(place: Path) -> Iterator[Callable[[], int]]:
    """A process that watches plainly and is stopped; the function continues it and returns its count."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.inside", "listen", str(place)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=REPOSITORY,
    )
    deadline_s = time.monotonic() + 20
    while not (place.parent / "listening").exists():
        assert time.monotonic() < deadline_s
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)

    def go_on() -> int:
        process.send_signal(signal.SIGCONT)
        (place.parent / "go").touch()
        reported, _ = process.communicate(timeout=40)
        return int(reported.strip().removeprefix('{"reported": ').removesuffix("}"))

    yield go_on
    process.kill()
    process.wait()


@pytest.mark.slow
def test_plain_most_files_are_never_reported(place: Path, plain_listener: Callable[[], int]) -> None:
    """Stopped while they are made, it learns of a part of them, and of no error."""
    create(place)
    assert plain_listener() < FILES


@pytest.mark.slow
@pytest.mark.alone
def test_plain_a_short_queue_is_worse(
    place: Path, short_queue: None, plain_listener: Callable[[], int]
) -> None:
    """Of twenty thousand files some dozens are reported."""
    create(place)
    assert plain_listener() <= 64


def stop_and_create(daemon: Daemon, root: Path) -> None:
    """Watchman's recipe: SIGSTOP, twenty thousand files, SIGCONT; complete within two seconds."""
    daemon.wait_for(lambda: daemon.statistics("maintenance")["batches"] >= 1)
    full_batches = daemon.statistics("watcher")["full_batches"]
    daemon.signal(signal.SIGSTOP)
    create(root)
    started_s = time.monotonic()
    daemon.signal(signal.SIGCONT)
    total = daemon.ask("list", glob="00001.md")["total"]
    took_s = time.monotonic() - started_s
    assert total == FILES + 1
    plain_s = plain_look_s(root)
    assert took_s <= max(WITHIN_S, TIMES_PLAIN * plain_s), f"{took_s} s; a plain look takes {plain_s} s"
    daemon.wait_for(lambda: daemon.statistics("watcher")["full_batches"] > full_batches)
    watcher = daemon.statistics("watcher")
    assert watcher["watcher_restarts_total"] == 0
    assert daemon.statistics("maintenance")["missed_events_total"] == 0
    batches = watcher["batches"]
    (root / "19999.md").write_text("still watched\n")
    daemon.wait_for(lambda: daemon.statistics("watcher")["batches"] > batches)
    assert "still watched" in daemon.text("19999")


@pytest.mark.slow
def test_ours_twenty_thousand_files_while_the_daemon_stood_still(root: Path, start: Start) -> None:
    """It notices, by the time that passed or by the number of events, and looks for itself."""
    (root / "part.md").unlink()
    stop_and_create(start(root), root)


@pytest.mark.slow
@pytest.mark.alone
def test_ours_the_same_with_a_short_queue(root: Path, short_queue: None, start: Start) -> None:
    """64 events are all that the kernel keeps."""
    (root / "part.md").unlink()
    stop_and_create(start(root), root)


@pytest.mark.slow
@pytest.mark.alone
def test_ours_a_burst_that_is_large_for_the_queue(root: Path, short_queue: None, start: Start) -> None:
    """No process was stopped, but of a burst the queue may have dropped a part: everything is scanned."""
    daemon = start(root)
    daemon.wait_for(lambda: daemon.statistics("maintenance")["batches"] >= 1)
    for number in range(500):
        (root / f"{number}.md").write_text("x")
    daemon.wait_for(lambda: daemon.statistics("library")["components"] == 502)
    assert daemon.statistics("watcher")["full_batches"] >= 2
    assert daemon.statistics("maintenance")["missed_events_total"] == 0
