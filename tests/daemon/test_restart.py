"""A daemon that starts again: it reads what changed while it was down, and says what a new one would say."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.daemon.conftest import Start
from tests.daemon.process import Daemon, write

FILES = {f"components/{number}.md": f"Number {number}.\n" for number in range(20)} | {
    "hello.md": "Hello.\n<include>components/3.md</include>\n<include>components/4.md</include>\n"
}


@pytest.fixture
def library(directory: Path) -> Path:
    """A library whose files are old enough for their signatures to prove something."""
    root = write(directory / "library", FILES)
    youngest = max(path.stat().st_ctime for path in root.rglob("*.md"))
    time.sleep(
        max(0.0, youngest + 2.05 - time.time())
    )  # the racily-clean window, which no clock here can move
    return root


def stopped(daemon: Daemon) -> None:
    """See it through to its end."""
    daemon.ask("ping")
    daemon.signal(signal.SIGTERM)
    assert daemon.end() == 0


def reads(daemon: Daemon) -> int:
    """How many files were opened until it was ready, and a few that are hot."""
    daemon.ask("ping")
    return int(daemon.statistics("loader")["reads"])


@pytest.mark.slow
def test_a_restart_reads_what_changed_and_answers_with_it(start: Start, library: Path) -> None:
    """Also a change that kept size and time of modification; and a damaged index costs only time."""
    stopped(start(library))
    changed = library / "components/3.md"
    before = changed.stat()
    changed.write_text("Nummer 3.\n")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = start(library)
    assert again.text("hello") == "Hello.\nNummer 3.\nNumber 4.\n"
    assert again.statistics("library")["components"] == len(FILES)
    assert reads(again) < len(FILES) / 2
    state = again.state / "index.bin"
    stopped(again)
    state.write_bytes(state.read_bytes()[:-1])
    third = start(library)
    assert third.text("hello") == "Hello.\nNummer 3.\nNumber 4.\n"
    assert reads(third) >= len(FILES)
    assert third.log("index cannot be read, starting afresh")
