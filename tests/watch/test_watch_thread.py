"""watch_thread.py: what it watches after which events, with fake notifiers over a real tree."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from promptd.core.library.resolve import NamingRules
from promptd.sources.worktree.files import Worktree
from promptd.watch.health_checks import (
    CHECK_INTERVAL_S,
    GRACE_S,
    HEARTBEAT_S,
    RETRY_S,
    WatchLost,
)
from promptd.watch.watch_set import GROUP_SIZE, MAX_JOINED
from promptd.watch.watch_thread import (
    MAX_PLACES,
    MAX_SURVEYS,
    QUEUE_SHARE,
    STALL_S,
    PollIntervals,
    Ports,
    WatchThread,
)
from tests.watch.fakes import (
    FakeHeartbeat,
    FakeNotifiers,
    FakeTable,
    ManualClock,
)


class Setup:
    """A WatchThread on `root`, over fakes."""

    def __init__(self, root: Path, *refusals: Exception, most: int | None = None) -> None:
        self.root = root
        self.clock = ManualClock(5.0)
        self.notifiers = FakeNotifiers(*refusals, most=most)
        self.table = FakeTable(root="ext4")
        self.heartbeat = FakeHeartbeat(self.notifiers)
        self.heartbeat.path = ""  # so that what is watched is directories only
        self.surveys: list[str | None] = []
        self.on_survey: Callable[[int], None] = lambda _: None
        self.files = Worktree([str(root)], NamingRules((".md",)))
        self.thread = self._thread()

    def _thread(self) -> WatchThread:
        ports = Ports(
            make=self.notifiers,
            max_queued_events=lambda: 80,
            mounts=self.table,
            heartbeat=self.heartbeat,
            clock=self.clock,
        )
        intervals = PollIntervals(0.001, 0.001, 0.0)
        return WatchThread([str(self.root)], self.survey, lambda path: path.endswith("~"), intervals, ports)

    def use_heartbeat(self) -> None:
        """Give the notifiers a heartbeat to report."""
        self.heartbeat.path = FakeHeartbeat.path
        self.thread = self._thread()

    def survey(self, below: str | None) -> Mapping[str, str]:
        """List the directories, and remember being asked."""
        self.surveys.append(below)
        self.on_survey(len(self.surveys))
        return self.files.directories(below)

    def say(self, *names: str) -> None:
        """Make an event at a path, in the notifier that watches its directory."""
        for name in names:
            path = str(self.root / name)
            for notifier in self.notifiers.open:
                if os.path.dirname(path) in notifier.paths:
                    notifier.say({path})
                    break
            else:
                raise AssertionError(f"no notifier watches {os.path.dirname(path)}")

    def paths(self, *names: str) -> set[str]:
        """Absolute paths."""
        return {str(self.root / name) if name else str(self.root) for name in names}

    @property
    def watched(self) -> set[str]:
        """What is watched, relative to the root; the directory above is `..`."""
        return {os.path.relpath(path, self.root) for path in self.notifiers.watched}


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """A library with the directories a and b, not yet opened."""
    root = tmp_path.resolve() / "lib"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    return Setup(root)


# -- watching ---------------------------------------------------------------------------------


def test_opening_watches_everything_and_asks_for_a_full_scan(setup: Setup) -> None:
    """After `open` all directories are watched, and what happened before is to be found by a scan."""
    assert setup.thread.open().full
    assert setup.watched == {"..", ".", "a", "b"}
    assert (setup.thread.counts, setup.thread.reliance) == ((4, 0, 0, 1, 1), "inotify")
    assert repr(setup.thread) == "<WatchThread open, <WatchSet 4 directories in 1 groups>>"


def test_a_file_event_is_a_path_and_replaces_nothing(setup: Setup) -> None:
    """Events below known directories are handed on with count and time; the notifier stays."""
    setup.thread.open()
    setup.say("a/x.md", "b/y.md~")
    seen = setup.thread.wait()
    assert seen.paths == setup.paths("a/x.md")
    assert (seen.events, seen.seen_s) == (2, 5.0)
    assert len(setup.notifiers.made) == 1


def test_a_change_is_seen_when_it_comes(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when something came before it that means nothing: an ignored file, the heartbeat."""
    setup.thread.open()
    drains = iter([setup.paths("a/x.md~"), set[str](), setup.paths("a/y.md")])

    def drain() -> set[str]:
        setup.clock.advance(3.0)
        return next(drains)

    monkeypatch.setattr(setup.notifiers.last, "drain", drain)
    seen = setup.thread.wait()
    assert (seen.paths, seen.events, seen.seen_s) == (setup.paths("a/y.md"), 2, 5.0 + 3 * 3.0)


def test_a_new_directory_is_watched_with_what_is_below(setup: Setup) -> None:
    """Only that place is listed, and the changes ask to rescan it."""
    setup.thread.open()
    setup.surveys.clear()
    (setup.root / "new" / "deep").mkdir(parents=True)
    setup.say("new")
    assert setup.thread.wait().directories == setup.paths("new")
    assert setup.watched == {"..", ".", "a", "b", "new", "new/deep"}
    assert set(setup.surveys) == setup.paths("new")


def test_a_mkdir_in_a_large_library_replaces_one_group(tmp_path: Path) -> None:
    """Not all of it: the making holds the interpreter lock."""
    root = tmp_path.resolve() / "lib"
    for number in range(5 * GROUP_SIZE):
        (root / f"{number:03}").mkdir(parents=True)
    setup = Setup(root)
    setup.thread.open()
    before = len(setup.notifiers.made)
    (root / "new").mkdir()
    setup.say("new")
    setup.thread.wait()
    assert before == 6
    assert len(setup.notifiers.made) == before + 1
    assert len(setup.notifiers.last.paths) <= MAX_JOINED


def test_a_removed_directory_is_watched_no_longer(setup: Setup) -> None:
    """It may live on under another name outside the library."""
    setup.thread.open()
    (setup.root / "a").rename(setup.root.parent / "outside")
    setup.say("a")
    assert setup.thread.wait().directories == setup.paths("a")
    assert setup.watched == {"..", ".", "b"}


def test_a_replaced_directory_of_the_same_name_is_watched_again(setup: Setup) -> None:
    """No unchanged list is trusted where something happened."""
    setup.thread.open()
    setup.say("a")
    setup.thread.wait()
    assert [made.is_closed for made in setup.notifiers.made] == [True, False]


def test_a_directory_that_appears_meanwhile_is_watched_too(setup: Setup) -> None:
    """The second survey differs from the first: it is repeated until two agree."""
    setup.on_survey = lambda number: (setup.root / f"n{number}").mkdir() if number <= 3 else None
    setup.thread.open()
    assert setup.watched == {"..", ".", "a", "b", "n1", "n2", "n3"}


def test_a_tree_that_never_rests_is_left_to_the_next_event(setup: Setup) -> None:
    """The number of surveys is bounded."""
    setup.on_survey = lambda number: (setup.root / f"n{number}").mkdir()
    setup.thread.open()
    assert len(setup.surveys) == MAX_SURVEYS
    assert len(setup.notifiers.open) == 1


def test_what_the_old_notifier_still_holds_is_not_lost(setup: Setup) -> None:
    """Events that came while the new notifier was made are read with the old survey, and followed."""
    setup.thread.open()
    old = setup.notifiers.last
    (setup.root / "c").mkdir()
    setup.say("c")

    def late() -> None:
        old.say(setup.paths("late.md", "b"))
        setup.notifiers.on_make = lambda: None

    setup.notifiers.on_make = late
    seen = setup.thread.wait()
    assert seen.paths == setup.paths("late.md")
    assert seen.directories == setup.paths("b", "c")
    assert seen.events == 3


def test_many_places_at_once_are_one_listing(setup: Setup) -> None:
    """Listing a hundred places one by one costs more than listing all."""
    setup.thread.open()
    setup.surveys.clear()
    for number in range(MAX_PLACES + 1):
        (setup.root / f"n{number}").mkdir()
        setup.say(f"n{number}")
    setup.thread.wait()
    assert set(setup.surveys) == {None}
    assert len(setup.watched) == MAX_PLACES + 5


def test_the_directory_above_tells_of_the_root(setup: Setup) -> None:
    """All watches are made again, the directory above included."""
    setup.thread.open()
    first = setup.notifiers.last
    first.say({str(setup.root)})
    assert setup.thread.wait().directories == {str(setup.root)}
    assert first.is_closed
    assert setup.watched == {"..", ".", "a", "b"}


# -- what fails -------------------------------------------------------------------------------


def test_a_directory_that_vanishes_before_it_is_watched_is_left_out(setup: Setup) -> None:
    """The others are watched at once, and this one when it is back."""

    def vanish() -> None:
        setup.notifiers.on_make = lambda: None
        (setup.root / "a").rmdir()
        raise FileNotFoundError("gone")

    setup.notifiers.on_make = vanish
    assert setup.thread.open().full
    assert setup.watched == {"..", ".", "b"}


def test_the_watch_limit_is_tried_again(tmp_path: Path) -> None:
    """With too few watches the outer directories are watched; when there are more, the rest is rescanned."""
    root = tmp_path.resolve() / "lib"
    for name in "abcdef":
        (root / name).mkdir(parents=True)
    setup = Setup(root, most=4)
    setup.thread.open()
    assert setup.thread.is_limited
    assert setup.thread.counts[:2] == (4, 4)
    assert not setup.thread.is_watched(f"{root}/f/x.md")
    assert setup.thread.is_watched(f"{root}/a/x.md")
    setup.notifiers.most = None
    setup.clock.advance(RETRY_S)
    assert setup.thread.wait().directories == setup.paths(*"cdef")
    assert not setup.thread.is_limited
    assert setup.thread.is_watched(f"{root}/f/x.md")


def test_no_watch_at_all_is_an_error(setup: Setup) -> None:
    """When not even one directory can be watched there is nothing to be degraded to."""
    setup.notifiers.most = 0
    with pytest.raises(OSError, match="watch limit"):
        setup.thread.open()
    assert not setup.thread.is_open


def test_a_broken_notifier_closes_everything(setup: Setup) -> None:
    """The error propagates and nothing is left open; opening again recovers."""
    setup.thread.open()
    setup.notifiers.last.say(RuntimeError("Unable to decode path"))
    with pytest.raises(RuntimeError, match="decode"):
        setup.thread.wait()
    assert not setup.thread.is_open
    assert not setup.notifiers.open
    assert setup.thread.counts[:4] == (0, 0, 0, 0)
    assert setup.thread.open().full


def test_an_error_while_emptying_the_old_notifier_closes_both(setup: Setup) -> None:
    """A broken notifier is not left behind; the error propagates."""
    setup.thread.open()
    old = setup.notifiers.last
    setup.say("a")
    setup.notifiers.on_make = lambda: old.say(RuntimeError("Unable to decode path"))
    with pytest.raises(RuntimeError, match="decode"):
        setup.thread.wait()
    assert not setup.notifiers.open


# -- changes without an event -----------------------------------------------------------------


def test_a_large_drain_asks_for_a_full_scan(setup: Setup) -> None:
    """The kernel's queue may have run over: a share of its length in one poll."""
    setup.thread.open()
    most = 80 // QUEUE_SHARE
    setup.say(*(f"{number}.md" for number in range(most - 1)))
    assert not setup.thread.wait().full
    setup.say(*(f"{number}.md" for number in range(most)))
    assert setup.thread.wait().full


def test_a_sleep_that_took_far_too_long_asks_for_a_full_scan(setup: Setup) -> None:
    """This process was not running, and events may be lost."""
    setup.thread.open()
    setup.clock.jumps_s = [0.0, STALL_S + 1]
    assert setup.thread.wait().full
    assert setup.thread.stalls == 1


def test_another_root_by_the_same_name_is_watched(setup: Setup) -> None:
    """An ancestor was renamed: no event comes, and a health check finds it."""
    setup.thread.open()
    setup.root.rename(setup.root.parent / "old")
    (setup.root / "c").mkdir(parents=True)
    setup.clock.advance(CHECK_INTERVAL_S)
    assert setup.thread.wait().directories == {str(setup.root)}
    assert setup.watched == {"..", ".", "c"}


def test_a_file_system_mounted_over_the_library_is_noticed(setup: Setup) -> None:
    """One without events: the watches go and the library is scanned from then on."""
    setup.thread.open()
    setup.table.mount(str(setup.root), "nfs4")
    setup.clock.advance(CHECK_INTERVAL_S)
    assert setup.thread.wait().directories == {str(setup.root)}
    assert setup.watched == {".."}
    assert setup.thread.reliance == "scan"
    assert not setup.thread.is_watched(f"{setup.root}/a/x.md")
    setup.table.mount(str(setup.root), "")
    setup.clock.advance(CHECK_INTERVAL_S)
    setup.thread.wait()
    assert (setup.watched, setup.thread.reliance) == ({"..", ".", "a", "b"}, "inotify")


def test_a_silent_notifier_is_an_error(setup: Setup) -> None:
    """It does not report the heartbeat; a new one does."""
    setup.use_heartbeat()
    setup.thread.open()
    setup.heartbeat.silent = setup.notifiers.open
    setup.clock.advance(HEARTBEAT_S)
    setup.say("a/x.md")
    setup.thread.wait()
    setup.clock.advance(GRACE_S + CHECK_INTERVAL_S)
    with pytest.raises(WatchLost):
        setup.thread.wait()
    setup.thread.open()
    setup.clock.advance(HEARTBEAT_S)
    setup.say("a/x.md")
    assert not setup.thread.wait().full
    setup.clock.advance(GRACE_S + CHECK_INTERVAL_S)
    setup.say("a/x.md")
    assert setup.thread.wait().paths == setup.paths("a/x.md")


def test_distrust_ends_a_wait(setup: Setup) -> None:
    """A change without an event was reported: all watches are made again."""
    setup.thread.open()
    setup.thread.distrust("a.md changed without an event")
    setup.clock.advance(CHECK_INTERVAL_S)
    with pytest.raises(WatchLost, match="without an event"):
        setup.thread.wait()


# -- the end ----------------------------------------------------------------------------------


def test_stop_ends_a_wait(setup: Setup) -> None:
    """A running wait returns nothing, and so does every later one."""
    setup.thread.open()
    threading.Timer(0.0, setup.thread.stop).start()
    assert not setup.thread.wait()
    assert not setup.thread.wait()
    assert setup.thread.is_stopped
    setup.thread.stop()
    setup.thread.end()
    assert setup.table.is_closed
    assert setup.heartbeat.is_closed
    assert not setup.notifiers.open
