"""What a run of the benchmark measured: one struct for each stage, one for its verdict.

`promptd bench --json` encodes them as they are. Times are in the unit of their name, shares from 0 to 1.
"""

import msgspec

from promptd.monitor.health import Grade
from promptd.protocol.records import Shares


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The library that was measured: roots, components, requested prompts, and prompts left out."""

    roots: tuple[str, ...]
    components: int
    prompts: int
    invalid_prompts: tuple[str, ...]
    prompts_left_out: int
    seed: int


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds (the fastest of some rounds), and the share of the baseline that each part saves.

    `plain_s` is the baseline, `promptd_s` ours; the `by_…` shares add up to `saved_share`.
    """

    files: int
    rounds: int
    plain_s: float
    promptd_s: float
    saved_share: float
    by_distinct_segments: float
    by_concurrency: float
    by_kept_counts: float
    by_kept_index: float
    ready_s: float
    workers: int
    mean_read_ms: float
    hot_set: "HotSetResult"


class HotSetResult(msgspec.Struct, frozen=True, kw_only=True):
    """The first requests after loading, without and with the hot set: file reads, and milliseconds."""

    requests: int
    reads_without: int
    reads_with: int
    ms_without: float
    ms_with: float


class StrategyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy: the share of tokens removed (overall, least and most of a prompt), and the quality."""

    name: str
    prompts: int
    tokens_source: int
    tokens: int
    reduction: float
    reduction_least: float
    reduction_most: float
    quality: Shares
    quality_lowest: Shares
    mean_ms: float


class Reduction(msgspec.Struct, frozen=True, kw_only=True):
    """Every strategy, a custom configured one last; `configured` may be "none"."""

    configured: str
    sample: int
    of_prompts: int
    strategies: tuple[StrategyResult, ...]

    def of_configured(self) -> StrategyResult | None:
        """The result of the configured strategy; None for "none"."""
        return next((each for each in self.strategies if each.name == self.configured), None)


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """Hits and misses of one cache during the request mix."""

    hits: int
    misses: int
    hit_ratio: float | None


class Caching(msgspec.Struct, frozen=True, kw_only=True):
    """Cache hits during the request mix.

    `hit_ratio`: prompts that needed no file read over prompts; `component_hit_ratio`: 1 - `component_misses`
    / `component_requests`, the components in all replies.
    """

    requests: int
    errors: int
    zipf_exponent: float
    hit_ratio: float | None
    component_hit_ratio: float | None
    component_requests: int
    component_misses: int
    cache_entries: int
    components: int
    by_kind: dict[str, Lookups]


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Requests on some connections: milliseconds, and requests per second."""

    connections: int
    requests: int
    errors: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The mix, and components in the cache, each on 1 and on 16 connections."""

    mix: tuple[Times, ...]
    cached_components: tuple[Times, ...]


class BenchCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One figure and its target; `met` is None if it was not judged, and `note` says why."""

    name: str
    value: float | None
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    met: bool | None = None
    note: str = ""


class BenchVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, how many were judged and met, and the grade."""

    checks: tuple[BenchCheck, ...]
    judged: int
    met: int
    grade: Grade

    @property
    def is_good(self) -> bool:
        """True if every judged target is met."""
        return self.met == self.judged
