"""Writes that make odd events or none: names, links, mappings, atomic saves, one second, lost windows."""

import asyncio
import mmap
import os
import threading
import time
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from promptd.config.schema import WatchConfig
from promptd.watch.mounts import Mounts, MountTable
from tests.faults.plain import plain
from tests.faults.running import QUICK, SOON_S, running, shows

ODD = os.fsdecode(b"\xff.md")
RECONCILING = WatchConfig(poll_interval=5, debounce=10, rescan_interval=0.3)


# -- a name that is not UTF-8 -----------------------------------------------------------------


def test_plain_a_name_that_is_not_utf8_breaks_the_watcher_for_good(root: Path) -> None:
    """Every later look raises the same error."""
    with plain(root) as watch:
        (root / ODD).touch()
        for _ in range(3):
            with pytest.raises(WatchfilesRustInternalError, match="decode"):
                watch.reported(10_000)


async def test_ours_a_name_that_is_not_utf8(root: Path) -> None:
    """Each costs a restart of the watcher, and no request fails."""

    def write(text: str) -> None:
        (root / os.fsdecode(text.split(maxsplit=1)[0].encode() + b"\xff.md")).touch()
        (root / "part.md").write_text(text)

    async with running(root) as service:
        await shows(service, write)
        await service.until(lambda: service.watcher.watcher_restarts_total >= 1)
        await service.until(lambda: service.watcher.mode == "inotify")
        await shows(service, (root / "part.md").write_text)


async def test_ours_a_directory_whose_name_is_not_utf8(root: Path) -> None:
    """It is not served; the rest is as it was."""
    async with running(root) as service:
        (root / os.fsdecode(b"\xfe")).mkdir()
        await shows(service, (root / "part.md").write_text)


# -- no event at all --------------------------------------------------------------------------


def write_through_a_link(root: Path, text: str) -> None:
    """Write to the file by a second name outside the library."""
    outside = root.parent / "outside.md"
    if not outside.exists():
        os.link(root / "part.md", outside)
    with outside.open("r+") as file:
        file.write(text)
        file.truncate()


def write_through_a_mapping(root: Path, text: str) -> None:
    """Write to the file through memory; its size stays."""
    with (root / "part.md").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = text.encode().ljust(len(mapped))
        mapped.flush()


@pytest.mark.parametrize("write", [write_through_a_link, write_through_a_mapping])
def test_plain_such_a_write_is_not_reported(root: Path, write: object) -> None:
    """The kernel makes no event in the directory that is watched."""
    assert callable(write)
    with plain(root) as watch:
        write(root, "new")
        assert str(root / "part.md") not in watch.reported()


@pytest.mark.parametrize("write", [write_through_a_link, write_through_a_mapping])
async def test_ours_such_a_write_is_found_by_the_reconcile(root: Path, write: object) -> None:
    """A request sees it at once; unasked it is warm an interval later, counted, and the watcher made anew."""
    assert callable(write)
    async with running(root, RECONCILING, SOON_S) as service:
        await shows(service, lambda text: write(root, text))
        await service.until(lambda: service.missed >= 1)
        await service.until(lambda: service.watcher.watcher_restarts_total >= 1)
        assert "file event" in service.watcher.last_error
        await service.until(lambda: service.watcher.mode == "inotify")
        await shows(service, (root / "part.md").write_text)


async def test_ours_a_request_that_finds_a_missed_event_restarts_the_watcher(root: Path) -> None:
    """The watcher need not wait for the next rescan."""
    async with running(root, explained_s=SOON_S) as service:
        write_through_a_link(root, "found\n")
        assert "found" in await service.ask()
        await service.until(lambda: service.missed == 1)
        await service.until(lambda: service.watcher.watcher_restarts_total == 1)


# -- saves ------------------------------------------------------------------------------------


def save(path: Path, text: str) -> None:
    """As editors do: write beside it and rename over it."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def test_plain_a_batch_says_that_a_file_came_and_went(root: Path) -> None:
    """Both kinds for one path in one unordered set: a kind proves nothing."""
    with plain(root) as watch:
        (root / "part.md").unlink()
        (root / "part.md").write_text("new")
        save(root / "part.md", "newer")
        kinds = {kind for kind, path in watch.changes() if path == str(root / "part.md")}
    assert {1, 3} <= kinds


async def test_ours_deleted_and_written_and_saved_in_one_breath(root: Path) -> None:
    """Only what is there at the end counts."""

    def churn(text: str) -> None:
        for _ in range(5):
            (root / "part.md").unlink()
            (root / "part.md").write_text("not yet")
            save(root / "part.md", text)

    async with running(root) as service:
        await shows(service, churn)
        assert service.missed == 0


def test_plain_a_watch_on_a_file_dies_with_an_atomic_save(root: Path) -> None:
    """The inode is gone, and its successor is not reported."""
    with plain(root / "part.md") as watch:
        save(root / "part.md", "new")
        assert watch.reported()
        (root / "part.md").write_text("newer")
        assert watch.reported() == set()


async def test_ours_atomic_saves(root: Path) -> None:
    """Directories are watched, never files."""
    async with running(root) as service:
        await shows(service, lambda text: save(root / "part.md", text))
        assert service.missed == 0


# -- polling ----------------------------------------------------------------------------------


def early_in_a_second() -> None:
    """Wait for the first tenth of a second of a second."""
    while time.time() % 1 > 0.1:
        threading.Event().wait(0.01)


@pytest.mark.slow
def test_plain_polling_misses_the_second_edit_of_a_second(root: Path) -> None:
    """It compares whole seconds."""
    early_in_a_second()
    (root / "part.md").write_text("first")
    with plain(root, polling=True) as watch:
        (root / "part.md").write_text("second")
        assert str(root / "part.md") not in watch.reported()


@pytest.mark.slow
async def test_ours_scanning_sees_every_edit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that tells nothing: signatures have nanoseconds, inode and size."""
    monkeypatch.setattr(MountTable, "read", lambda _: Mounts({"/": "nfs4"}))
    async with running(root, QUICK) as service:
        assert service.watcher.mode == "scan"
        assert service.watcher.directories == 0
        await asyncio.to_thread(early_in_a_second)
        await shows(service, (root / "part.md").write_text)
        assert (service.missed, service.watcher.watcher_restarts_total) == (0, 0)


# -- the window -------------------------------------------------------------------------------


@pytest.mark.slow
def test_plain_events_vanish_when_a_look_times_out(root: Path) -> None:
    """What comes between the last look at the events and the time-out is thrown away.

    The window is some hundred nanoseconds wide: a fast machine may run for minutes without falling into it.
    """
    deadline_s = time.monotonic() + 5
    while not _lost_by_short_looks(root):
        if time.monotonic() > deadline_s:
            pytest.skip("no event came in the window before the time-out in 5 s; it is a matter of luck")


def _lost_by_short_looks(root: Path) -> int:
    """How many of a thousand new files are never reported to a caller that waits a millisecond at a time."""
    place = root / str(time.time_ns())
    place.mkdir()
    notify = RustNotify([str(place)], False, False, 0, True, False)
    writing = threading.Thread(target=lambda: [(place / f"{number}.md").touch() for number in range(1_000)])
    writing.start()
    reported: set[str] = set()
    while True:
        is_last = not writing.is_alive()
        seen = notify.watch(0, 5, 100, None) if is_last else notify.watch(0, 0, 1, None)
        reported |= set() if isinstance(seen, str) else {path for _, path in seen}
        if is_last and isinstance(seen, str):
            notify.close()
            return 1_000 - len(reported)


async def test_ours_no_event_vanishes(root: Path) -> None:
    """A thousand files, one after the other, each one reported: none is found by chance later."""
    async with running(root) as service:
        for number in range(1_000):
            (root / f"{number}.md").write_text("x")
            if number % 10 == 0:
                await asyncio.sleep(0)
        await service.until(lambda: len(service.workspace.library) == 1_002)
        assert service.watcher.full_batches <= 1 + service.watcher.stalls
        assert service.missed == 0
