"""metrics.py: what Prometheus' own parser makes of it."""

import re
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from promptd.config import Config
from promptd.config.schema import AlertsConfig
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.metrics import BOUNDS_US, NAMES, exposition
from tests.monitor.samples import FakeDaemon

NOW = Config(alerts=AlertsConfig(warmup=0, raise_after=0, min_samples=1))


def parsed(fake: FakeDaemon, evaluator: HealthEvaluator | None = None) -> dict[str, Metric]:
    """The families by name, through the text and back."""
    sample = fake.sample()
    text = exposition(sample, (evaluator or HealthEvaluator(NOW)).evaluate(sample), "1.2.3")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(family: Metric, **labels: str) -> Any:
    """The value of one series."""
    return next(sample.value for sample in family.samples if sample.labels == labels)


def test_values_arrive_with_their_labels() -> None:
    """Counters, gauges and labels as the parts of a daemon count them."""
    fake = FakeDaemon(now_s=60.0, cpu_s=1.5)
    fake.serve(9)
    fake.serve(1, error="promptd.ParseError")
    fake.cache = {"prompts": {"hits": 7, "misses": 3, "entries": 2, "size_bytes": 99, "evictions": 0}}
    found = parsed(fake)
    assert value(found["promptd_errors"], type="promptd.ParseError") == 1
    assert value(found["promptd_cache_hits"], cache="prompts") == 7
    assert value(found["promptd_cache_misses"], cache="served") == 0
    assert value(found["promptd_cpu_seconds"]) == 1.5
    assert value(found["promptd_build_info"], version="1.2.3") == 1
    assert found["promptd_start_time_seconds"].samples[0].value == 1_750_000_000


def test_a_label_holds_nothing_hidden() -> None:
    """Whatever a text it is made of holds: a terminal that shows the metrics would obey it."""
    fake = FakeDaemon()
    sample = fake.sample()
    text = exposition(sample, HealthEvaluator(NOW).evaluate(sample), '1\x1b[2J\u202e\u200b\x9b\n"\\')
    assert r'version="1\\x1b[2J\\u202e\\u200b\\x9b\\n\"\\"' in text
    assert not set(text) & set("\x1b\u202e\u200b\x9b")


def test_a_histogram_is_cumulative_and_in_seconds() -> None:
    """Buckets that never fall, the last of them everything, and the sum exact."""
    fake = FakeDaemon(now_s=60.0)
    fake.serve(90, ms=0.9)
    fake.serve(10, ms=70)
    samples = parsed(fake)["promptd_request_duration_seconds"].samples
    buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 100
    by_bound = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (by_bound["0.001"], by_bound["0.05"], by_bound["0.1"]) == (90, 90, 100)
    total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
    assert total == pytest.approx(90 * 0.0009 + 10 * 0.07)


def test_targets_and_alerts_are_there_once_they_have_data() -> None:
    """A figure without data is left out rather than 0."""
    fake, evaluator = FakeDaemon(now_s=60.0), HealthEvaluator(NOW)
    assert "promptd_health_score" not in parsed(FakeDaemon(memory_bytes=0))
    parsed(fake, evaluator)
    fake.now_s += 5
    fake.serve(100, ms=300)
    found = parsed(fake, evaluator)
    assert value(found["promptd_target_met"], target="response_time") == 0
    assert value(found["promptd_target_value"], target="response_time") == pytest.approx(0.3, rel=0.04)
    assert value(found["promptd_alert_active"], rule="response_time", severity="critical") == 1
    assert value(found["promptd_alerts"], severity="critical") == 1
    assert value(found["promptd_alerts_raised"], severity="critical") == 1
    assert not [each for each in found["promptd_target_met"].samples if each.labels["target"] == "errorless"]


def test_names_follow_the_conventions() -> None:
    """One prefix, base units, `_total` for what only grows; and the list is what is exposed."""
    fake, evaluator = FakeDaemon(now_s=60.0), HealthEvaluator(NOW)
    fake.serve(100, ms=300)
    known = {name.name for name in NAMES}
    assert set(parsed(fake, evaluator)) <= known
    assert len(known) == len(NAMES)
    for name in NAMES:
        assert re.fullmatch(r"promptd_[a-z]+(_[a-z]+)*", name.exposed)
        assert not re.search(r"_(ms|us|milliseconds|percent|kb|mb)\b", name.exposed)
        assert name.exposed.endswith("_total") == (name.kind == "counter")
    assert sorted(BOUNDS_US) == list(BOUNDS_US)
