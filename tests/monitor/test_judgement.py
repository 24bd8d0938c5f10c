"""From figures to verdicts, score and advice: targets.py, health.py, advice.py and evaluator.py."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.config import Config, written
from promptd.config.schema import (
    AlertsConfig,
    CacheConfig,
    LibraryConfig,
    LoadingConfig,
    TargetsConfig,
    TokensConfig,
)
from promptd.monitor.advice import (
    RULES,
    is_concerned,
    recommendations,
    sentence,
    shown,
)
from promptd.monitor.evaluator import HealthEvaluator, will_miss
from promptd.monitor.health import grade_of, health_of
from promptd.monitor.sampler import Sample
from promptd.monitor.targets import TargetVerdict, targets_of
from promptd.monitor.trends import TrendSeries
from tests.monitor.samples import FakeDaemon

NOW = Config(alerts=AlertsConfig(warmup=0, raise_after=0, clear_after=0, min_samples=10))
TARGETS = {target.name: target for target in targets_of(TargetsConfig())}


# -- targets ----------------------------------------------------------------------------------


@given(st.sampled_from(sorted(TARGETS)), st.floats(0, 1e12), st.floats(0, 1e12))
def test_attainment_is_one_exactly_where_the_target_is_met(name: str, one: float, other: float) -> None:
    """It falls the further a value is from the bound, and a weight never counts more than whole."""
    target = TARGETS[name]
    within = target.minimum <= one <= (target.maximum or float("inf"))
    assert (target.capped_progress(one) == 1) == within
    assert 0 <= target.capped_progress(one) <= 1
    near, far = sorted((one, other))
    if target.maximum and near > target.maximum:
        assert target.capped_progress(far) <= target.capped_progress(near)


def test_weights_sum_to_a_hundred_and_every_target_has_advice() -> None:
    """So points are percents where everything has data, and there is no verdict without a sentence."""
    assert sum(target.weight for target in TARGETS.values()) == 100
    assert set(RULES) == set(TARGETS)


def test_half_as_good_is_the_same_for_a_floor_and_a_ceiling() -> None:
    """Half the hit ratio, twice the time."""
    assert TARGETS["hit_ratio"].capped_progress(0.375) == TARGETS["response_time"].capped_progress(200) == 0.5


def verdicts_of(fake: FakeDaemon, config: Config = NOW) -> dict[str, TargetVerdict]:
    """What is made of a daemon that has been there for a while."""
    evaluator = HealthEvaluator(config)
    evaluator.evaluate(replace_time(FakeDaemon(), 60.0).sample())
    return {
        verdict.name: verdict for verdict in evaluator.evaluate(replace_time(fake, 65.0).sample()).targets
    }


def replace_time(fake: FakeDaemon, now_s: float) -> FakeDaemon:
    """The daemon at another time."""
    fake.now_s = now_s
    return fake


def test_a_verdict_says_what_was_measured_and_how_near_it_is() -> None:
    """Missed, met, optimal, and no data where there were too few observations."""
    fake = FakeDaemon(memory_bytes=180_000_000)
    fake.serve(78, ms=60)
    fake.serve(22, ms=60, from_disk=22)
    fake.load(9, ms=500)
    fake.save(20, 1000, 700)
    found = verdicts_of(fake)
    assert {name: verdict.state for name, verdict in found.items()} == {
        "response_time": "met",
        "hit_ratio": "met",
        "errors": "optimal",
        "memory": "optimal",
        "component_load": "no_data",
        "token_reduction": "missed",
    }
    assert (found["hit_ratio"].value, found["hit_ratio"].samples) == (0.78, 100)
    assert found["token_reduction"].progress == pytest.approx(0.6 / 0.7, abs=1e-4)
    assert (found["component_load"].value, found["component_load"].window) == (None, None)


def test_the_shortest_window_with_enough_observations_is_judged() -> None:
    """Three requests a minute are too few for a minute and enough for ten."""
    fake, evaluator = FakeDaemon(now_s=1.0), HealthEvaluator(NOW)
    evaluator.evaluate(fake.sample())
    for _ in range(50):
        fake.now_s += 20
        fake.serve(1, ms=150)
        found = evaluator.evaluate(fake.sample())
    assert found.targets[0].window == "10m"
    assert found.targets[0].state == "missed"


def test_a_target_of_zero_is_off() -> None:
    """It has no verdict, no part in the score, and no alert."""
    fake = FakeDaemon()
    fake.serve(100, ms=900)
    config = Config(alerts=NOW.alerts, targets=TargetsConfig(response_time_max=0))
    assert verdicts_of(fake, config)["response_time"].state == "off"


# -- health -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "grade"),
    [(1.0, "A"), (0.9, "A"), (0.89, "B"), (0.8, "B"), (0.7, "C"), (0.6, "D"), (0.59, "F"), (0.0, "F")],
)
def test_grades(share: float, grade: str) -> None:
    """By the weighted share of targets that are met."""
    assert grade_of(share) == grade


@given(st.integers(0, 100), st.floats(0.1, 500), st.integers(50_000_000, 900_000_000), st.integers(0, 30))
def test_the_arithmetic_that_is_shown_gives_the_score(
    from_disk: int, ms: float, memory_bytes: int, errors: int
) -> None:
    """Anyone can type it in; the terms add up to it; a near miss costs little of the score."""
    fake = FakeDaemon(memory_bytes=memory_bytes)
    fake.serve(100, ms=ms, from_disk=from_disk)
    if errors:
        fake.serve(errors, ms=ms, error="promptd.Internal")
    health = health_of(list(verdicts_of(fake).values()))
    assert health.score is not None
    shown_sum = re.sub(r"[a-z_]+ (\d+) x", r"\1*", health.arithmetic.partition(" = ")[0]).replace("x", "*")
    assert eval(shown_sum) == pytest.approx(health.score, abs=0.06)
    assert sum(term.points for term in health.terms) / health.weight_judged * 100 == pytest.approx(
        health.score, abs=0.06
    )
    assert (health.grade == "A") == (health.weight_met >= 0.9 * health.weight_judged)


def test_without_data_there_is_no_score() -> None:
    """Nor a grade, nor a division by zero."""
    health = health_of([])
    assert (health.score, health.grade, health.terms) == (None, None, [])


# -- advice -----------------------------------------------------------------------------------


def advice(target: str, value: float, sections: dict[str, Any], config: Config | None = None) -> Any:
    """The recommendation for a figure that misses its target, beside some counts."""
    verdict = replace_fields(verdicts_of(FakeDaemon())[target], value=value, state="missed")
    sample = Sample(taken_unix_s=0.0, uptime_s=0.0, sections=sections, process=None)
    return recommendations([verdict], {}, sample, config or Config())[0]


def replace_fields(verdict: TargetVerdict, **changes: Any) -> TargetVerdict:
    """Another verdict."""
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    return TargetVerdict(**{**fields, **changes})


def caches(**of: dict[str, int]) -> dict[str, Any]:
    """The cache section."""
    return {"cache": of, "library": {"components": 1000}}


MIB = 1_048_576
CASES: list[tuple[str, float, dict[str, Any], Config, str | None, Any]] = [
    ("hit_ratio", 0.4, caches(components={"entries": 200, "size_bytes": 9}), Config(), "cache.entries", 400),
    (
        "hit_ratio",
        0.4,
        caches(components={"entries": 9, "size_bytes": 150_000_000}),
        Config(),
        "cache.size",
        "300MB",
    ),
    ("hit_ratio", 0.4, caches(prompts={"entries": 500}), Config(), "cache.prompt_entries", 1000),
    ("hit_ratio", 0.4, caches(), Config(), "cache.hot_set", 100),
    ("hit_ratio", 0.4, {}, Config(), None, None),
    (
        "response_time",
        300,
        caches(served={"hits": 5, "misses": 5}, components={"entries": 200}),
        Config(),
        "cache.entries",
        400,
    ),
    ("response_time", 300, caches(prompts={"entries": 500}), Config(), "cache.prompt_entries", 1000),
    (
        "response_time",
        300,
        {},
        Config(tokens=TokensConfig(strategy="aggressive")),
        "tokens.strategy",
        "conservative",
    ),
    ("response_time", 300, {}, Config(), None, None),
    ("component_load", 80, {"loader": {"workers": 8}}, Config(), "loading.max_workers", 16),
    (
        "component_load",
        80,
        {"loader": {"mean_parse_ms": 60.0, "mean_read_ms": 1.0}},
        Config(),
        "library.max_component_bytes",
        "512KiB",
    ),
    (
        "component_load",
        80,
        {"loader": {"workers": 1}},
        Config(loading=LoadingConfig(min_workers=2)),
        "loading.min_workers",
        4,
    ),
    (
        "memory",
        3e8,
        caches(components={"size_bytes": 10 * MIB}, prompts={"size_bytes": 60 * MIB}),
        Config(),
        "cache.prompt_size",
        "31MB",
    ),
    (
        "memory",
        3e8,
        {"library": {"components": 90_000}},
        Config(library=LibraryConfig(max_files=100_000)),
        "library.max_files",
        50_000,
    ),
    ("memory", 3e8, {}, Config(), "targets.memory_bytes_max", "375MB"),
    ("token_reduction", 0.05, {}, Config(), "tokens.strategy", "conservative"),
    ("token_reduction", 0.8, {}, Config(), "tokens.target_reduction", 0.6),
    (
        "token_reduction",
        0.2,
        {},
        Config(tokens=TokensConfig(strategy="aggressive", target_reduction=0.45)),
        "tokens.target_reduction",
        0.6,
    ),
    (
        "token_reduction",
        0.2,
        {},
        Config(tokens=TokensConfig(strategy="aggressive", target_reduction=0.7)),
        "tokens.quality_floor",
        0.9,
    ),
    ("errors", 0.2, {"requests": {"errors": {"promptd.ParseError": 3}}}, Config(), None, None),
]


@pytest.mark.parametrize(("target", "value", "sections", "config", "setting", "suggested"), CASES)
def test_advice_names_the_setting_and_the_value(
    target: str, value: float, sections: dict[str, Any], config: Config, setting: str | None, suggested: Any
) -> None:
    """Each rule sees what is measured; what it names is a key of the configuration, with its value now."""
    found = advice(target, value, sections, config)
    assert (found.setting, found.suggested) == (setting, suggested)
    if setting is not None:
        section, _, key = setting.partition(".")
        assert found.current == written(setting, getattr(getattr(config, section), key))
        assert found.current != found.suggested


def test_a_sentence_has_the_value_the_target_and_what_to_do() -> None:
    """The three things that the person on call needs."""
    verdict = replace_fields(verdicts_of(FakeDaemon())["hit_ratio"], value=0.4, state="missed")
    found = advice("hit_ratio", 0.4, caches(components={"entries": 200}))
    said = sentence(verdict, found, None)
    assert said.startswith("cache hit ratio: 40.0 % is below the target of 75.0 %; ")
    assert "set cache.entries = 400 (now 200): the component cache is full" in said
    assert shown(1.5e8, "bytes") == "150.0 MB"


def test_nothing_is_recommended_for_an_optimal_value() -> None:
    """An optimal figure, and one without data."""
    fake = FakeDaemon()
    fake.serve(100, ms=1)
    assert not any(is_concerned(verdict, None) for verdict in verdicts_of(fake).values())
    assert (
        recommendations(list(verdicts_of(fake).values()), {}, fake.sample(), Config(cache=CacheConfig()))
        == []
    )


# -- trends to alerts -------------------------------------------------------------------------


def test_growing_memory_is_an_alert_before_it_exceeds_the_target() -> None:
    """2 MB a minute from 100 MB: within the target of 200 for long, medium once an hour more leads out."""
    fake, evaluator = FakeDaemon(), HealthEvaluator(NOW)
    events: list[Any] = []
    evaluator.add_listeners(events.append)
    for minute in range(40):
        fake.now_s = 60.0 * minute
        fake.memory_bytes = 100_000_000 + 2_000_000 * minute
        found = evaluator.evaluate(fake.sample())
    assert [(event.event, event.rule, event.severity) for event in events] == [("raised", "memory", "medium")]
    assert events[0].value < 150_000_000
    assert "rising, +120.0 MB per hour" in events[0].sentence
    assert 'set targets.memory_bytes_max = "250MB" (now "200MB")' in events[0].sentence
    assert next(trend for trend in found.trends if trend.name == "memory").is_worsening


def test_a_trend_within_the_target_is_no_alert() -> None:
    """Worse, but an hour of it changes nothing."""
    series = TrendSeries("memory", "bytes", "rising")
    for minute in range(20):
        series.add(60.0 * minute, 100_000_000 + 1000.0 * minute)
    assert series.trend().is_worsening
    assert not will_miss(TARGETS["memory"], 100_020_000, series.trend())


def test_another_configuration_is_judged_by_at_once() -> None:
    """A reload keeps the past and changes the bounds."""
    fake, evaluator = FakeDaemon(), HealthEvaluator(NOW)
    evaluator.evaluate(replace_time(fake, 60.0).sample())
    fake.serve(100, ms=90)
    assert evaluator.evaluate(replace_time(fake, 65.0).sample()).targets[0].state == "met"
    evaluator.configure(Config(alerts=NOW.alerts, targets=TargetsConfig(response_time_max=10)))
    assert evaluator.evaluate(replace_time(fake, 70.0).sample()).targets[0].state == "missed"
