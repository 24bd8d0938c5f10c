"""Missed events: a difference is counted once nothing has explained it in time, and only then."""

from promptd.daemon.missed_events import MissedEvents


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 100.0

    def __call__(self) -> float:
        """Now."""
        return self.now_s


def test_what_no_event_explains_is_counted_after_a_while() -> None:
    """Not at once, since its event may be on its way; and once, however often it is asked for."""
    clock = Clock()
    missed = MissedEvents(clock, explained_s=2.0)
    missed.suspect(["a.md", "b.md"])
    assert missed.total == 0
    clock.now_s += 2.0
    assert missed.total == 2
    assert missed.total == 2
    assert "2, 0 suspects" in repr(missed)


def test_an_event_that_comes_in_time_explains() -> None:
    """Only for what it covers."""
    clock = Clock()
    missed = MissedEvents(clock, explained_s=2.0)
    missed.suspect(["a.md", "b.md"])
    clock.now_s += 1.9
    missed.explain(lambda id: id == "a.md")
    clock.now_s += 10.0
    assert missed.total == 1


def test_an_event_that_comes_too_late_explains_nothing() -> None:
    """What was counted stays counted."""
    clock = Clock()
    missed = MissedEvents(clock, explained_s=2.0)
    missed.suspect(["a.md"])
    clock.now_s += 2.0
    missed.explain(lambda _id: True)
    assert missed.total == 1


def test_a_suspect_that_is_found_again_waits_no_longer_for_it() -> None:
    """A file that changes again and again unseen is counted from its first time on."""
    clock = Clock()
    missed = MissedEvents(clock, explained_s=2.0)
    missed.suspect(["a.md"])
    clock.now_s += 1.5
    missed.suspect(["a.md"])
    clock.now_s += 0.5
    assert missed.total == 1


def test_what_is_new_is_reported_once() -> None:
    """The watcher starts anew for each event it missed, not for those it was blamed for before."""
    clock = Clock()
    missed = MissedEvents(clock, explained_s=2.0)
    missed.suspect(["a.md", "b.md"])
    assert missed.suspects == {"a.md", "b.md"}
    assert missed.take_new() == 0
    clock.now_s += 2.0
    assert [missed.take_new(), missed.take_new()] == [2, 0]
    missed.suspect(["a.md"])
    clock.now_s += 2.0
    assert [missed.take_new(), missed.take_new()] == [1, 0]
