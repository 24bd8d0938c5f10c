"""net.py: which notifier is made, replaced and closed for which directories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.watch.inotify import is_limit
from promptd.watch.net import JOINABLE, MOST_PIECES, MOST_SPLINTERS, PIECE, Net
from tests.watch.fakes import FakeNotifiers


def directories(count: int, above: str = "/lib") -> list[str]:
    """So many directories."""
    return [f"{above}/{number:05}" for number in range(count)]


def net_of(notifiers: FakeNotifiers, *paths: str, pulse: str = "") -> Net:
    """A net that watches these."""
    net = Net(notifiers, is_limit, pulse)
    net.mend((), paths)
    return net


def test_few_directories_are_one_piece() -> None:
    """A library of ordinary size has one notifier, outer directories first."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, "/lib/a/b", "/lib", "/lib/a")
    assert notifiers.last.paths == ("/lib", "/lib/a", "/lib/a/b")
    assert (len(net), net.made) == (1, 1)
    assert repr(net) == "<Net 3 directories in 1 pieces>"


def test_many_directories_are_pieces_of_a_bounded_size() -> None:
    """However many there are, no notifier is larger than it must be for the number of notifiers to stay."""
    for count in (PIECE, PIECE + 1, 5_000, 50_000):
        notifiers = FakeNotifiers()
        net = net_of(notifiers, *directories(count))
        assert len(net) <= MOST_PIECES
        assert max(len(made.paths) for made in notifiers.made) <= max(PIECE, count // MOST_PIECES + 1)
        assert net.watched == set(directories(count))


def test_a_new_directory_remakes_a_small_piece_or_none() -> None:
    """The others go on as they are: this is what keeps a mkdir in a large library cheap."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, *directories(1_000))
    before = notifiers.open
    for number in range(JOINABLE):
        net.mend((), [f"/lib/new/{number}"])
        assert len(notifiers.last.paths) == number + 1
    assert len(notifiers.open) == len(before) + 1
    net.mend((), ["/lib/one-more"])
    assert len(notifiers.last.paths) == 1
    assert not [notifier for notifier in before if notifier.is_closed]
    assert net.watched == {*directories(1_000), "/lib/one-more", *(f"/lib/new/{n}" for n in range(JOINABLE))}


def test_a_directory_that_is_gone_remakes_its_piece_only() -> None:
    """Its watch must go, for it may be alive somewhere else under another name."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, *directories(1_000))
    before, gone = notifiers.open, directories(1_000)[500]
    net.mend([gone], [])
    assert [gone in notifier.paths for notifier in before if notifier.is_closed] == [True]
    assert notifiers.watched == set(directories(1_000)) - {gone}


def test_what_is_gone_and_fresh_is_watched_anew() -> None:
    """A directory replaced by another one of its name."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, "/lib", "/lib/a")
    net.mend(["/lib/a"], ["/lib/a"])
    assert [made.is_closed for made in notifiers.made] == [True, False]
    assert net.watched == {"/lib", "/lib/a"}


def test_the_new_piece_is_made_before_the_old_one_goes_and_nothing_is_lost() -> None:
    """While the new notifier is made the old one still listens; what it holds is returned."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, "/lib")
    old = notifiers.last
    was_closed: list[bool] = []

    def on_make() -> None:
        was_closed.append(old.is_closed)
        old.say({"/lib/late.md"})

    notifiers.on_make = on_make
    assert net.mend((), ["/lib/a"]) == [{"/lib/late.md"}]
    assert was_closed == [False]
    assert old.is_closed


def test_a_forbidden_directory_blinds_only_itself() -> None:
    """It is found by halving and left out; all others are watched."""
    notifiers = FakeNotifiers(forbidden="/lib/00040")
    net = net_of(notifiers, *directories(100))
    assert net.watched == set(directories(100)) - {"/lib/00040"}
    assert not net.is_short


def test_a_limit_leaves_the_outer_directories_watched() -> None:
    """The list is halved until it fits; when there is room again all of it is watched."""
    notifiers = FakeNotifiers(most=30)
    net = net_of(notifiers, "/lib", *directories(99))
    assert net.is_short
    assert notifiers.watched == {"/lib", *directories(24)}
    notifiers.most = None
    net.mend((), directories(99))
    assert not net.is_short
    assert net.watched == {"/lib", *directories(99)}


def test_at_a_limit_what_stays_is_left_alone() -> None:
    """To make a piece anew beside the old one would be too much: the new directory is one of its own."""
    notifiers = FakeNotifiers(most=12)
    net = net_of(notifiers, *directories(10))
    first = notifiers.last
    assert net.mend((), ["/lib/new"]) == []
    assert not net.is_short
    assert net.watched == {*directories(10), "/lib/new"}
    assert not first.is_closed


def test_at_a_limit_what_goes_makes_room() -> None:
    """First the old piece is emptied and closed, then the new one made; events are kept."""
    notifiers = FakeNotifiers(most=12)
    net = net_of(notifiers, *directories(10))
    notifiers.last.say({"/lib/late.md"})
    assert net.mend(["/lib/00003"], ["/lib/00003", "/lib/new"]) == [{"/lib/late.md"}]
    assert not net.is_short
    assert net.watched == {*directories(10), "/lib/new"}
    assert len(notifiers.open) == 1


def test_no_watch_at_all_is_an_error() -> None:
    """There is nothing to be short of."""
    with pytest.raises(OSError, match="watch limit"):
        net_of(FakeNotifiers(most=0), "/lib")


def test_any_other_error_closes_what_was_made() -> None:
    """Nothing is left behind; the error travels on."""
    notifiers = FakeNotifiers()
    net = Net(notifiers, is_limit)

    def fail_at_the_second() -> None:
        if notifiers.made:
            raise RuntimeError("broken")

    notifiers.on_make = fail_at_the_second
    with pytest.raises(RuntimeError, match="broken"):
        net.mend((), directories(200))
    assert not notifiers.open
    assert len(net) == 0


def test_splinters_are_joined() -> None:
    """Many small changes do not add up to ever more notifiers."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers)
    for number in range(150):
        net.mend((), directories(PIECE, f"/lib/{number}"))
    assert len(net) <= MOST_PIECES + MOST_SPLINTERS + 1
    assert len(net.watched) == 150 * PIECE


def test_every_piece_must_hear_the_pulse() -> None:
    """Deaf is the net of which one piece has not heard; a piece made later owes nothing."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, *directories(200), pulse="/pulse")
    assert all("/pulse" in notifier.paths for notifier in notifiers.open)
    first, second = notifiers.open
    net.expect_pulse()
    first.say({"/pulse", "/lib/a.md"})
    assert net.haul() == [{"/lib/a.md"}]
    assert net.is_deaf
    second.say({"/pulse"})
    assert net.haul() == []
    assert not net.is_deaf
    net.expect_pulse()
    net.mend(net.watched, directories(3))
    assert not net.is_deaf


def test_closing_closes_all() -> None:
    """And the net may be used again."""
    notifiers = FakeNotifiers()
    net = net_of(notifiers, *directories(200))
    net.close()
    assert not notifiers.open
    net.mend((), ["/lib"])
    assert net.watched == {"/lib"}


@given(st.lists(st.tuples(st.frozensets(st.integers(0, 300)), st.frozensets(st.integers(0, 300)))))
def test_watched_is_what_was_asked_for(changes: list[tuple[frozenset[int], frozenset[int]]]) -> None:
    """After any changes the notifiers watch exactly the directories that were to be watched, each by one."""
    notifiers, expected = FakeNotifiers(), set[str]()
    net = net_of(notifiers)
    for removed, added in changes:
        gone = {f"/lib/{number}" for number in removed}
        fresh = {f"/lib/{number}" for number in added} - (expected - gone)
        net.mend(gone, fresh)
        expected = (expected - gone) | fresh
        assert net.watched == notifiers.watched == expected
        assert sum(len(notifier.paths) for notifier in notifiers.open) == len(expected)
