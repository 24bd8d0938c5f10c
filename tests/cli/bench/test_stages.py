"""The stages on a small real library; the ones over a socket with a real daemon."""

from pathlib import Path

import pytest

from promptd import config as configuration
from promptd.cli.bench import caching, latency, loading, reduction
from promptd.cli.bench.candidates import prepare
from promptd.cli.bench.load import percentile
from promptd.cli.bench.suite import open_suite
from promptd.cli.child import child_daemon, temporary_directory
from promptd.engine.embedded import Engine
from promptd.errors import UnknownComponent

FILES = {
    "commands/one.md": "---\nvariables: [who]\n---\n# One {who}\n\n<include>parts/a.md</include>\n",
    "commands/two.md": "# Two\n\n<include>parts/a.md</include>\n<include>parts/b.md</include>\n",
    "parts/a.md": "Say what was found, in plain words.\n\n\n\nSay what was found, in plain words.\n",
    "parts/b.md": "Never guess.\n\n<!-- what authors say to one another here is long -->\n\n\n\nAsk.\n",
}


@pytest.fixture
def config(tmp_path: Path) -> configuration.Config:
    """A small library whose cache holds half of it."""
    for name, text in FILES.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    roots = [str(tmp_path / "library")]
    return configuration.load(None, {}, {"roots": roots, "cache.entries": 2, "cache.hot_set": 1})


def test_percentiles_are_of_the_nearest_rank() -> None:
    """Exact, and 0 of nothing."""
    assert [percentile(range(1, 101), each) for each in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([3.0], 50) == 3.0
    assert percentile([], 99) == 0.0


def test_loading_is_taken_apart_without_a_rest(config: configuration.Config) -> None:
    """The four contributions add up to what was saved, and both loaders saw every file."""
    with Engine.open(config=config) as engine:
        found_mix = prepare(engine, config.library.prompts, seed=1)
    found = loading.measure(config, found_mix.first(10), found_mix.first(20, label="earlier"))
    kept = found.by_kept_counts + found.by_kept_index
    parts = found.by_distinct_segments + found.by_concurrency + kept
    assert found.saved_share == pytest.approx(parts)
    assert found.saved_share == pytest.approx(1 - found.promptd_s / found.plain_s)
    assert (found.files, found.hot_set.requests) == (4, 10)
    assert found.hot_set.reads_with <= found.hot_set.reads_without


def test_strategies_are_held_against_none(config: configuration.Config) -> None:
    """Tokens before and after are those of the sample, and lossless keeps everything."""
    with Engine.open(config=config) as engine:
        asks = prepare(engine, config.library.prompts, seed=1).asks
        found = reduction.measure(config, engine, asks, 0)
        plain = sum(engine.assemble(ask.name, ask.variables).tokens for ask in asks)
    assert [row.name for row in found.strategies] == ["conservative", "balanced", "aggressive", "progressive"]
    assert {row.tokens_source for row in found.strategies} == {plain}
    lossless = found.strategies[0]
    assert 0 < lossless.reduction < 1
    assert lossless.quality_lowest.information == 1.0
    assert found.of_configured() is None


@pytest.mark.slow
def test_a_daemon_is_asked_for_real(config: configuration.Config) -> None:
    """Every request is answered; hits, misses and times are of those requests."""
    with Engine.open(config=config) as engine:
        found = prepare(engine, config.library.prompts, seed=1)
    with (
        temporary_directory("test") as directory,
        child_daemon(
            directory, [root.path for root in config.roots], {"PROMPTD_CACHE_ENTRIES": "2"}
        ) as daemon,
    ):
        cached = caching.measure(daemon.socket, found, requests=200)
        times = latency.measure(daemon.socket, found, seconds=0.1)
    assert (cached.requests, cached.errors, cached.cache_entries, cached.components) == (200, 0, 2, 4)
    assert 200 < cached.component_requests < 600
    assert cached.component_misses > 0
    assert cached.component_hit_ratio == 1 - cached.component_misses / cached.component_requests
    assert cached.hit_ratio is not None
    assert 0 < cached.hit_ratio < 1
    assert [row.connections for row in times.mix] == [1, 16]
    for row in (*times.mix, *times.cached_components):
        assert row.errors == 0 < row.requests
        assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms


def test_a_library_without_a_prompt_is_refused(tmp_path: Path) -> None:
    """There is nothing to measure, and the error says where to look."""
    settings = configuration.load(None, {}, {"roots": [str(tmp_path)]})
    with open_suite(settings) as suite, pytest.raises(UnknownComponent, match="promptd check"):
        suite.stages[0][1](None)
