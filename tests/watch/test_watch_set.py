"""watch_set.py: which notifier is made, replaced and closed for which directories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.watch.inotify import is_limit
from promptd.watch.watch_set import (
    GROUP_SIZE,
    MAX_EXTRA_GROUPS,
    MAX_GROUPS,
    MAX_JOINED,
    WatchSet,
)
from tests.watch.fakes import FakeNotifiers


def directories(count: int, above: str = "/lib") -> list[str]:
    """So many directories."""
    return [f"{above}/{number:05}" for number in range(count)]


def watch_set_of(notifiers: FakeNotifiers, *paths: str, heartbeat: str = "") -> WatchSet:
    """A watch set of these directories."""
    watch_set = WatchSet(notifiers, is_limit, heartbeat)
    watch_set.update((), paths)
    return watch_set


def test_few_directories_are_one_group() -> None:
    """A library of ordinary size has one notifier, outer directories first."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, "/lib/a/b", "/lib", "/lib/a")
    assert notifiers.last.paths == ("/lib", "/lib/a", "/lib/a/b")
    assert (len(watch_set), watch_set.made) == (1, 1)
    assert repr(watch_set) == "<WatchSet 3 directories in 1 groups>"


def test_many_directories_are_groups_of_a_bounded_size() -> None:
    """However many there are, no notifier is larger than it must be for the number of notifiers to stay."""
    for count in (GROUP_SIZE, GROUP_SIZE + 1, 5_000, 50_000):
        notifiers = FakeNotifiers()
        watch_set = watch_set_of(notifiers, *directories(count))
        assert len(watch_set) <= MAX_GROUPS
        assert max(len(made.paths) for made in notifiers.made) <= max(GROUP_SIZE, count // MAX_GROUPS + 1)
        assert watch_set.watched == set(directories(count))


def test_a_new_directory_replaces_a_small_group_or_none() -> None:
    """The others go on as they are: this is what keeps a mkdir in a large library cheap."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, *directories(1_000))
    before = notifiers.open
    for number in range(MAX_JOINED):
        watch_set.update((), [f"/lib/new/{number}"])
        assert len(notifiers.last.paths) == number + 1
    assert len(notifiers.open) == len(before) + 1
    watch_set.update((), ["/lib/one-more"])
    assert len(notifiers.last.paths) == 1
    assert not [notifier for notifier in before if notifier.is_closed]
    joined = {f"/lib/new/{number}" for number in range(MAX_JOINED)}
    assert watch_set.watched == {*directories(1_000), "/lib/one-more", *joined}


def test_a_directory_that_is_gone_replaces_its_group_only() -> None:
    """Its watch must go, for it may be alive somewhere else under another name."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, *directories(1_000))
    before, gone = notifiers.open, directories(1_000)[500]
    watch_set.update([gone], [])
    assert [gone in notifier.paths for notifier in before if notifier.is_closed] == [True]
    assert notifiers.watched == set(directories(1_000)) - {gone}


def test_what_is_gone_and_fresh_is_watched_again() -> None:
    """A directory replaced by another one of its name."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, "/lib", "/lib/a")
    watch_set.update(["/lib/a"], ["/lib/a"])
    assert [made.is_closed for made in notifiers.made] == [True, False]
    assert watch_set.watched == {"/lib", "/lib/a"}


def test_the_new_group_is_made_before_the_old_one_goes_and_nothing_is_lost() -> None:
    """While the new notifier is made the old one still listens; what it holds is returned."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, "/lib")
    old = notifiers.last
    was_closed: list[bool] = []

    def on_make() -> None:
        was_closed.append(old.is_closed)
        old.say({"/lib/late.md"})

    notifiers.on_make = on_make
    assert watch_set.update((), ["/lib/a"]) == [{"/lib/late.md"}]
    assert was_closed == [False]
    assert old.is_closed


def test_a_forbidden_directory_affects_only_itself() -> None:
    """It is found by bisection and left out; all others are watched."""
    notifiers = FakeNotifiers(forbidden="/lib/00040")
    watch_set = watch_set_of(notifiers, *directories(100))
    assert watch_set.watched == set(directories(100)) - {"/lib/00040"}
    assert not watch_set.is_at_limit


def test_a_limit_leaves_the_outer_directories_watched() -> None:
    """The list is halved until it fits; when the limit is higher again all of it is watched."""
    notifiers = FakeNotifiers(most=30)
    watch_set = watch_set_of(notifiers, "/lib", *directories(99))
    assert watch_set.is_at_limit
    assert notifiers.watched == {"/lib", *directories(24)}
    notifiers.most = None
    watch_set.update((), directories(99))
    assert not watch_set.is_at_limit
    assert watch_set.watched == {"/lib", *directories(99)}


def test_at_a_limit_what_stays_is_left_alone() -> None:
    """To make a group anew beside the old one would be too much: the new directory is one of its own."""
    notifiers = FakeNotifiers(most=12)
    watch_set = watch_set_of(notifiers, *directories(10))
    first = notifiers.last
    assert watch_set.update((), ["/lib/new"]) == []
    assert not watch_set.is_at_limit
    assert watch_set.watched == {*directories(10), "/lib/new"}
    assert not first.is_closed


def test_at_a_limit_what_goes_makes_room() -> None:
    """First the old group is emptied and closed, then the new one made; events are kept."""
    notifiers = FakeNotifiers(most=12)
    watch_set = watch_set_of(notifiers, *directories(10))
    notifiers.last.say({"/lib/late.md"})
    assert watch_set.update(["/lib/00003"], ["/lib/00003", "/lib/new"]) == [{"/lib/late.md"}]
    assert not watch_set.is_at_limit
    assert watch_set.watched == {*directories(10), "/lib/new"}
    assert len(notifiers.open) == 1


def test_no_watch_at_all_is_an_error() -> None:
    """There is nothing left to watch."""
    with pytest.raises(OSError, match="watch limit"):
        watch_set_of(FakeNotifiers(most=0), "/lib")


def test_any_other_error_closes_what_was_made() -> None:
    """Nothing is left open; the error propagates."""
    notifiers = FakeNotifiers()
    watch_set = WatchSet(notifiers, is_limit)

    def fail_at_the_second() -> None:
        if notifiers.made:
            raise RuntimeError("broken")

    notifiers.on_make = fail_at_the_second
    with pytest.raises(RuntimeError, match="broken"):
        watch_set.update((), directories(200))
    assert not notifiers.open
    assert len(watch_set) == 0


def test_extra_groups_are_joined() -> None:
    """Many small changes do not add up to ever more notifiers."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers)
    for number in range(150):
        watch_set.update((), directories(GROUP_SIZE, f"/lib/{number}"))
    assert len(watch_set) <= MAX_GROUPS + MAX_EXTRA_GROUPS + 1
    assert len(watch_set.watched) == 150 * GROUP_SIZE


def test_every_piece_must_report_the_heartbeat() -> None:
    """A watch set is silent while one group has not reported it; a group made later need not."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, *directories(200), heartbeat="/heartbeat")
    assert all("/heartbeat" in notifier.paths for notifier in notifiers.open)
    first, second = notifiers.open
    watch_set.expect_heartbeat()
    first.say({"/heartbeat", "/lib/a.md"})
    assert watch_set.drain() == [{"/lib/a.md"}]
    assert watch_set.is_silent
    second.say({"/heartbeat"})
    assert watch_set.drain() == []
    assert not watch_set.is_silent
    watch_set.expect_heartbeat()
    watch_set.update(watch_set.watched, directories(3))
    assert not watch_set.is_silent


def test_closing_closes_all() -> None:
    """The watch set can be used again."""
    notifiers = FakeNotifiers()
    watch_set = watch_set_of(notifiers, *directories(200))
    watch_set.close()
    assert not notifiers.open
    watch_set.update((), ["/lib"])
    assert watch_set.watched == {"/lib"}


@given(st.lists(st.tuples(st.frozensets(st.integers(0, 300)), st.frozensets(st.integers(0, 300)))))
def test_watched_is_what_was_asked_for(changes: list[tuple[frozenset[int], frozenset[int]]]) -> None:
    """After any changes the notifiers watch exactly the directories that were to be watched, each by one."""
    notifiers, expected = FakeNotifiers(), set[str]()
    watch_set = watch_set_of(notifiers)
    for removed, added in changes:
        gone = {f"/lib/{number}" for number in removed}
        fresh = {f"/lib/{number}" for number in added} - (expected - gone)
        watch_set.update(gone, fresh)
        expected = (expected - gone) | fresh
        assert watch_set.watched == notifiers.watched == expected
        assert sum(len(notifier.paths) for notifier in notifiers.open) == len(expected)
