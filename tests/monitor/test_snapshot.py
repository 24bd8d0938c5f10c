"""snapshot.py: the document from a sample, and the file that is whole or not written at all."""

import asyncio
import dataclasses
import errno
import io
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from promptd.monitor import snapshot as module
from promptd.monitor.sampler import (
    FailedSource,
    ProcessSample,
    Sample,
    Sampler,
)
from promptd.monitor.snapshot import (
    ProcessInfo,
    Snapshots,
    build,
    encode,
)
from promptd.support import log
from promptd.support.locks import StateLock

ABOUT = ProcessInfo(version="1.2.3", pid=42)
PROCESS = ProcessSample(
    pid=42,
    rss_bytes=50_000_000,
    uss_bytes=40_000_000,
    cpu_user_s=1.0,
    cpu_system_s=0.5,
    cpu_percent=2.0,
    open_descriptors=12,
    threads=3,
)


@dataclasses.dataclass(frozen=True)
class Caching:
    """Like the cache's record."""

    misses: int
    hits: int
    pinned: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Like stats.Distribution, with whatever percentiles it has."""

    count: int
    total: int
    p50: int
    p95: int
    p99: int


@dataclasses.dataclass(frozen=True)
class Requests:
    """Like the handler's record."""

    requests: int
    by_method: Mapping[str, int]
    latency_us: Distribution


@dataclasses.dataclass(frozen=True)
class Watching:
    """Like the watcher's record, as far as the snapshot looks at it."""

    mode: str


def sample(**sections: Any) -> Sample:
    """A sample of these sections at a known moment."""
    return Sample(taken_unix_s=1_750_000_000.25, uptime_s=61.5, sections=sections, process=PROCESS)


def built(**sections: Any) -> dict[str, Any]:
    """The snapshot of these sections, through JSON and back."""
    decoded: dict[str, Any] = json.loads(encode(build(sample(**sections), ABOUT, valid_for_s=30.0)))
    return decoded


# -- the document -----------------------------------------------------------------------------


def test_the_head_says_who_when_and_how_long_it_holds() -> None:
    """Schema, time in two forms, validity, uptime, identity and status come first, in this order."""
    document = built()
    assert list(document.items())[:9] == [
        ("schema_version", 2),
        ("time", "2025-06-15T15:06:40.250Z"),
        ("time_unix_s", 1_750_000_000.25),
        ("valid_until_unix_s", 1_750_000_030.25),
        ("uptime_s", 61.5),
        ("pid", 42),
        ("version", "1.2.3"),
        ("status", "ok"),
        ("problems", []),
    ]
    assert document["process"]["rss_bytes"] == 50_000_000


def test_sections_stand_under_their_names_in_their_order() -> None:
    """Each source is one object between the head and the process."""
    document = built(watcher=Watching("inotify"), cache=Caching(1, 3))
    assert list(document)[9:] == ["watcher", "cache", "process"]


def test_the_same_sample_gives_the_same_bytes() -> None:
    """Sets and mappings are sorted: hash seeds and insertion order do not show."""
    one = sample(cache=Caching(1, 3, frozenset("abcdef")), by={"b": 1, "a": 2})
    two = sample(cache=Caching(1, 3, frozenset("fedcba")), by={"a": 2, "b": 1})
    assert encode(build(one, ABOUT, valid_for_s=1)) == encode(build(two, ABOUT, valid_for_s=1))
    assert built(by={"b": 1, "a": 2})["by"] == {"a": 2, "b": 1}


def test_it_is_indented_json_with_a_newline_at_the_end() -> None:
    """People read it too."""
    data = encode(build(sample(), ABOUT, valid_for_s=1))
    assert data.startswith(b'{\n  "schema_version": 2,\n  "time": ')
    assert data.endswith(b"}\n")


def test_a_hit_ratio_stands_beside_hits_and_misses() -> None:
    """At any depth; None before the first look-up rather than a flattering 1."""
    document = built(cache={"components": Caching(1, 3), "prompts": Caching(0, 0)})
    assert document["cache"]["components"]["hit_ratio"] == 0.75
    assert document["cache"]["prompts"]["hit_ratio"] is None


def test_latency_is_in_milliseconds() -> None:
    """A distribution of µs becomes one of ms with its mean; mapping proxies are mappings."""
    latency = Distribution(count=4, total=10_000, p50=1_500, p95=4_000, p99=8_250)
    document = built(requests=Requests(4, MappingProxyType({"ping": 4}), latency))
    assert document["requests"] == {
        "requests": 4,
        "by_method": {"ping": 4},
        "latency_ms": {"count": 4, "mean": 2.5, "p50": 1.5, "p95": 4.0, "p99": 8.25},
    }


def test_a_distribution_of_nothing_and_one_in_other_units() -> None:
    """No division by zero; a distribution that is not in µs keeps its name and numbers."""
    empty = Distribution(0, 0, 0, 0, 0)
    document = built(load={"wait_us": empty, "warm_ms": Distribution(2, 30, 10, 20, 20)})
    assert document["load"]["wait_ms"]["mean"] == 0.0
    assert document["load"]["warm_ms"] == {"count": 2, "mean": 15.0, "p50": 10, "p95": 20, "p99": 20}


def test_odd_values_do_not_break_it() -> None:
    """Not-a-number becomes null, a path its text, lists are walked, a missing process is null."""
    odd = {"ratio": float("nan"), "path": Path("/lib"), "rows": [Caching(1, 1)]}
    document = json.loads(
        encode(
            build(
                Sample(taken_unix_s=0.0, uptime_s=0.0, sections={"odd": odd}, process=None),
                ABOUT,
                valid_for_s=1,
            )
        )
    )
    assert document["odd"]["ratio"] is None
    assert document["odd"]["path"] == "/lib"
    assert document["odd"]["rows"][0]["hit_ratio"] == 0.5
    assert document["process"] is None


@pytest.mark.parametrize(
    ("mode", "status"),
    [("inotify", "ok"), ("off", "ok"), ("scan", "ok"), ("degraded: watch limit", "degraded")],
)
def test_a_watcher_that_misses_events_is_a_problem(mode: str, status: str) -> None:
    """The status follows the watcher's mode, with a sentence; switched off on purpose is no problem."""
    document = built(watcher=Watching(mode))
    assert document["status"] == status
    assert [mode in problem for problem in document["problems"]] == ([] if status == "ok" else [True])


def test_problems_of_others_are_sentences_not_a_section() -> None:
    """A source called `problems` adds its sentences, a failed source one of its own."""
    document = built(
        problems=["the configuration on disk is refused: x"], cache=FailedSource("ValueError: y")
    )
    assert document["status"] == "degraded"
    assert document["problems"] == [
        "the configuration on disk is refused: x",
        "statistics of cache failed: ValueError: y",
    ]
    assert document["cache"] == {"error": "ValueError: y"}


def test_the_last_one_says_stopped() -> None:
    """A reader can tell a daemon that ended from one that died."""
    assert build(sample(), ABOUT, valid_for_s=0.0, is_last=True)["status"] == "stopped"


# -- the file ---------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    log.silence()


def snapshots_in(directory: Path, **options: Any) -> Snapshots:
    """A writer over one source."""
    return Snapshots(StateLock(directory), Sampler({"cache": lambda: Caching(1, 3)}), ABOUT, **options)


def read(path: Path) -> dict[str, Any]:
    """The snapshot on disk."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


async def test_writing_makes_the_file(tmp_path: Path) -> None:
    """`health.json` holds the snapshot, valid for three intervals, and nothing else is left behind."""
    snapshots = snapshots_in(tmp_path, interval_s=7.0)
    assert await snapshots.write()
    document = read(tmp_path / "health.json")
    assert document["cache"]["hits"] == 3
    assert document["valid_until_unix_s"] - document["time_unix_s"] == pytest.approx(21.0)
    assert {entry.name for entry in tmp_path.iterdir()} == {"health.json", "lock"}
    assert repr(snapshots).endswith("health.json, 1 written, 0 failed>")


async def test_the_last_write_is_valid_no_longer(tmp_path: Path) -> None:
    """At the end the file says so, and its validity is over."""
    snapshots = snapshots_in(tmp_path)
    await snapshots.write(is_last=True)
    document = read(snapshots.path)
    assert document["status"] == "stopped"
    assert document["valid_until_unix_s"] == document["time_unix_s"]


async def test_running_writes_at_each_interval_until_cancelled(tmp_path: Path) -> None:
    """One at once, then one after each sleep; a changed interval counts from the next sleep on."""
    slept_s: list[float] = []
    go_on = asyncio.Semaphore(0)
    slept = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        slept.set()
        await go_on.acquire()

    snapshots = snapshots_in(tmp_path, interval_s=10.0, sleep=sleep)
    running = asyncio.create_task(snapshots.run())
    for interval_s in (10.0, 5.0):
        await slept.wait()
        slept.clear()
        assert read(snapshots.path)["schema_version"] == 2
        snapshots.interval_s = 5.0
        go_on.release()
        assert slept_s[-1] == interval_s
    await slept.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert slept_s == [10.0, 5.0, 5.0]
    assert snapshots.statistics().written == 3


async def test_running_clears_up_after_a_killed_daemon(tmp_path: Path) -> None:
    """A temporary file of long ago is gone once the daemon runs again."""
    leftover = tmp_path / ".health.json.1-0.tmp"
    leftover.write_bytes(b"half")
    os.utime(leftover, (1, 1))
    reached = asyncio.Event()

    async def sleep(_: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(snapshots_in(tmp_path, sleep=sleep).run())
    await reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {entry.name for entry in tmp_path.iterdir()} == {"health.json", "lock"}


async def test_a_full_disk_is_counted_logged_once_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    """The last good file stays; one line when it begins, one when it is over."""
    snapshots = snapshots_in(tmp_path)
    await snapshots.write()
    good = snapshots.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomic", full)
        assert [await snapshots.write() for _ in range(3)] == [False] * 3
        assert snapshots.statistics().failed == 3
        assert "No space" in snapshots.statistics().last_error
        assert snapshots.path.read_bytes() == good
    assert await snapshots.write()
    assert snapshots.statistics().last_error == ""
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in logged] == [
        "health snapshot not written",
        "health snapshot written again",
    ]


async def test_a_missing_directory_is_survived(tmp_path: Path) -> None:
    """The state directory may vanish under the daemon, and come back."""
    snapshots = snapshots_in(tmp_path / "state")
    assert not await snapshots.write()
    (tmp_path / "state").mkdir()
    assert await snapshots.write()


async def test_a_number_that_json_does_not_know_is_survived(tmp_path: Path) -> None:
    """Whatever a source returns, the loop that writes goes on."""
    snapshots = Snapshots(StateLock(tmp_path), Sampler({"odd": lambda: {"huge": 1 << 70}}), ABOUT)
    await snapshots.write()
    assert snapshots.statistics().written + snapshots.statistics().failed == 1


async def test_an_older_snapshot_never_replaces_a_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that was cancelled while its thread hung does not undo the last one when it wakes."""
    entered, hang = threading.Event(), threading.Event()
    real = Snapshots._replace

    def slow_first(self: Snapshots, number: int, data: bytes) -> None:
        if number == 1:
            entered.set()
            hang.wait(10)
        real(self, number, data)

    monkeypatch.setattr(Snapshots, "_replace", slow_first)
    snapshots = snapshots_in(tmp_path)
    first = asyncio.create_task(snapshots.write())
    await asyncio.to_thread(entered.wait)
    first.cancel()
    assert await snapshots.write(is_last=True)
    hang.set()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert read(snapshots.path)["status"] == "stopped"


async def test_taking_writes_nothing(tmp_path: Path) -> None:
    """The `health` method asks for the same document without touching the disk."""
    document = await snapshots_in(tmp_path).take()
    assert document["status"] == "ok"
    assert list(tmp_path.iterdir()) == []
