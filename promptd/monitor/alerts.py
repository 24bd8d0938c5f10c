"""Alerts: a condition that lasts is raised once, and cleared once it is over.

One rule a target. A condition must be at least so bad for `raise_after` before its alert is raised or
escalated; an alert is eased or cleared once the value was better, by the hysteresis, for `clear_after`.
Without data nothing is raised; an alert without data for `clear_after` is cleared. Pure: times are arguments,
events are returned, and delivering them is the caller's part.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from promptd.config.schema import AlertsConfig
from promptd.protocol.records import Alert, AlertEvent, EventName, SeverityName

CRITICAL_BELOW = 0.5  # of the target
HIGH_BELOW = 0.8


class Severity(IntEnum):
    """How bad; 0 is no alert."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


SEVERITIES: tuple[SeverityName, ...] = ("critical", "high", "medium", "low")


class AlertsView(msgspec.Struct, frozen=True, kw_only=True):
    """Active alerts, worst first; past events, oldest first; totals since the start."""

    active: list[Alert]
    history: list[AlertEvent]
    raised_total: dict[str, int]
    cleared_total: int


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule evaluates: `progress` toward the target is 1 or more if it is met, None if unknown.

    `optimal` is the same for the optimum; `is_worsening`: the target will be missed if a trend continues.
    """

    rule: str
    progress: float | None
    optimal: float = float("inf")
    is_worsening: bool = False
    value: float = 0.0
    threshold: float = 0.0
    unit: str = ""
    sentence: str = ""

    def severity(self, margin: float = 0.0) -> Severity:
        """The severity if the value were worse by `margin`."""
        if self.progress is None:
            return Severity.NONE
        progress = self.progress - margin
        if progress < 1:
            is_critical, is_high = progress < CRITICAL_BELOW, progress < HIGH_BELOW
            return Severity.CRITICAL if is_critical else Severity.HIGH if is_high else Severity.MEDIUM
        if self.is_worsening:
            return Severity.MEDIUM
        return Severity.LOW if self.optimal - margin < 1 else Severity.NONE


class AlertRule:
    """The state of one rule: for each severity, since when the condition is at least or at most that bad."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alert: Alert | None = None
        self._at_least: dict[Severity, float] = {}
        self._at_most: dict[Severity, float] = {}

    def __repr__(self) -> str:
        return f"<AlertRule {self.name}: {self.alert.severity if self.alert else 'quiet'}>"

    def see(
        self, condition: Condition, now_s: float, unix_s: float, settings: AlertsConfig
    ) -> EventName | None:
        """Evaluate the condition as of now; returns what happened to the alert, if anything."""
        active = _level(self.alert)
        if self.alert is not None and condition.progress is not None:
            self.alert = _alert(condition, self.alert.severity, self.alert, unix_s)
        is_now, with_margin = condition.severity(), condition.severity(settings.hysteresis)
        _note(self._at_least, now_s, lambda level: is_now >= level)
        _note(self._at_most, now_s, lambda level: with_margin <= level)
        worst = max(_lasting(self._at_least, now_s - settings.raise_after), default=Severity.NONE)
        best = min(_lasting(self._at_most, now_s - settings.clear_after), default=active)
        severity = worst if worst > active else min(active, best)
        return None if severity == active else self._become(severity, condition, unix_s)

    def _become(self, severity: Severity, condition: Condition, unix_s: float) -> EventName:
        before, former = _level(self.alert), self.alert
        if severity is Severity.NONE:
            self.alert = None
            return "cleared"
        self.alert = _alert(condition, _name(severity), former, unix_s)
        return "raised" if former is None else "escalated" if severity > before else "eased"


def _note(since: dict[Severity, float], now_s: float, holds: Callable[[Severity], bool]) -> None:
    """Remember since when something is true for each severity; forget those for which it is not."""
    for level in Severity:
        if holds(level):
            since.setdefault(level, now_s)
        else:
            since.pop(level, None)


def _lasting(since: Mapping[Severity, float], until_s: float) -> Iterator[Severity]:
    return (level for level, since_s in since.items() if since_s <= until_s)


class Alerts:
    """All rules, the history and the totals; `settings` may be replaced at any time."""

    def __init__(self, settings: AlertsConfig) -> None:
        self.settings = settings
        self._rules: dict[str, AlertRule] = {}
        self._history: deque[AlertEvent] = deque(maxlen=settings.history)
        self._raised: Counter[str] = Counter(dict.fromkeys(SEVERITIES, 0))
        self._cleared = 0

    def __repr__(self) -> str:
        return f"<Alerts {len(self.active())} active>"

    def configure(self, settings: AlertsConfig) -> None:
        """Continue with other settings."""
        self.settings = settings
        self._history = deque(self._history, maxlen=settings.history)

    def see(self, conditions: Sequence[Condition], now_s: float, unix_s: float) -> list[AlertEvent]:
        """Evaluate all conditions as of now; returns the events to deliver."""
        return [
            event for condition in conditions if (event := self._see(condition, now_s, unix_s)) is not None
        ]

    def _see(self, condition: Condition, now_s: float, unix_s: float) -> AlertEvent | None:
        rule = self._rules.setdefault(condition.rule, AlertRule(condition.rule))
        before = rule.alert
        name = rule.see(condition, now_s, unix_s, self.settings)
        alert = rule.alert or before
        if name is None or alert is None:
            return None
        self._count(name, alert)
        event = _event(name, alert, unix_s)
        self._history.append(event)
        return event

    def _count(self, name: EventName, alert: Alert) -> None:
        self._cleared += name == "cleared"
        if name in ("raised", "escalated"):
            self._raised[alert.severity] += 1

    def active(self) -> list[Alert]:
        """Active alerts, worst first, then oldest first."""
        found = [rule.alert for rule in self._rules.values() if rule.alert is not None]
        return sorted(found, key=lambda alert: (-_level(alert), alert.first_seen_unix_s, alert.rule))

    def view(self) -> AlertsView:
        """Active alerts, history and totals."""
        return AlertsView(
            active=self.active(),
            history=list(self._history),
            raised_total=dict(self._raised),
            cleared_total=self._cleared,
        )


def _alert(condition: Condition, severity: SeverityName, former: Alert | None, unix_s: float) -> Alert:
    """An alert for the condition as of now; it keeps the id and the first time of a former one."""
    return Alert(
        id=former.id if former else f"{condition.rule}-{int(unix_s)}",
        rule=condition.rule,
        severity=severity,
        first_seen_unix_s=former.first_seen_unix_s if former else unix_s,
        last_seen_unix_s=unix_s,
        value=condition.value,
        threshold=condition.threshold,
        unit=condition.unit,
        sentence=condition.sentence,
    )


def _event(name: EventName, alert: Alert, unix_s: float) -> AlertEvent:
    return AlertEvent(
        time_unix_s=unix_s,
        event=name,
        id=alert.id,
        rule=alert.rule,
        severity=alert.severity,
        value=alert.value,
        threshold=alert.threshold,
        unit=alert.unit,
        sentence=alert.sentence,
    )


def _level(alert: Alert | None) -> Severity:
    return Severity.NONE if alert is None else Severity[alert.severity.upper()]


def _name(severity: Severity) -> SeverityName:
    return SEVERITIES[Severity.CRITICAL - severity]
