"""inotify.py: the habits by which watchfiles is used, against the real thing."""

import asyncio
import itertools
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptd.watch import inotify
from promptd.watch.inotify import (
    RELEASE_S,
    HeartbeatFile,
    Inotify,
    instances,
    is_limit,
    max_queued_events,
)
from tests.watch.fakes import AsNobody

DEADLINE_S = 10.0


def drained(notifier: Inotify, *wanted: object) -> set[str]:
    """Drain until all wanted paths were reported; returns all that were."""
    found: set[str] = set()
    deadline_s = time.monotonic() + DEADLINE_S
    while not found.issuperset(map(str, wanted)):
        assert time.monotonic() < deadline_s, f"never reported: {wanted}, only {found}"
        found |= notifier.drain()
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with one below it."""
    (tmp_path / "sub").mkdir()
    return tmp_path.resolve()


@pytest.fixture
def watching(root: Path) -> Iterator[Inotify]:
    """A notifier on the directory, not on what is below."""
    notifier = Inotify([str(root)])
    yield notifier
    notifier.close()


def test_events_carry_the_paths_of_the_directories(watching: Inotify, root: Path) -> None:
    """Not those of the handles they were opened by; what happens below a directory is not reported."""
    (root / "sub" / "unseen.md").write_text("x")
    (root / "a.md").write_text("a")
    assert drained(watching, root / "a.md") == {str(root / "a.md")}
    root.chmod(0o700)
    assert drained(watching, root) <= {str(root), str(root / "a.md")}  # its last event may come late


def test_draining_does_not_wait(watching: Inotify) -> None:
    """Of a hundred empty ones hardly any gives up the processor: a call that waits does, on any machine."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    assert not any(watching.drain() for _ in range(100))
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before < 10


@pytest.mark.slow
async def test_no_event_is_lost_between_drains(watching: Inotify, root: Path) -> None:
    """An event that arrives during an empty drain is in the next one: 5,000 files, drained all the while."""
    names = [f"{number}.md" for number in range(5_000)]

    def write() -> None:
        for name in names:
            (root / name).touch()

    found: set[str] = set()
    writing = asyncio.create_task(asyncio.to_thread(write))
    while not writing.done():
        found |= watching.drain()
        await asyncio.sleep(0)
    found |= drained(watching, *({str(root / name) for name in names} - found))
    assert found >= {str(root / name) for name in names}


def test_a_directory_name_that_is_not_utf8_is_watched(root: Path) -> None:
    """Rust sees a handle, never the name."""
    odd = root / os.fsdecode(b"\xff")
    odd.mkdir()
    notifier = Inotify([str(odd)])
    (odd / "a.md").write_text("a")
    drained(notifier, odd / "a.md")
    notifier.close()


def test_a_symlink_is_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither as the last part of a path nor in the middle: what is watched is what was listed."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "deep").mkdir()
    (root / "link").symlink_to(outside)
    for path in (root / "link", root / "link" / "deep"):
        with pytest.raises(OSError, match=r"[Nn]o"):
            Inotify([str(path)])


def test_a_directory_replaced_while_it_is_watched_is_noticed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch is on the old one then: the making fails, and nothing is left open."""
    real = inotify.RustNotify

    def swap_and_make(*arguments: Any) -> Any:
        (root / "sub").rename(root / "old")
        (root / "sub").mkdir()
        return real(*arguments)

    before = Inotify.open_instances
    monkeypatch.setattr(inotify, "RustNotify", swap_and_make)
    with pytest.raises(FileNotFoundError):
        Inotify([str(root), str(root / "sub")])
    assert Inotify.open_instances == before


def test_what_cannot_be_watched_says_why(root: Path, as_nobody: AsNobody) -> None:
    """Gone, not a directory, or forbidden: errors of their own kind, not swallowed."""
    (root / "file").touch()
    for name, error in (("gone", FileNotFoundError), ("file", NotADirectoryError)):
        with pytest.raises(error):
            Inotify([str(root), str(root / name)])
    secret = as_nobody.directory / "secret"
    secret.mkdir()
    secret.chmod(0)
    with as_nobody, pytest.raises(PermissionError):
        Inotify([str(secret)])


def test_the_heartbeat_reaches_every_instance_and_no_disk(root: Path) -> None:
    """Two notifiers report it by its own path, beside what happens in their directories."""
    heartbeat = HeartbeatFile()
    both = [Inotify([str(root), heartbeat.path]), Inotify([str(root / "sub"), heartbeat.path])]
    for _ in range(2):
        heartbeat.beat()
        assert [drained(notifier, heartbeat.path) for notifier in both] == [{heartbeat.path}] * 2
    assert sorted(path.name for path in root.iterdir()) == ["sub"]
    for notifier in both:
        notifier.close()
    heartbeat.close()
    heartbeat.beat()
    assert repr(heartbeat) == "<HeartbeatFile none>"


def test_without_anonymous_files_there_is_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has none, or forbids them, costs the probe and nothing else."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "memfd_create", refuse)
    heartbeat = HeartbeatFile()
    assert heartbeat.path == ""
    heartbeat.beat()
    heartbeat.close()


def test_after_the_end_it_raises(root: Path) -> None:
    """A closed notifier is no silent one."""
    notifier = Inotify([str(root)])
    notifier.close()
    with pytest.raises(RuntimeError, match="closed"):
        notifier.drain()


def test_limits_are_known_by_their_text() -> None:
    """The two errors of a used-up limit, as watchfiles words them, and too few descriptors; no other."""
    assert is_limit(OSError('OS file watch limit reached. about ["/x"] (Error { ... })'))
    assert is_limit(RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"))
    assert is_limit(OSError(24, "Too many open files"))
    assert not is_limit(PermissionError(13, "Permission denied (os error 13)"))


class _Refusing:
    """A RustNotify that refuses for want of watches so many times, and then is none."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asked = 0

    def __call__(self, *_: object) -> "_Refusing":
        self.asked += 1
        if self.asked <= self.refusals:
            raise OSError("OS file watch limit reached")
        return self

    def close(self) -> None:
        """Nothing to close."""


def test_a_limit_is_asked_twice_while_a_closed_instance_lingers(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watches count until a thread of watchfiles has closed it; without such a one once is enough."""
    lingering = [0, 0, 1, 1, 0, 0]
    monkeypatch.setattr(inotify, "instances", lambda: Inotify.open_instances + lingering.pop(0))
    once = _Refusing(9)
    monkeypatch.setattr(inotify, "RustNotify", once)
    with pytest.raises(OSError, match="limit"):
        Inotify([str(root)])
    assert once.asked == 1
    del lingering[0]
    twice = _Refusing(1)
    monkeypatch.setattr(inotify, "RustNotify", twice)
    Inotify([str(root)]).close()
    assert twice.asked == 2


def test_the_wait_for_a_foreign_instance_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for closed instances is bounded, by a clock that is a step further at each look."""
    seconds = itertools.count(0.0, RELEASE_S / 10)
    monkeypatch.setattr(
        inotify, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None)
    )
    monkeypatch.setattr(inotify, "instances", lambda: Inotify.open_instances + 1)
    monkeypatch.setattr(inotify, "RustNotify", _Refusing(1))
    Inotify([str(root)]).close()
    assert RELEASE_S <= next(seconds) < 2 * RELEASE_S


def test_instances_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more for each; none where /proc does not say."""
    before = instances()
    notifier = Inotify([str(root)])
    assert instances() >= before + 1 or before > 0  # one closed earlier may go just now
    notifier.close()

    def refuse(_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert instances() == 0


def test_the_queue_length_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read where it stands, and assumed where it does not."""
    said = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    assert max_queued_events() == said

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("builtins.open", refuse)
    assert max_queued_events() == 16_384


def test_repr_counts(watching: Inotify) -> None:
    """The repr says how many paths are watched."""
    assert repr(watching) == "<Inotify 1 paths>"
