"""Metrics: a sample and its evaluation in Prometheus' text format, through prometheus-client.

Names follow the conventions of Prometheus: base units (seconds, bytes, ratios), `_total` for counters,
`promptd_` in front. `NAMES` lists every metric with its type and labels; dashboards and alert rules use those
and no others. No label has values from requests, so the number of series is bounded. A metric without data is
left out. The only file that names prometheus_client, which takes 70 ms to import: call
`exposition` from a thread.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from promptd.monitor.alerts import SEVERITIES
from promptd.monitor.evaluator import Evaluation
from promptd.monitor.measures import CACHES, at
from promptd.monitor.sampler import Sample
from promptd.support.escape import one_line
from promptd.support.stats import Histogram

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

MetricKind = Literal["counter", "gauge", "histogram"]
Values = Mapping[tuple[str, ...], float | Histogram | None]

# From 0.1 ms, a cache hit, to 10 s, when clients have given up. In µs, as histograms record.
BOUNDS_US = (
    *(100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000),
    *(250_000, 500_000, 1_000_000, 2_500_000, 10_000_000),
)


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric: its type, its help text, and the labels of its series."""

    name: str
    kind: MetricKind
    says: str
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """The name in a query; of a histogram the part before `_bucket`, `_sum` and `_count`."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


@dataclass(slots=True)
class _Table:
    names: list[MetricName] = field(default_factory=list)

    def __call__(self, name: str, kind: MetricKind, says: str, *labels: str) -> str:
        self.names.append(MetricName(f"promptd_{name}", kind, says, labels))
        return f"promptd_{name}"


_name = _Table()

# The path of a value in the sections: one series without labels each.
PLAIN: Mapping[str, str] = {
    _name("component_loads", "counter", "Components read."): "loader.reads",
    _name(
        "component_load_errors", "counter", "Components that could not be read or parsed."
    ): "loader.errors",
    _name("load_workers", "gauge", "Threads that the next batch of reads uses."): "loader.workers",
    _name("loads_in_progress", "gauge", "Components being read now."): "loader.concurrent",
    _name("tokens_served", "counter", "Tokens of all prompts served."): "savings.tokens_served",
    _name("tokens_baseline", "counter", "Tokens before strategies and budgets."): (
        "savings.savings.tokens_baseline"
    ),
    _name("tokens_saved", "counter", "Tokens that strategies and budgets saved."): (
        "savings.savings.tokens_saved"
    ),
    _name("cost_saved", "counter", "Cost saved, in the currency of the configured prices."): (
        "savings.savings.cost_saved"
    ),
    _name("library_components", "gauge", "Components in the library."): "library.components",
    _name("library_edges", "gauge", "Edges of the dependency graph."): "library.edges",
    _name("library_errors", "gauge", "Invalid components."): "library.errors",
    _name("library_dangling", "gauge", "Directives without a target."): "library.dangling",
    _name("watcher_directories", "gauge", "Directories watched."): "watcher.directories",
    _name(
        "missed_events", "counter", "File changes for which there was no file event."
    ): "maintenance.missed_events_total",
    _name("prompts_rewarmed", "counter", "Prompts assembled again after a change."): "maintenance.rewarmed",
    _name("connections", "gauge", "Open connections."): "connections.connections",
    _name("requests_in_progress", "gauge", "Requests in progress."): "requests.in_progress",
}
# The same for mappings, whose keys become a label.
BY_LABEL: Mapping[str, str] = {
    _name("requests", "counter", "Requests by method.", "method"): "requests.by_method",
    _name("errors", "counter", "Errors by type.", "type"): "requests.errors",
}
HISTOGRAMS: Mapping[str, Mapping[tuple[str, ...], str]] = {
    _name("request_duration_seconds", "histogram", "From the arrival of a request to its reply.", "kind"): {
        ("prompt",): "latency_us",
        ("scan",): "scan_latency_us",
        ("service",): "service_latency_us",
    },
    _name("component_load_duration_seconds", "histogram", "Reading and parsing one component."): {
        (): "load_us"
    },
    _name("event_loop_lag_seconds", "histogram", "How late a sleeping task of the event loop wakes up."): {
        (): "loop_lag_us"
    },
    _name(
        "change_to_warm_seconds", "histogram", "From a change of a file to its prompts in the cache again."
    ): {(): "change_to_warm_ms"},
}
_CACHE_COUNTS: Mapping[str, str] = {
    _name("cache_hits", "counter", "Cache hits.", "cache"): "hits",
    _name("cache_misses", "counter", "Cache misses.", "cache"): "misses",
    _name("cache_evictions", "counter", "Cache evictions.", "cache"): "evictions",
    _name("cache_entries", "gauge", "Entries in the cache.", "cache"): "entries",
    _name("cache_bytes", "gauge", "Size of the cache in bytes.", "cache"): "size_bytes",
}
_PROCESS: Mapping[str, str] = {
    _name("resident_memory_bytes", "gauge", "Resident memory."): "rss_bytes",
    _name("open_fds", "gauge", "Open file descriptors."): "open_descriptors",
    _name("threads", "gauge", "Threads."): "threads",
}
_CPU = _name("cpu_seconds", "counter", "CPU time used, user and system.")
_BUILD = _name("build_info", "gauge", "The running version; always 1.", "version")
_START = _name("start_time_seconds", "gauge", "When the process started, Unix time.")
_MODE = _name("watcher_mode", "gauge", "1 for the current mode of the watcher.", "mode")
_SCORE = _name("health_score", "gauge", "Health score from 0 to 100.")
_VALUE = _name("target_value", "gauge", "The measured value of a target: seconds, bytes, ratio.", "target")
_MET = _name("target_met", "gauge", "1 if a target is met, 0 if not.", "target")
_ALERTS = _name("alerts", "gauge", "Active alerts.", "severity")
_ALERT = _name("alert_active", "gauge", "1 for each active alert.", "rule", "severity")
_RAISED = _name("alerts_raised", "counter", "Alerts raised, escalations included.", "severity")

NAMES: tuple[MetricName, ...] = tuple(_name.names)


def exposition(sample: Sample, evaluation: Evaluation, version: str) -> str:
    """All metrics as text that Prometheus, and node_exporter's textfile collector, read."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(_families(sample, evaluation, version))))
    return generate_latest(registry).decode()


def content_type() -> str:
    """The media type of `exposition`."""
    from prometheus_client import CONTENT_TYPE_LATEST

    return CONTENT_TYPE_LATEST


class _Once:
    """A collector of prometheus-client for families that were built before."""

    def __init__(self, families: "list[Metric]") -> None:
        self._families = families

    def collect(self) -> "Iterable[Metric]":
        """The families."""
        return self._families


def _families(sample: Sample, evaluation: Evaluation, version: str) -> "Iterator[Metric]":
    values = {**_of_sample(sample, version), **_of_evaluation(evaluation)}
    for name in NAMES:
        series = {labels: value for labels, value in values[name.name].items() if value is not None}
        if series:
            yield _family(name, series)


def _family(name: MetricName, series: Mapping[tuple[str, ...], Any]) -> "Metric":
    from prometheus_client import core

    if name.kind == "histogram":
        histogram = core.HistogramMetricFamily(name.name, name.says, labels=name.labels)
        for labels, held in series.items():
            histogram.add_metric(labels, _buckets(*held), held[0].total / held[1] / 1e6)
        return histogram
    kind = core.CounterMetricFamily if name.kind == "counter" else core.GaugeMetricFamily
    family = kind(name.name, name.says, labels=name.labels)
    for labels, value in series.items():
        family.add_metric(tuple(map(one_line, labels)), float(value))
    return family


def _buckets(held: Histogram, scale: float) -> list[tuple[str, float]]:
    """Cumulative counts below each bound in seconds; `scale` is of the unit recorded, against µs."""
    counts = held.counts_up_to([round(bound * scale) for bound in BOUNDS_US])
    bounds = (f"{bound / 1e6:g}" for bound in BOUNDS_US)
    return [*zip(bounds, map(float, counts), strict=True), ("+Inf", float(len(held)))]


def _of_sample(sample: Sample, version: str) -> dict[str, Mapping[tuple[str, ...], Any]]:
    sections, process = sample.sections, sample.process
    mode = at(sections, "watcher.mode")
    found: dict[str, Mapping[tuple[str, ...], Any]] = {
        name: {(): at(sections, path)} for name, path in PLAIN.items()
    }
    found |= {name: _labelled(at(sections, path)) for name, path in BY_LABEL.items()}
    found |= {
        name: {(cache,): at(sections, f"cache.{cache}.{what}") for cache in CACHES}
        for name, what in _CACHE_COUNTS.items()
    }
    found |= {name: {(): getattr(process, what, None)} for name, what in _PROCESS.items()}
    found |= {name: _histograms(sample, places) for name, places in HISTOGRAMS.items()}
    found[_CPU] = {(): process and process.cpu_user_s + process.cpu_system_s}
    found[_BUILD] = {(version,): 1}
    found[_START] = {(): sample.taken_unix_s - sample.uptime_s}
    found[_MODE] = {(mode,): 1} if isinstance(mode, str) else {}
    return found


def _labelled(found: Any) -> dict[tuple[str, ...], Any]:
    return {(key,): value for key, value in found.items()} if isinstance(found, Mapping) else {}


def _histograms(sample: Sample, places: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], Any]:
    return {
        labels: (sample.histograms[place], 1.0 if place.endswith("_us") else 1e-3)
        for labels, place in places.items()
        if place in sample.histograms
    }


def _of_evaluation(evaluation: Evaluation) -> dict[str, Mapping[tuple[str, ...], Any]]:
    judged = [verdict for verdict in evaluation.targets if verdict.value is not None]
    active = evaluation.alerts.active
    return {
        _SCORE: {(): evaluation.health.score},
        _VALUE: {(verdict.name,): _base(verdict.value, verdict.unit) for verdict in judged},
        _MET: {(verdict.name,): verdict.state != "missed" for verdict in judged},
        _ALERTS: {(name,): sum(alert.severity == name for alert in active) for name in SEVERITIES},
        _ALERT: {(alert.rule, alert.severity): 1 for alert in active},
        _RAISED: {(name,): count for name, count in evaluation.alerts.raised_total.items()},
    }


def _base(value: float | None, unit: str) -> float | None:
    """A value in Prometheus' base unit."""
    return value / 1000 if value is not None and unit == "ms" else value
