"""rounds.py: when to look for what no event tells, by a manual clock."""

import pytest

from promptd.watch.health_checks import (
    PATIENCE_S,
    PULSE_S,
    RETRY_S,
    ROUND_S,
    HealthChecks,
    WatchLost,
)
from promptd.watch.inotify import is_limit
from promptd.watch.mounts import Mounts
from promptd.watch.scope import Scope
from promptd.watch.watch_set import WatchSet
from tests.watch.fakes import (
    FakeNotifiers,
    FakePulse,
    FakeTable,
    ManualClock,
)


class Post:
    """Rounds over fakes, begun, beside a net of two notifiers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.notifiers = FakeNotifiers()
        self.table = FakeTable(root="ext4")
        self.pulse = FakePulse(self.notifiers)
        self.net = WatchSet(self.notifiers, is_limit, self.pulse.path)
        self.net.mend((), [f"/lib/{number:03}" for number in range(200)])
        self.rounds = HealthChecks(self.table, self.pulse, self.clock)
        self.rounds.begin()

    def mind(self) -> None:
        """One round: haul, then mind the net."""
        self.net.haul()
        self.rounds.mind(self.net)


@pytest.fixture
def post() -> Post:
    """A fresh one."""
    return Post()


def test_rounds_are_due_four_times_a_second(post: Post) -> None:
    """Not at once, and not twice for one time."""
    assert not post.rounds.are_due()
    post.clock.advance(ROUND_S)
    assert [post.rounds.are_due(), post.rounds.are_due()] == [True, False]


def test_a_retry_is_due_now_and_then(post: Post) -> None:
    """Every RETRY_S."""
    assert not post.rounds.is_retry_due()
    post.clock.advance(RETRY_S)
    assert [post.rounds.is_retry_due(), post.rounds.is_retry_due()] == [True, False]


def test_those_who_hear_the_pulse_are_left_in_peace(post: Post) -> None:
    """A beat every PULSE_S and nothing else."""
    for _ in range(10):
        post.clock.advance(PULSE_S)
        post.mind()
        post.clock.advance(PATIENCE_S + 1)
        post.mind()
    assert post.pulse.beats == 10


def test_one_deaf_notifier_is_found_within_the_patience(post: Post) -> None:
    """Not before, since a machine may be busy."""
    post.pulse.deaf.append(post.notifiers.made[1])
    post.clock.advance(PULSE_S)
    post.mind()
    post.clock.advance(PATIENCE_S)
    post.mind()
    post.clock.advance(0.1)
    with pytest.raises(WatchLost, match="pulse"):
        post.mind()


def test_a_process_that_stood_still_could_not_hear(post: Post) -> None:
    """The patience begins anew when it goes on."""
    post.clock.advance(PULSE_S)
    post.rounds.mind(post.net)
    post.clock.advance(3600)
    post.rounds.excuse()
    post.rounds.mind(post.net)
    post.mind()
    assert not post.net.is_deaf


def test_distrust_is_deafness_until_a_new_beginning(post: Post) -> None:
    """Somebody saw a change without an event."""
    post.rounds.distrust("2 changes without an event")
    with pytest.raises(WatchLost, match="2 changes"):
        post.mind()
    post.rounds.begin()
    post.mind()


def test_only_mounts_that_matter_are_told(post: Post) -> None:
    """What is mounted elsewhere is nobody's business; what holds the library is."""
    scope = Scope.survey(["/nowhere/lib"], {}, post.rounds.begin())
    assert post.rounds.mounts_beside(scope) is None
    post.table.mount("/elsewhere", "nfs4")
    assert post.rounds.mounts_beside(scope) is None
    post.table.mount("/nowhere", "nfs4")
    assert post.rounds.mounts_beside(scope) == Mounts({"/": "ext4", "/elsewhere": "nfs4", "/nowhere": "nfs4"})
    post.table.mount("/nowhere/lib/a", "tmpfs")
    assert post.rounds.mounts_beside(scope) is not None


def test_closing_lets_go(post: Post) -> None:
    """Of the table and of the pulse."""
    post.rounds.close()
    assert (post.table.is_closed, post.pulse.is_closed) == (True, True)
    assert repr(post.rounds) == "<HealthChecks nothing amiss>"
