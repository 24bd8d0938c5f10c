"""lookout.py: what it watches after which events, with fake notifiers over a real tree."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from promptd.core.library.resolve import NamingRules
from promptd.sources.worktree.files import Worktree
from promptd.watch.health_checks import (
    PATIENCE_S,
    PULSE_S,
    RETRY_S,
    ROUND_S,
    WatchLost,
)
from promptd.watch.watch_set import JOINABLE, PIECE
from promptd.watch.watch_thread import (
    MAX_PLACES,
    MAX_ROUNDS,
    QUEUE_SHARE,
    STALL_S,
    Pace,
    Ports,
    WatchThread,
)
from tests.watch.fakes import (
    FakeNotifiers,
    FakePulse,
    FakeTable,
    ManualClock,
)


class Post:
    """A lookout on `root` and all that it uses of the world."""

    def __init__(self, root: Path, *refusals: Exception, most: int | None = None) -> None:
        self.root = root
        self.clock = ManualClock(5.0)
        self.notifiers = FakeNotifiers(*refusals, most=most)
        self.table = FakeTable(root="ext4")
        self.pulse = FakePulse(self.notifiers)
        self.pulse.path = ""  # so that what is watched is directories only
        self.surveys: list[str | None] = []
        self.on_survey: Callable[[int], None] = lambda _: None
        self.files = Worktree([str(root)], NamingRules((".md",)))
        self.lookout = self._lookout()

    def _lookout(self) -> WatchThread:
        world = Ports(
            make=self.notifiers,
            max_queued_events=lambda: 80,
            mounts=self.table,
            pulse=self.pulse,
            clock=self.clock,
        )
        return WatchThread(
            [str(self.root)], self.survey, lambda path: path.endswith("~"), Pace(0.001, 0.001, 0.0), world
        )

    def hear_the_pulse(self) -> None:
        """Give the notifiers a pulse to hear."""
        self.pulse.path = FakePulse.path
        self.lookout = self._lookout()

    def survey(self, below: str | None) -> Mapping[str, str]:
        """List the directories, and remember being asked."""
        self.surveys.append(below)
        self.on_survey(len(self.surveys))
        return self.files.directories(below)

    def say(self, *names: str) -> None:
        """Let whoever watches the directory of a path tell of it."""
        for name in names:
            path = str(self.root / name)
            for notifier in self.notifiers.open:
                if os.path.dirname(path) in notifier.paths:
                    notifier.say({path})
                    break
            else:
                raise AssertionError(f"nobody watches {os.path.dirname(path)}")

    def paths(self, *names: str) -> set[str]:
        """Absolute paths."""
        return {str(self.root / name) if name else str(self.root) for name in names}

    @property
    def watched(self) -> set[str]:
        """What is watched, relative to the root; the directory above is `..`."""
        return {os.path.relpath(path, self.root) for path in self.notifiers.watched}


@pytest.fixture
def post(tmp_path: Path) -> Post:
    """A library with the directories a and b, not yet opened."""
    root = tmp_path.resolve() / "lib"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    return Post(root)


# -- watching ---------------------------------------------------------------------------------


def test_opening_watches_everything_and_asks_for_a_full_scan(post: Post) -> None:
    """After `open` all directories are watched, and what happened before is to be found by a scan."""
    assert post.lookout.open().full
    assert post.watched == {"..", ".", "a", "b"}
    assert (post.lookout.counts, post.lookout.reliance) == ((4, 0, 0, 1, 1), "inotify")
    assert repr(post.lookout) == "<WatchThread open, <WatchSet 4 directories in 1 pieces>>"


def test_a_file_event_is_a_path_and_remakes_nothing(post: Post) -> None:
    """Events below known directories are handed on with count and time; the notifier stays."""
    post.lookout.open()
    post.say("a/x.md", "b/y.md~")
    seen = post.lookout.look()
    assert seen.paths == post.paths("a/x.md")
    assert (seen.events, seen.seen_s) == (2, 5.0)
    assert len(post.notifiers.made) == 1


def test_a_new_directory_is_watched_with_what_is_below(post: Post) -> None:
    """Only that place is listed, and the sighting asks to rescan it."""
    post.lookout.open()
    post.surveys.clear()
    (post.root / "new" / "deep").mkdir(parents=True)
    post.say("new")
    assert post.lookout.look().directories == post.paths("new")
    assert post.watched == {"..", ".", "a", "b", "new", "new/deep"}
    assert set(post.surveys) == post.paths("new")


def test_a_mkdir_in_a_large_library_remakes_one_piece(tmp_path: Path) -> None:
    """Not all of it: the making holds the interpreter lock."""
    root = tmp_path.resolve() / "lib"
    for number in range(5 * PIECE):
        (root / f"{number:03}").mkdir(parents=True)
    post = Post(root)
    post.lookout.open()
    before = len(post.notifiers.made)
    (root / "new").mkdir()
    post.say("new")
    post.lookout.look()
    assert before == 6
    assert len(post.notifiers.made) == before + 1
    assert len(post.notifiers.last.paths) <= JOINABLE


def test_a_removed_directory_is_watched_no_longer(post: Post) -> None:
    """It may live on under another name outside the library."""
    post.lookout.open()
    (post.root / "a").rename(post.root.parent / "outside")
    post.say("a")
    assert post.lookout.look().directories == post.paths("a")
    assert post.watched == {"..", ".", "b"}


def test_a_replaced_directory_of_the_same_name_is_watched_anew(post: Post) -> None:
    """No unchanged list is trusted where something happened."""
    post.lookout.open()
    post.say("a")
    post.lookout.look()
    assert [made.is_closed for made in post.notifiers.made] == [True, False]


def test_a_directory_that_appears_meanwhile_is_watched_too(post: Post) -> None:
    """The second survey differs from the first: another round follows, until two agree."""
    post.on_survey = lambda number: (post.root / f"n{number}").mkdir() if number <= 3 else None
    post.lookout.open()
    assert post.watched == {"..", ".", "a", "b", "n1", "n2", "n3"}


def test_a_tree_that_never_rests_is_left_to_the_next_event(post: Post) -> None:
    """The rounds are bounded."""
    post.on_survey = lambda number: (post.root / f"n{number}").mkdir()
    post.lookout.open()
    assert len(post.surveys) == MAX_ROUNDS
    assert len(post.notifiers.open) == 1


def test_what_the_old_notifier_still_holds_is_not_lost(post: Post) -> None:
    """Events that came while the new notifier was made are read with the old survey, and followed."""
    post.lookout.open()
    old = post.notifiers.last
    (post.root / "c").mkdir()
    post.say("c")

    def late() -> None:
        old.say(post.paths("late.md", "b"))
        post.notifiers.on_make = lambda: None

    post.notifiers.on_make = late
    seen = post.lookout.look()
    assert seen.paths == post.paths("late.md")
    assert seen.directories == post.paths("b", "c")
    assert seen.events == 3


def test_many_places_at_once_are_one_listing(post: Post) -> None:
    """To list a hundred places one by one is dearer than to list all."""
    post.lookout.open()
    post.surveys.clear()
    for number in range(MAX_PLACES + 1):
        (post.root / f"n{number}").mkdir()
        post.say(f"n{number}")
    post.lookout.look()
    assert set(post.surveys) == {None}
    assert len(post.watched) == MAX_PLACES + 5


def test_the_directory_above_tells_of_the_root(post: Post) -> None:
    """Everything is watched anew, the directory above included."""
    post.lookout.open()
    first = post.notifiers.last
    first.say({str(post.root)})
    assert post.lookout.look().directories == {str(post.root)}
    assert first.is_closed
    assert post.watched == {"..", ".", "a", "b"}


# -- what fails -------------------------------------------------------------------------------


def test_a_directory_that_vanishes_before_it_is_watched_is_left_out(post: Post) -> None:
    """The others are watched at once, and this one when it is back."""

    def vanish() -> None:
        post.notifiers.on_make = lambda: None
        (post.root / "a").rmdir()
        raise FileNotFoundError("gone")

    post.notifiers.on_make = vanish
    assert post.lookout.open().full
    assert post.watched == {"..", ".", "b"}


def test_the_watch_limit_is_tried_again(tmp_path: Path) -> None:
    """With too few watches the outer directories are watched; when there are more, the rest is rescanned."""
    root = tmp_path.resolve() / "lib"
    for name in "abcdef":
        (root / name).mkdir(parents=True)
    post = Post(root, most=4)
    post.lookout.open()
    assert post.lookout.is_limited
    assert post.lookout.counts[:2] == (4, 4)
    assert not post.lookout.hears_of(f"{root}/f/x.md")
    assert post.lookout.hears_of(f"{root}/a/x.md")
    post.notifiers.most = None
    post.clock.advance(RETRY_S)
    assert post.lookout.look().directories == post.paths(*"cdef")
    assert not post.lookout.is_limited
    assert post.lookout.hears_of(f"{root}/f/x.md")


def test_no_watch_at_all_is_an_error(post: Post) -> None:
    """When not even one directory can be watched there is nothing to be degraded to."""
    post.notifiers.most = 0
    with pytest.raises(OSError, match="watch limit"):
        post.lookout.open()
    assert not post.lookout.is_open


def test_a_broken_notifier_closes_everything(post: Post) -> None:
    """The error travels on, and nothing is left behind; opening again mends it."""
    post.lookout.open()
    post.notifiers.last.say(RuntimeError("Unable to decode path"))
    with pytest.raises(RuntimeError, match="decode"):
        post.lookout.look()
    assert not post.lookout.is_open
    assert not post.notifiers.open
    assert post.lookout.counts[:4] == (0, 0, 0, 0)
    assert post.lookout.open().full


def test_an_error_while_emptying_the_old_notifier_closes_both(post: Post) -> None:
    """A broken notifier is not left behind; the error travels on."""
    post.lookout.open()
    old = post.notifiers.last
    post.say("a")
    post.notifiers.on_make = lambda: old.say(RuntimeError("Unable to decode path"))
    with pytest.raises(RuntimeError, match="decode"):
        post.lookout.look()
    assert not post.notifiers.open


# -- what no event tells ----------------------------------------------------------------------


def test_a_large_haul_asks_for_a_full_scan(post: Post) -> None:
    """The kernel's queue may have run over: a share of its length in one look."""
    post.lookout.open()
    most = 80 // QUEUE_SHARE
    post.say(*(f"{number}.md" for number in range(most - 1)))
    assert not post.lookout.look().full
    post.say(*(f"{number}.md" for number in range(most)))
    assert post.lookout.look().full


def test_a_rest_that_took_far_too_long_asks_for_a_full_scan(post: Post) -> None:
    """This process stood still, and events may be lost."""
    post.lookout.open()
    post.clock.jumps_s = [0.0, STALL_S + 1]
    assert post.lookout.look().full
    assert post.lookout.stalls == 1


def test_another_root_by_the_same_name_is_watched(post: Post) -> None:
    """An ancestor was renamed: no event comes, and a round finds it."""
    post.lookout.open()
    post.root.rename(post.root.parent / "old")
    (post.root / "c").mkdir(parents=True)
    post.clock.advance(ROUND_S)
    assert post.lookout.look().directories == {str(post.root)}
    assert post.watched == {"..", ".", "c"}


def test_a_file_system_mounted_over_the_library_is_noticed(post: Post) -> None:
    """One that tells nothing: the watches go and the library is scanned from then on."""
    post.lookout.open()
    post.table.mount(str(post.root), "nfs4")
    post.clock.advance(ROUND_S)
    assert post.lookout.look().directories == {str(post.root)}
    assert post.watched == {".."}
    assert post.lookout.reliance == "scan"
    assert not post.lookout.hears_of(f"{post.root}/a/x.md")
    post.table.mount(str(post.root), "")
    post.clock.advance(ROUND_S)
    post.lookout.look()
    assert (post.watched, post.lookout.reliance) == ({"..", ".", "a", "b"}, "inotify")


def test_a_deaf_notifier_is_an_error(post: Post) -> None:
    """It does not hear the pulse; a new one does."""
    post.hear_the_pulse()
    post.lookout.open()
    post.pulse.deaf = post.notifiers.open
    post.clock.advance(PULSE_S)
    post.say("a/x.md")
    post.lookout.look()
    post.clock.advance(PATIENCE_S + ROUND_S)
    with pytest.raises(WatchLost):
        post.lookout.look()
    post.lookout.open()
    post.clock.advance(PULSE_S)
    post.say("a/x.md")
    assert not post.lookout.look().full
    post.clock.advance(PATIENCE_S + ROUND_S)
    post.say("a/x.md")
    assert post.lookout.look().paths == post.paths("a/x.md")


def test_distrust_ends_a_look(post: Post) -> None:
    """Somebody knows of a change without an event: everything is watched anew."""
    post.lookout.open()
    post.lookout.distrust("a.md changed without an event")
    post.clock.advance(ROUND_S)
    with pytest.raises(WatchLost, match="without an event"):
        post.lookout.look()


# -- the end ----------------------------------------------------------------------------------


def test_stop_ends_a_look(post: Post) -> None:
    """A waiting look returns with nothing, and so does every later one."""
    post.lookout.open()
    threading.Timer(0.0, post.lookout.stop).start()
    assert not post.lookout.look()
    assert not post.lookout.look()
    assert post.lookout.is_stopped
    post.lookout.stop()
    post.lookout.end()
    assert post.table.is_closed
    assert post.pulse.is_closed
    assert not post.notifiers.open
