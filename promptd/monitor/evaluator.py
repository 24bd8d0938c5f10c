"""The evaluator: from each sample to windows, verdicts, trends, health, alerts and recommendations.

Composition only, and pure: samples go in, with the time they were taken, and an Evaluation comes out. Alert
events go to the listeners that the caller added; this module delivers nothing itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from promptd.config import Config
from promptd.monitor.advice import Recommendation, recommendations, sentence
from promptd.monitor.alerts import (
    Alerts,
    AlertsView,
    Condition,
)
from promptd.monitor.health import Health, health_of
from promptd.monitor.measures import Measures, Window
from promptd.monitor.sampler import Sample
from promptd.monitor.targets import Judge, Target, TargetVerdict
from promptd.monitor.trends import Trend, TrendSeries
from promptd.protocol.records import AlertEvent

POINT_S = 60.0  # between two points of a trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What follows from a sample and those before it; the windows are computed when `sections` is called."""

    read_windows: Callable[[], dict[str, Window]]
    targets: list[TargetVerdict]
    health: Health
    trends: list[Trend]
    alerts: AlertsView
    recommendations: list[Recommendation]

    def sections(self) -> dict[str, Any]:
        """The sections of the health snapshot, in its order."""
        found = {name: getattr(self, name) for name in self.__slots__[1:]}
        return {"windows": self.read_windows(), **found}


class HealthEvaluator:
    """Evaluates samples against the targets; `configure` replaces the targets and keeps the past."""

    def __init__(self, config: Config) -> None:
        self.measures = Measures()
        self.alerts = Alerts(config.alerts)
        self._listeners: list[Callable[[AlertEvent], object]] = []
        self._series = {
            "response_time": TrendSeries("response_time", "ms", "rising"),
            "hit_ratio": TrendSeries("hit_ratio", "share", "falling"),
            "errors": TrendSeries("errors", "share", "rising"),
            "memory": TrendSeries("memory", "bytes", "rising"),
            "component_load": TrendSeries("component_load", "ms", "rising"),
            "token_reduction": TrendSeries("token_reduction", "share", "falling"),
            "requests_per_s": TrendSeries("requests_per_s", "requests/s", None),
        }
        self._trends = {name: series.trend() for name, series in self._series.items()}
        self._pointed_s = 0.0
        self.configure(config)

    def __repr__(self) -> str:
        return f"<HealthEvaluator {self.alerts!r}>"

    def configure(self, config: Config) -> None:
        """Evaluate against this configuration from now on."""
        self._config = config
        self._judge = Judge(config.targets, config.alerts.min_samples)
        self.alerts.configure(config.alerts)

    def add_listeners(self, *listeners: Callable[[AlertEvent], object]) -> None:
        """Call these with every alert event from now on."""
        self._listeners += listeners

    def evaluate(self, sample: Sample) -> Evaluation:
        """Add a sample and evaluate everything as of its time; listeners get the alert events of it."""
        now_s = sample.uptime_s
        self.measures.take(sample)
        if self.measures.warm_s is None and now_s >= self._config.alerts.warmup:
            self.measures.begin_to_judge(now_s)
        self._point(now_s)
        verdicts = self._judge.verdicts(self.measures, now_s)
        advice = recommendations(verdicts, self._trends, sample, self._config)
        events = self.alerts.see(self._conditions(verdicts, advice), now_s, sample.taken_unix_s)
        for event in events:
            for listener in self._listeners:
                listener(event)
        return Evaluation(
            read_windows=partial(self.measures.all_windows, now_s),
            targets=verdicts,
            health=health_of(verdicts),
            trends=list(self._trends.values()),
            alerts=self.alerts.view(),
            recommendations=advice,
        )

    # -- trends -------------------------------------------------------------------------------

    def _point(self, now_s: float) -> None:
        """Add a point to each series that has data, once a minute."""
        if self.measures.warm_s is None or now_s - max(self._pointed_s, self.measures.warm_s) < POINT_S:
            return
        self._pointed_s = now_s
        window = self.measures.judged("1m", now_s)
        for target in self._judge.targets:
            value, samples = target.measure(window)
            if value is not None and samples:
                self._series[target.name].add(now_s, value)
        if window.requests_per_s is not None:
            self._series["requests_per_s"].add(now_s, window.requests_per_s)
        self._trends = {name: series.trend() for name, series in self._series.items()}

    # -- alerts -------------------------------------------------------------------------------

    def _conditions(
        self, verdicts: Sequence[TargetVerdict], advice: Sequence[Recommendation]
    ) -> list[Condition]:
        by_target = {each.target: each for each in reversed(advice)}
        return [
            condition_of(target, verdict, self._trends.get(target.name), by_target.get(target.name))
            for target, verdict in zip(self._judge.targets, verdicts, strict=True)
        ]


def condition_of(
    target: Target, verdict: TargetVerdict, trend: Trend | None, advice: Recommendation | None
) -> Condition:
    """The condition of an alert rule, from a verdict."""
    if verdict.value is None:
        return Condition(target.name, None)
    return Condition(
        target.name,
        target.progress(verdict.value),
        optimal=target.progress_to_optimum(verdict.value),
        is_worsening=trend is not None and will_miss(target, verdict.value, trend),
        value=verdict.value,
        threshold=target.bound(verdict.value),
        unit=target.unit,
        sentence=sentence(verdict, advice, trend),
    )


def will_miss(target: Target, value: float, trend: Trend) -> bool:
    """True if the target will be missed within an hour, should a worsening trend continue."""
    if not trend.is_worsening or trend.slope_per_h is None:
        return False
    return target.progress(value + trend.slope_per_h) < 1
