"""Judging: figures against targets, what is not judged, and the grade."""

import pytest

from promptd.cli.bench import judging
from promptd.cli.bench.results import (
    BenchVerdict,
    Caching,
    HotSetResult,
    Latency,
    Loading,
    Reduction,
    StrategyResult,
    Times,
)
from promptd.config.schema import TargetsConfig
from promptd.protocol.records import Shares


def _caching(hit_ratio: float | None = 0.9, errors: int = 0) -> Caching:
    return Caching(
        requests=10,
        errors=errors,
        zipf_exponent=1.0,
        hit_ratio=hit_ratio,
        component_hit_ratio=0.9,
        component_requests=100,
        component_misses=10,
        cache_entries=5,
        components=9,
        by_kind={},
    )


def _loading(saved: float = 0.5) -> Loading:
    hot = HotSetResult(requests=1, reads_without=1, reads_with=0, ms_without=2.0, ms_with=1.0)
    return Loading(
        files=9,
        rounds=3,
        plain_s=1.0,
        promptd_s=1.0 - saved,
        saved_share=saved,
        by_distinct_segments=0.0,
        by_concurrency=0.0,
        by_kept_counts=saved,
        by_kept_index=0.0,
        ready_s=0.1,
        workers=1,
        mean_read_ms=0.02,
        hot_set=hot,
    )


def _reduction(configured: str, reduction: float) -> Reduction:
    ones = Shares(1.0, 1.0, 1.0, 1.0)
    row = StrategyResult(
        name="balanced",
        prompts=1,
        tokens_source=100,
        tokens=50,
        reduction=reduction,
        reduction_least=reduction,
        reduction_most=reduction,
        quality=ones,
        quality_lowest=ones,
        mean_ms=1.0,
    )
    return Reduction(configured=configured, sample=1, of_prompts=1, strategies=(row,))


def _times(connections: int, p95_ms: float, errors: int = 0) -> Times:
    return Times(
        connections=connections,
        requests=100,
        errors=errors,
        rate=1.0,
        p50_ms=1.0,
        p95_ms=p95_ms,
        p99_ms=2 * p95_ms,
    )


def _latency(mix: float = 10.0, cached: float = 1.0) -> Latency:
    return Latency(
        mix=(_times(1, 1.0), _times(16, mix)), cached_components=(_times(1, cached), _times(16, 0.5))
    )


def _judge(**given: object) -> BenchVerdict:
    parts = {
        "targets": TargetsConfig(),
        "caching": _caching(),
        "loading": _loading(),
        "reduction": _reduction("none", 0.4),
        "latency": _latency(),
    }
    return judging.judge(**(parts | given))  # type: ignore[arg-type]


def test_everything_met_is_an_a_and_no_strategy_is_not_judged() -> None:
    """Five of five; token reduction says why it is not among them."""
    verdict = _judge()
    assert (verdict.grade, verdict.met, verdict.judged, verdict.is_good) == ("A", 5, 5, True)
    (tokens,) = [check for check in verdict.checks if check.name == "token reduction"]
    assert tokens.met is None
    assert "none" in tokens.note


@pytest.mark.parametrize(
    ("part", "missed"),
    [
        ({"caching": _caching(0.74)}, "cache hit ratio"),
        ({"loading": _loading(0.39)}, "loading time saved"),
        ({"reduction": _reduction("balanced", 0.29)}, "token reduction"),
        ({"reduction": _reduction("balanced", 0.61)}, "token reduction"),
        ({"latency": _latency(mix=100.1)}, "response time p95"),
        ({"latency": _latency(cached=5.1)}, "cached component p95"),
        ({"caching": _caching(errors=1)}, "failed requests"),
    ],
)
def test_each_target_can_be_missed(part: dict[str, object], missed: str) -> None:
    """A figure beyond its bound is the one that is missed, whichever number of connections it came from."""
    verdict = _judge(**part)
    assert [check.name for check in verdict.checks if check.met is False] == [missed]
    assert not verdict.is_good
    assert verdict.grade == "B"


def test_the_configuration_has_the_last_word() -> None:
    """Its targets are the bounds, and a target of 0 is not judged."""
    lax = TargetsConfig(response_time_max=0.0, hit_ratio_min=0.95)
    verdict = _judge(targets=lax, latency=_latency(mix=9_999.0))
    found = {check.name: check.met for check in verdict.checks}
    assert found["response time p95"] is None
    assert found["cache hit ratio"] is False
    assert (verdict.judged, verdict.met) == (4, 3)
