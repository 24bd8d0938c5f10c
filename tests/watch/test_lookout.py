"""lookout.py: the order in which notifiers are made, drained and dropped, with fake notifiers."""

import threading
from collections.abc import Callable

import pytest

from promptd.watch.lookout import MAX_ROUNDS, Lookout, is_watch_limit
from promptd.watch.scope import Scope
from tests.watch.fakes import FakeNotifiers, ManualClock


class Tree:
    """The directories there are, as the survey would find them; a test adds and removes them."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.surveys = 0
        self.on_survey: Callable[[int], None] = lambda _: None

    def survey(self) -> Scope:
        """List them below the root /lib."""
        self.surveys += 1
        self.on_survey(self.surveys)
        listed = frozenset({"/lib", *(f"/lib/{name}" for name in self.names)})
        return Scope((("/lib", "/lib"),), listed, ("/", *sorted(listed)), 0)


def lookout_on(tree: Tree, notifiers: FakeNotifiers) -> Lookout:
    """A lookout over fakes that ignores names ending in `~`."""
    return Lookout(
        notifiers,
        tree.survey,
        lambda path: path.endswith("~"),
        step_ms=1,
        debounce_ms=10,
        clock=ManualClock(5.0),
    )


def test_opening_watches_everything_and_asks_for_a_full_scan() -> None:
    """After `open` all directories are watched, and what happened before is to be found by a scan."""
    notifiers = FakeNotifiers()
    lookout = lookout_on(Tree("a", "b"), notifiers)
    assert lookout.open().full
    assert notifiers.last.paths == ("/", "/lib", "/lib/a", "/lib/b")
    assert (lookout.watched, lookout.unwatched, lookout.rebuilds) == (4, 0, 1)
    assert "open, 4 directories" in repr(lookout)


def test_a_file_event_is_a_path_and_rebuilds_nothing() -> None:
    """Events below known directories are handed on with count and time; the notifier stays."""
    notifiers = FakeNotifiers()
    lookout = lookout_on(Tree("a"), notifiers)
    lookout.open()
    notifiers.last.say({"/lib/a/x.md", "/lib/y.md~"})
    seen = lookout.look()
    assert seen.paths == {"/lib/a/x.md"}
    assert (seen.events, seen.seen_s) == (2, 5.0)
    assert len(notifiers.made) == 1


def test_a_directory_event_makes_the_new_notifier_before_the_old_one_goes() -> None:
    """While the new notifier is made the old one still watches; afterwards it is closed."""
    tree, notifiers = Tree("a"), FakeNotifiers()
    lookout = lookout_on(tree, notifiers)
    lookout.open()
    old = notifiers.last
    was_closed: list[bool] = []
    notifiers.on_make = lambda: was_closed.append(old.is_closed)
    tree.names.add("b")
    old.say({"/lib/a"})
    seen = lookout.look()
    assert was_closed == [False]
    assert old.is_closed
    assert not notifiers.last.is_closed
    assert notifiers.last.paths == ("/", "/lib", "/lib/a", "/lib/b")
    assert seen.directories == {"/lib/a"}


def test_what_the_old_notifier_still_holds_is_not_lost() -> None:
    """Events that came while the new notifier was made are drained, and read with the old survey."""
    tree, notifiers = Tree("a", "b"), FakeNotifiers()
    lookout = lookout_on(tree, notifiers)
    lookout.open()
    old = notifiers.last
    notifiers.on_make = lambda: old.say({"/lib/late.md", "/lib/b"})
    tree.names.clear()
    old.say({"/lib/a"})
    seen = lookout.look()
    assert seen.paths == {"/lib/late.md"}
    assert seen.directories == {"/lib/a", "/lib/b"}
    assert seen.events == 3


def test_a_directory_that_appears_meanwhile_is_watched_too() -> None:
    """The second survey differs from the first: another round follows, until two agree."""
    tree, notifiers = Tree("a"), FakeNotifiers()
    tree.on_survey = lambda number: tree.names.add(f"n{number}") if number <= 3 else None
    lookout_on(tree, notifiers).open()
    assert {"/lib/n1", "/lib/n2", "/lib/n3"} <= set(notifiers.last.paths)
    assert [made.is_closed for made in notifiers.made] == [True, True, False]


def test_a_tree_that_never_rests_is_left_to_the_next_event() -> None:
    """The rounds are bounded."""
    tree, notifiers = Tree(), FakeNotifiers()
    tree.on_survey = lambda number: tree.names.add(f"n{number}")
    lookout_on(tree, notifiers).open()
    assert tree.surveys == MAX_ROUNDS
    assert [made.is_closed for made in notifiers.made] == [True] * (MAX_ROUNDS - 1) + [False]


def test_a_replaced_directory_of_the_same_name_is_watched_anew() -> None:
    """The first round trusts no unchanged list: the old watch may be on a directory that is gone."""
    notifiers = FakeNotifiers()
    lookout = lookout_on(Tree("a"), notifiers)
    lookout.open()
    notifiers.last.say({"/lib/a"})
    lookout.look()
    assert len(notifiers.made) == 2


def test_a_directory_that_vanishes_before_it_is_watched_is_tried_without() -> None:
    """The survey is made again at once."""
    notifiers = FakeNotifiers(FileNotFoundError("No such file or directory"), PermissionError("denied"))
    lookout = lookout_on(Tree("a"), notifiers)
    assert lookout.open().full
    assert lookout.is_open


def test_a_directory_that_cannot_be_watched_again_and_again_is_an_error() -> None:
    """After so many rounds the error travels on."""
    notifiers = FakeNotifiers(*[PermissionError("denied")] * MAX_ROUNDS)
    lookout = lookout_on(Tree("a"), notifiers)
    with pytest.raises(PermissionError):
        lookout.open()
    assert not lookout.is_open


def test_the_watch_limit_leaves_the_outer_directories_watched() -> None:
    """With too few watches the list is halved until it fits; the rest is counted."""
    notifiers = FakeNotifiers(most=3)
    lookout = lookout_on(Tree(*"abcdef"), notifiers)
    lookout.open()
    assert notifiers.last.paths == ("/", "/lib")
    assert lookout.is_limited
    assert (lookout.watched, lookout.unwatched) == (2, 6)


def test_the_limit_beside_an_old_notifier_is_an_error() -> None:
    """Two notifiers at once may be too much where one is not: the supervisor opens anew without the old."""
    tree, notifiers = Tree("a"), FakeNotifiers(most=3)
    lookout = lookout_on(tree, notifiers)
    lookout.open()
    tree.names.add("b")
    notifiers.last.say({"/lib"})
    with pytest.raises(OSError, match="watch limit"):
        lookout.look()


def test_no_watch_at_all_is_an_error() -> None:
    """When not even one directory can be watched there is nothing to be degraded to."""
    with pytest.raises(OSError, match="watch limit"):
        lookout_on(Tree("a"), FakeNotifiers(most=0)).open()


def test_an_error_while_draining_closes_the_old_notifier() -> None:
    """A broken notifier is not left behind; the error travels on."""
    notifiers = FakeNotifiers()
    lookout = lookout_on(Tree("a"), notifiers)
    lookout.open()
    old = notifiers.last
    notifiers.on_make = lambda: old.say(RuntimeError("Unable to decode path"))
    old.say({"/lib/a"})
    with pytest.raises(RuntimeError, match="decode"):
        lookout.look()
    assert old.is_closed
    assert notifiers.last.is_closed
    assert not lookout.is_open


def test_stop_ends_a_look() -> None:
    """A waiting look returns with nothing, and a closed lookout counts nothing as watched."""
    lookout = lookout_on(Tree("a"), FakeNotifiers())
    lookout.open()
    threading.Timer(0.0, lookout.stop).start()
    assert not lookout.look()
    lookout.close()
    assert (lookout.is_open, lookout.watched) == (False, 0)


def test_limits_are_known_by_their_text() -> None:
    """The two errors of a used-up limit, as watchfiles words them; no other."""
    assert is_watch_limit(OSError('OS file watch limit reached. about ["/x"] (Error { ... })'))
    assert is_watch_limit(
        RuntimeError("Error creating recommended watcher: Too many open files (os error 24)")
    )
    assert not is_watch_limit(PermissionError("Permission denied (os error 13)"))
