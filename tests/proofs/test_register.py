"""The register check: first of the checker itself, by histories that it must refuse, then of a daemon."""

from pathlib import Path

import pytest

from tests.proofs import daemons
from tests.proofs.observers import observe
from tests.proofs.register import Read, Writes, violations
from tests.proofs.writers import VersionedPairs, content, shown_in

PAIRS = [("a", "b")]
WRITERS, READERS, SECONDS = 3, 4, 3.0


def history(**writes: list[tuple[int, int]]) -> dict[str, Writes]:
    """Writes of each file as (began, completed), from version 1 on."""
    return {
        file: Writes([began for began, _ in each], [done for _, done in each if done])
        for file, each in writes.items()
    }


WRITTEN = history(a=[(10, 20), (50, 60)], b=[(30, 40), (70, 80)])  # first a then b, twice


@pytest.mark.parametrize(
    ("read", "word"),
    [
        (Read(25, 26, {"a": 0}), "stale"),
        (Read(100, 110, {"a": 2, "b": 1}), "stale"),
        (Read(100, 110, {"a": 1, "b": 1}, is_consistent=False), "stale"),
        (Read(1, 9, {"a": 1}), "unreal"),
        (Read(100, 110, {"b": 3}), "unreal"),
        (Read(45, 75, {"a": 1, "b": 2}), "mixed"),
        (Read(1, 90, {"a": 2, "b": 0}), "mixed"),
    ],
    ids=["old", "old second", "old though inconsistent", "too early", "never", "second first", "skipped"],
)
def test_a_history_that_cannot_be_is_refused(read: Read, word: str) -> None:
    """Stale, from the future, and pairs that never existed: each by its name."""
    assert [problem.partition(":")[0] for problem in violations([read], WRITTEN, PAIRS)][:1] == [word]


@pytest.mark.parametrize(
    "read",
    [
        Read(1, 2, {"a": 0, "b": 0}),
        Read(15, 16, {"a": 0, "b": 0}),
        Read(15, 16, {"a": 1, "b": 0}),
        Read(25, 26, {"a": 1, "b": 0}),
        Read(45, 75, {"a": 2, "b": 1}),
        Read(45, 75, {"a": 1, "b": 2}, is_consistent=False),
        Read(20, 26, {"a": 0, "b": 0}),  # complete when it was sent, not before
        Read(100, 110, {"a": 2, "b": 2}),
    ],
)
def test_a_history_that_can_be_is_accepted(read: Read) -> None:
    """A write under way may be seen or not; what is not called consistent may be mixed."""
    assert violations([read], WRITTEN, PAIRS) == []


def test_a_write_under_way_may_be_seen_and_need_not() -> None:
    """It has begun and is not complete."""
    under_way = history(a=[(10, 20), (50, 0)])
    assert [bool(violations([Read(55, 56, {"a": version})], under_way)) for version in range(4)] == [
        True, False, False, True,
    ]  # fmt: skip


def test_versions_are_read_from_a_prompt() -> None:
    """As they were written, and only whole ones."""
    text = (content("p0/first", 7) + content("p0/second", 12) + b"p1/first=12\n").decode()
    assert shown_in(text) == {"p0/first": 7, "p0/second": 12}


def tells_something(reads: list[Read]) -> bool:
    """True of a hundred reads with a version that is not one of the first, and one that is consistent."""
    newest = max((version for read in reads for version in read.versions.values()), default=0)
    return len(reads) > 100 and newest > 10 and any(read.is_consistent for read in reads)


@pytest.mark.slow
@pytest.mark.parametrize("way", daemons.WAYS)
def test_every_read_is_fresh_and_no_pair_is_mixed(place: Path, way: str) -> None:
    """Writers and readers at once: no reply of thousands is stale, unreal, or a mix said to be consistent."""
    versioned = VersionedPairs(place / "library", WRITERS)
    daemon = daemons.start(way, place / "run", versioned.root)
    try:
        daemon.ask("ping")
        reads = observe(daemon.socket, versioned, readers=READERS, seconds=SECONDS, is_enough=tells_something)
        assert violations(reads, versioned.writes, versioned.pairs) == []
        assert tells_something(reads)
    finally:
        daemon.close()
