"""alerts.py as dialogues: how it is, minute by minute, and what is said of it."""

from collections.abc import Iterable

import pytest

from promptd.config.schema import AlertsConfig
from promptd.monitor.alerts import Alerts, Condition, Severity

SETTINGS = AlertsConfig(raise_after=60, clear_after=120, hysteresis=0.05)
STEP_S = 30.0
UNIX_S = 1_750_000_000.0


class Dialogue:
    """States the progress toward a target every 30 s, and keeps what came back."""

    def __init__(self, settings: AlertsConfig = SETTINGS) -> None:
        self.alerts = Alerts(settings)
        self.now_s = 0.0

    def say(self, *progress: float | None, **condition: float | bool) -> list[str]:
        """The events, each as `event severity`."""
        return [answer for each in progress for answer in self._say(each, **condition)]

    def _say(self, progress: float | None, **condition: float | bool) -> Iterable[str]:
        self.now_s += STEP_S
        seen = Condition("hit_ratio", progress, value=progress or 0.0, threshold=1.0, **condition)  # type: ignore[arg-type]
        events = self.alerts.see([seen], self.now_s, UNIX_S + self.now_s)
        return [f"{event.event} {event.severity}" for event in events]


def test_what_holds_is_raised_and_what_passes_is_not() -> None:
    """A dip of less than the hold time says nothing; one that lasts is raised once."""
    talk = Dialogue()
    assert talk.say(1.5, 0.4, 0.4, 1.5, 0.4, 0.4) == []
    assert talk.say(0.4) == ["raised critical"]
    assert talk.say(0.4, 0.4, 0.3) == []


@pytest.mark.parametrize(
    ("progress", "severity"),
    [
        (0.49, Severity.CRITICAL),
        (0.5, Severity.HIGH),
        (0.79, Severity.HIGH),
        (0.8, Severity.MEDIUM),
        (0.999, Severity.MEDIUM),
        (1.0, Severity.NONE),
        (None, Severity.NONE),
    ],
)
def test_the_severity_follows_from_the_progress_toward_the_target(
    progress: float | None, severity: Severity
) -> None:
    """Critical below half of it, high below four fifths, medium for any other miss."""
    assert Condition("x", progress).severity() is severity


def test_a_worsening_trend_is_medium_and_an_opportunity_low() -> None:
    """While the target is met; a miss is worse than either."""
    assert Condition("x", 1.2, is_worsening=True).severity() is Severity.MEDIUM
    assert Condition("x", 1.2, optimal=0.9).severity() is Severity.LOW
    assert Condition("x", 0.4, optimal=0.3, is_worsening=True).severity() is Severity.CRITICAL


def test_it_clears_with_hysteresis_and_patience() -> None:
    """Just above the bound is not over; nor is a good minute among bad ones."""
    talk = Dialogue()
    talk.say(0.9, 0.9, 0.9)
    assert talk.say(*[1.02] * 10) == []
    assert talk.say(1.2, 1.2, 1.2, 1.2, 0.9) == []
    assert talk.say(1.2, 1.2, 1.2, 1.2) == []
    assert talk.say(1.2) == ["cleared medium"]
    assert talk.alerts.active() == []


def test_it_escalates_and_eases() -> None:
    """Worse for the hold time, better for the clear time; each is said, and it stays one alert."""
    talk = Dialogue()
    assert talk.say(0.7, 0.7, 0.7) == ["raised high"]
    assert talk.say(0.3, 0.3, 0.3) == ["escalated critical"]
    assert talk.say(0.52, 0.52, 0.52, 0.52, 0.52, 0.52) == []
    assert talk.say(0.7, 0.9, 0.9, 0.9, 0.9) == ["eased high"]
    assert talk.say(0.9) == ["eased medium"]
    assert len({event.id for event in talk.alerts.view().history}) == 1


def test_it_is_raised_at_the_mildest_it_was_meanwhile() -> None:
    """One terrible reading does not make a bad minute terrible."""
    assert Dialogue().say(0.9, 0.1, 0.7) == ["raised medium"]


def test_no_data_is_no_failure() -> None:
    """Nothing is raised by silence, a hold begins anew after it, and an alert does not outlive its figure."""
    talk = Dialogue()
    assert talk.say(*[None] * 20) == []
    assert talk.say(0.4, 0.4, None, 0.4, 0.4) == []
    assert talk.say(0.4) == ["raised critical"]
    assert talk.say(None, None, None, None) == []
    assert talk.say(None) == ["cleared critical"]


def test_an_alert_says_who_it_is_since_when_and_how_it_stands() -> None:
    """First seen stays, last seen and value move, the sentence is of now."""
    talk = Dialogue()
    talk.say(0.4, 0.4, 0.4)
    first = talk.alerts.active()[0]
    talk.say(0.3)
    last = talk.alerts.active()[0]
    assert (first.id, first.first_seen_unix_s) == (last.id, last.first_seen_unix_s)
    assert last.last_seen_unix_s == first.last_seen_unix_s + STEP_S
    assert (first.value, last.value, last.threshold) == (0.4, 0.3, 1.0)


def test_another_occurrence_is_another_alert() -> None:
    """The same rule, another id."""
    talk = Dialogue()
    talk.say(*[0.4] * 3, *[1.5] * 6, *[0.4] * 3)
    raised = [event.id for event in talk.alerts.view().history if event.event == "raised"]
    assert len(set(raised)) == 2


def test_history_is_bounded_and_sums_are_not() -> None:
    """A rule that comes and goes for a day leaves the newest events and the right sums."""
    talk = Dialogue(AlertsConfig(raise_after=0, clear_after=0, hysteresis=0, history=10))
    for _ in range(100):
        talk.say(0.4, 1.5)
    view = talk.alerts.view()
    assert len(view.history) == 10
    assert view.history[-1].event == "cleared"
    assert (view.raised_total["critical"], view.cleared_total) == (100, 100)


def test_the_worst_comes_first() -> None:
    """Then the oldest."""
    alerts = Alerts(AlertsConfig(raise_after=0))
    alerts.see([Condition("memory", 0.9), Condition("errors", 0.1), Condition("hit_ratio", 0.9)], 1.0, UNIX_S)
    assert [alert.rule for alert in alerts.active()] == ["errors", "hit_ratio", "memory"]


def test_settings_can_be_exchanged() -> None:
    """A reload: what is active stays, what comes is judged anew."""
    talk = Dialogue()
    talk.say(0.4, 0.4, 0.4)
    talk.alerts.configure(AlertsConfig(clear_after=0, history=0))
    assert talk.say(1.5) == ["cleared critical"]
    assert talk.alerts.view().history == []
