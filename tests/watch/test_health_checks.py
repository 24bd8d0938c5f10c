"""health_checks.py: when to check for changes that make no event, by a manual clock."""

import pytest

from promptd.watch.health_checks import (
    CHECK_INTERVAL_S,
    GRACE_S,
    HEARTBEAT_S,
    RETRY_S,
    HealthChecks,
    WatchLost,
)
from promptd.watch.inotify import is_limit
from promptd.watch.mounts import Mounts
from promptd.watch.scope import Scope
from promptd.watch.watch_set import WatchSet
from tests.watch.fakes import (
    FakeHeartbeat,
    FakeNotifiers,
    FakeTable,
    ManualClock,
)


class Setup:
    """Started health checks over fakes, with a watch set of two notifiers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.notifiers = FakeNotifiers()
        self.table = FakeTable(root="ext4")
        self.heartbeat = FakeHeartbeat(self.notifiers)
        self.watch_set = WatchSet(self.notifiers, is_limit, self.heartbeat.path)
        self.watch_set.update((), [f"/lib/{number:03}" for number in range(200)])
        self.checks = HealthChecks(self.table, self.heartbeat, self.clock)
        self.checks.start()

    def check(self) -> None:
        """One check: drain, then check the watch set."""
        self.watch_set.drain()
        self.checks.check(self.watch_set)


@pytest.fixture
def setup() -> Setup:
    """A fresh one."""
    return Setup()


def test_checks_are_due_four_times_a_second(setup: Setup) -> None:
    """Not at once, and not twice for one time."""
    assert not setup.checks.are_due()
    setup.clock.advance(CHECK_INTERVAL_S)
    assert [setup.checks.are_due(), setup.checks.are_due()] == [True, False]


def test_a_retry_is_due_now_and_then(setup: Setup) -> None:
    """Every RETRY_S."""
    assert not setup.checks.is_retry_due()
    setup.clock.advance(RETRY_S)
    assert [setup.checks.is_retry_due(), setup.checks.is_retry_due()] == [True, False]


def test_notifiers_that_report_the_heartbeat_are_left_alone(setup: Setup) -> None:
    """A beat every HEARTBEAT_S and nothing else."""
    for _ in range(10):
        setup.clock.advance(HEARTBEAT_S)
        setup.check()
        setup.clock.advance(GRACE_S + 1)
        setup.check()
    assert setup.heartbeat.beats == 10


def test_one_silent_notifier_is_found_within_the_grace_period(setup: Setup) -> None:
    """Not before: the machine may be busy."""
    setup.heartbeat.silent.append(setup.notifiers.made[1])
    setup.clock.advance(HEARTBEAT_S)
    setup.check()
    setup.clock.advance(GRACE_S)
    setup.check()
    setup.clock.advance(0.1)
    with pytest.raises(WatchLost, match="heartbeat"):
        setup.check()


def test_a_stalled_process_gets_another_grace_period(setup: Setup) -> None:
    """It starts when the process goes on."""
    setup.clock.advance(HEARTBEAT_S)
    setup.checks.check(setup.watch_set)
    setup.clock.advance(3600)
    setup.checks.extend_grace()
    setup.checks.check(setup.watch_set)
    setup.check()
    assert not setup.watch_set.is_silent


def test_distrust_fails_the_check_until_the_next_start(setup: Setup) -> None:
    """A change without an event was reported."""
    setup.checks.distrust("2 changes without an event")
    with pytest.raises(WatchLost, match="2 changes"):
        setup.check()
    setup.checks.start()
    setup.check()


def test_only_mounts_that_concern_the_library_are_returned(setup: Setup) -> None:
    """A mount elsewhere is ignored; one that holds the library is not."""
    scope = Scope.survey(["/nowhere/lib"], {}, setup.checks.start())
    assert setup.checks.changed_mounts(scope) is None
    setup.table.mount("/elsewhere", "nfs4")
    assert setup.checks.changed_mounts(scope) is None
    setup.table.mount("/nowhere", "nfs4")
    expected = Mounts({"/": "ext4", "/elsewhere": "nfs4", "/nowhere": "nfs4"})
    assert setup.checks.changed_mounts(scope) == expected
    setup.table.mount("/nowhere/lib/a", "tmpfs")
    assert setup.checks.changed_mounts(scope) is not None


def test_closing_releases_both(setup: Setup) -> None:
    """The mount table and the heartbeat file."""
    setup.checks.close()
    assert (setup.table.is_closed, setup.heartbeat.is_closed) == (True, True)
    assert repr(setup.checks) == "<HealthChecks ok>"
