"""debounce.py as a dialogue: changes in at a time, a batch out when they have settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.watch.debounce import Batch, Changes, Coalescer
from tests.watch.fakes import ManualClock

SETTLE_S, MAX_SETTLE_S = 0.030, 0.500


def seen(*paths: str, rescan: tuple[str, ...] = (), full: bool = False) -> Changes:
    """Changes at these paths and directories."""
    return Changes(frozenset(paths), frozenset(rescan), full)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def coalescer(clock: ManualClock) -> Coalescer:
    """A coalescer with the default times, on the manual clock."""
    return Coalescer(SETTLE_S, MAX_SETTLE_S, clock=clock)


def test_nothing_in_nothing_out(coalescer: Coalescer) -> None:
    """Without changes there is no batch and nothing to wait for."""
    assert coalescer.take() is None
    assert coalescer.due_in_s() is None


def test_a_batch_comes_after_quiet_time(coalescer: Coalescer, clock: ManualClock) -> None:
    """One change is handed out `settle_s` later, once, with the time it was seen."""
    coalescer.add(seen("/lib/a.md"))
    assert coalescer.take() is None
    assert coalescer.due_in_s() == pytest.approx(SETTLE_S)
    clock.advance(SETTLE_S)
    assert coalescer.take() == Batch(frozenset({"/lib/a.md"}), frozenset(), False, 1_000.0)
    assert coalescer.take() is None


def test_each_change_prolongs_the_wait(coalescer: Coalescer, clock: ManualClock) -> None:
    """Changes closer together than the settle time become one batch."""
    for name in "abc":
        coalescer.add(seen(f"/lib/{name}.md"))
        clock.advance(SETTLE_S / 2)
        assert coalescer.take() is None
    clock.advance(SETTLE_S / 2)
    batch = coalescer.take()
    assert batch is not None
    assert batch.paths == {"/lib/a.md", "/lib/b.md", "/lib/c.md"}
    assert batch.first_event_monotonic_s == 1_000.0


def test_endless_changes_are_handed_out_all_the_same(coalescer: Coalescer, clock: ManualClock) -> None:
    """A file written all the time cannot hold a batch back beyond the longest wait."""
    started_s = clock()
    while (batch := coalescer.take()) is None:
        coalescer.add(seen("/lib/log.md"))
        clock.advance(SETTLE_S / 3)
    assert clock() - started_s <= MAX_SETTLE_S + SETTLE_S
    assert batch.covers("/lib/log.md")


def test_time_of_the_event_counts_not_of_its_arrival(coalescer: Coalescer, clock: ManualClock) -> None:
    """Changes with a time of their own keep it, and the longest debounce time runs from it."""
    clock.advance(0.2)
    coalescer.add(Changes(frozenset({"/lib/a.md"}), seen_s=1_000.1))
    clock.advance(SETTLE_S)
    batch = coalescer.take()
    assert batch is not None
    assert batch.first_event_monotonic_s == 1_000.1


def test_empty_changes_have_no_effect(coalescer: Coalescer, clock: ManualClock) -> None:
    """Ignored events neither start a batch nor prolong one."""
    coalescer.add(seen("/lib/a.md"))
    clock.advance(SETTLE_S)
    coalescer.add(Changes(events=5))
    assert coalescer.take() is not None


def test_paths_below_a_rescanned_directory_are_dropped(coalescer: Coalescer, clock: ManualClock) -> None:
    """What a rescan finds anyway is not named, and of nested directories the outermost stands."""
    coalescer.add(seen("/lib/new/a.md", "/lib/newer.md", rescan=("/lib/new", "/lib/new/deep/down")))
    clock.advance(SETTLE_S)
    batch = coalescer.take()
    assert batch is not None
    assert batch.paths == {"/lib/newer.md"}
    assert batch.directories == {"/lib/new"}


def test_very_many_paths_become_a_full_scan(clock: ManualClock) -> None:
    """Past `max_paths` a batch asks for everything and names nothing."""
    coalescer = Coalescer(SETTLE_S, MAX_SETTLE_S, clock=clock, max_paths=10)
    coalescer.add(seen(*(f"/lib/{number}" for number in range(10))))
    assert len(coalescer) == 10
    coalescer.add(seen("/lib/10"))
    clock.advance(SETTLE_S)
    assert coalescer.take() == Batch(frozenset(), frozenset(), True, 1_000.0)


def test_a_full_scan_swallows_the_rest(coalescer: Coalescer, clock: ManualClock) -> None:
    """When everything is to be scanned, names before and after it say nothing more."""
    coalescer.add(seen("/lib/a.md"))
    coalescer.add(seen(full=True))
    coalescer.add(seen("/lib/b.md", rescan=("/lib/c",)))
    clock.advance(SETTLE_S)
    assert coalescer.take() == Batch(frozenset(), frozenset(), True, 1_000.0)


def test_covers_knows_paths_directories_and_everything() -> None:
    """A batch covers a path by name, by a directory above it (not by a mere prefix), or wholly."""
    batch = Batch(frozenset({"/lib/a.md"}), frozenset({"/lib/dir"}), False, 0.0)
    assert [batch.covers(p) for p in ("/lib/a.md", "/lib/dir", "/lib/dir/x/y")] == [True, True, True]
    assert [batch.covers(p) for p in ("/lib/b.md", "/lib/dir2", "/lib", "/")] == [False] * 4
    assert Batch(frozenset(), frozenset(), True, 0.0).covers("/anything")
    assert Batch(frozenset(), frozenset({"/"}), False, 0.0).covers("/anything")


def test_repr_tells_what_is_held(coalescer: Coalescer) -> None:
    """The repr shows how much waits."""
    coalescer.add(seen("/lib/a.md"))
    assert "holds 1 places" in repr(coalescer)


paths = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
changes = st.builds(
    lambda named, scanned: Changes(frozenset(named), frozenset(scanned)),
    st.lists(paths, max_size=5),
    st.lists(paths, max_size=2),
)


@given(st.lists(st.tuples(changes, st.floats(0.0, 0.2)), max_size=30))
def test_nothing_is_lost_and_nothing_waits_too_long(script: list[tuple[Changes, float]]) -> None:
    """Law: whatever was added is covered by a batch that was due in time, and batches do not overlap."""
    clock = ManualClock(0.0)
    coalescer = Coalescer(SETTLE_S, MAX_SETTLE_S, clock=clock, max_paths=12)
    pending: dict[str, float] = {}

    def collect() -> None:
        batch = coalescer.take()
        if batch is None:
            assert all(clock() < since_s + MAX_SETTLE_S for since_s in pending.values())
            return
        assert all(batch.covers(path) for path in pending)
        assert not any(batch.directories & {_above(d)} for d in batch.directories)
        pending.clear()

    for changes, gap_s in script:
        coalescer.add(changes)
        for path in changes.paths | changes.directories:
            pending.setdefault(path, clock())
        clock.advance(gap_s)
        collect()
    clock.advance(MAX_SETTLE_S)
    collect()
    assert not pending


def _above(path: str) -> str:
    return path.rpartition("/")[0]
