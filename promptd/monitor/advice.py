"""Advice: for each figure that is not as it should be, the setting to change and the value to try.

Rules of thumb over the sample and the configuration, in the order in which they help; each looks at what is
measured before it says anything. A target without a setting that would help gets a sentence only. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from promptd.config import Config
from promptd.monitor.measures import at
from promptd.monitor.sampler import Sample
from promptd.monitor.targets import TargetVerdict
from promptd.monitor.trends import Trend

STRONGER = {"none": "conservative", "conservative": "balanced", "balanced": "aggressive"}
FULL = 0.95  # of a bound: evictions are near
MIB = 1_048_576


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """A setting (None where none helps), what it is, a value to try, and the sentence that says why."""

    target: str
    setting: str | None
    current: Any
    suggested: Any
    sentence: str


Figure = Callable[[str], Any]
AdviceRule = Callable[[Figure, Config, TargetVerdict], Iterator[tuple[str | None, Any, str]]]


def recommendations(
    verdicts: Sequence[TargetVerdict], trends: Mapping[str, Trend], sample: Sample, config: Config
) -> list[Recommendation]:
    """What to change, for each target that is missed, below its optimum or about to be missed."""
    return [
        recommendation
        for verdict in verdicts
        if is_concerned(verdict, trends.get(verdict.name))
        for recommendation in _for(verdict, sample, config)
    ]


def is_concerned(verdict: TargetVerdict, trend: Trend | None) -> bool:
    """True where something is left to wish for."""
    is_judged = verdict.value is not None
    return is_judged and (verdict.state in ("missed", "met") or (trend is not None and trend.is_worsening))


def _for(verdict: TargetVerdict, sample: Sample, config: Config) -> list[Recommendation]:
    def ask(path: str) -> Any:
        return at(sample.sections, path)

    found = list(RULES[verdict.name](ask, config, verdict))
    return [
        Recommendation(
            target=verdict.name,
            setting=setting,
            current=setting and _configured(config, setting),
            suggested=suggested,
            sentence=sentence,
        )
        for setting, suggested, sentence in found[:1]
    ]


def _configured(config: Config, setting: str) -> Any:
    section, _, key = setting.partition(".")
    return getattr(getattr(config, section), key)


# -- one rule a target ------------------------------------------------------------------------


def _hit_ratio(ask: Figure, config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    """Room for components first: each that is missing is a file to read."""
    cache, components = config.cache, int(ask("library.components") or 0)
    entries, size = ask("cache.components.entries") or 0, ask("cache.components.size_bytes") or 0
    if entries >= FULL * cache.entries:
        most = max(min(2 * cache.entries, round(1.1 * components)), cache.entries + 1)
        yield "cache.entries", most, f"the cache of components is full ({entries} of {components} components)"
    if size >= FULL * cache.size:
        yield "cache.size", 2 * cache.size, f"the cache of components holds all the bytes it may ({size})"
    if (ask("cache.prompts.entries") or 0) >= FULL * cache.prompt_entries:
        yield "cache.prompt_entries", max(2 * cache.prompt_entries, 16), "the cache of prompts is full"
    if cache.hot_set < min(components, cache.entries // 2):
        most = min(2 * max(cache.hot_set, 1), max(cache.entries // 2, 1))
        yield "cache.hot_set", most, "more components could be pinned and loaded ahead"
    yield None, None, "files change as often as they are asked for: nothing a cache can do"


def _response_time(
    ask: Figure, config: Config, _verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    """Reads first, then the assembling."""
    hits, misses = ask("cache.served.hits") or 0, ask("cache.served.misses") or 0
    if misses > 0.25 * (hits + misses):
        for setting, suggested, why in _hit_ratio(ask, config, _verdict):
            if setting is not None:
                yield setting, suggested, f"many prompts wait for files: {why}"
    if (ask("cache.prompts.entries") or 0) >= FULL * config.cache.prompt_entries:
        most = max(2 * config.cache.prompt_entries, 16)
        yield "cache.prompt_entries", most, "prompts are assembled again because their cache is full"
    if config.tokens.strategy in ("balanced", "aggressive"):
        yield "tokens.strategy", "conservative", "lossy strategies take their time on every new prompt"
    yield None, None, "look at `promptd status` for loop lag and CPU: the machine may be busy"


def _component_load(
    ask: Figure, config: Config, _verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    loading = config.loading
    if (ask("loader.workers") or 0) >= loading.max_workers:
        most = min(2 * loading.max_workers, 256)
        yield "loading.max_workers", most, "reads wait for the disk, and as many wait at once as may"
    if (ask("loader.mean_parse_ms") or 0) > (ask("loader.mean_read_ms") or 0):
        half = max(config.library.max_component_bytes // 2, 1)
        yield "library.max_component_bytes", half, "components take longer to parse than to read"
    yield "loading.min_workers", min(2 * loading.min_workers, loading.max_workers), "reads wait for the disk"


def _memory(ask: Figure, config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    """The cache that holds most gives most; none that holds next to nothing."""
    held = {
        "cache.size": ask("cache.components.size_bytes") or 0,
        "cache.prompt_size": ask("cache.prompts.size_bytes") or 0,
    }
    setting, size = max(held.items(), key=lambda pair: pair[1])
    if size > 16 * MIB:
        yield setting, size // 2, f"that cache holds {size / MIB:.0f} MiB"
    if (ask("library.components") or 0) > 20_000:
        yield "library.max_files", config.library.max_files // 2, "the library is very large"
    yield (
        "targets.memory_bytes_max",
        round(1.25 * _verdict.value) if _verdict.value else None,
        "the caches are small: the rest is the vocabulary and the library itself",
    )


def _token_reduction(
    _ask: Figure, config: Config, verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    tokens, value = config.tokens, verdict.value or 0.0
    if value > config.targets.reduction_max > 0:
        suggested = round(config.targets.reduction_max, 2)
        yield "tokens.target_reduction", suggested, "more is left out than was wished for"
    if tokens.strategy in STRONGER:
        yield "tokens.strategy", STRONGER[tokens.strategy], "the strategy in use saves little on this library"
    if tokens.target_reduction < config.targets.reduction_max:
        suggested = config.targets.reduction_max
        yield "tokens.target_reduction", suggested, "strategies stop at a lower share than is wished for"
    yield "tokens.quality_floor", round(tokens.quality_floor - 0.05, 2), "strategies stop for quality's sake"


def _errors(ask: Figure, _config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    by_type = ask("requests.errors") or {}
    worst = max(by_type, key=lambda kind: by_type[kind], default="") if isinstance(by_type, Mapping) else ""
    yield None, None, f"most are {worst}: run `promptd check`, and read the daemon's log"


RULES: Mapping[str, AdviceRule] = {
    "hit_ratio": _hit_ratio,
    "response_time": _response_time,
    "component_load": _component_load,
    "memory": _memory,
    "token_reduction": _token_reduction,
    "errors": _errors,
}


# -- sentences --------------------------------------------------------------------------------


def sentence(verdict: TargetVerdict, recommendation: Recommendation | None, trend: Trend | None) -> str:
    """What is wrong and what to do, for an alert."""
    said = f"{verdict.label}: {_how_it_is(verdict, trend)}"
    if recommendation is None:
        return said
    if recommendation.setting is None:
        return f"{said}; {recommendation.sentence}"
    change = f"set {recommendation.setting} = {_toml(recommendation.suggested)}"
    return f"{said}; {change} (now {_toml(recommendation.current)}): {recommendation.sentence}"


def _how_it_is(verdict: TargetVerdict, trend: Trend | None) -> str:
    if verdict.value is None:
        return "no data"
    value = shown(verdict.value, verdict.unit)
    if verdict.minimum is not None and verdict.value < verdict.minimum:
        return f"{value} is below the target of {shown(verdict.minimum, verdict.unit)}"
    if verdict.maximum is not None and verdict.value > verdict.maximum:
        return f"{value} is above the target of {shown(verdict.maximum, verdict.unit)}"
    if trend is not None and trend.is_worsening and trend.slope_per_h is not None:
        sign = "+" if trend.slope_per_h > 0 else "-"
        return f"{value} and {trend.direction}, {sign}{shown(abs(trend.slope_per_h), verdict.unit)} an hour"
    if verdict.optimal is not None and verdict.state == "met":
        return f"{value} meets the target; {shown(verdict.optimal, verdict.unit)} would be optimal"
    return f"{value} meets the target"


def shown(value: float, unit: str) -> str:
    """A figure for people: 42.0 %, 12.5 ms, 180 MB (decimal, as targets are)."""
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{value / 1e6:.1f} MB" if unit == "bytes" else f"{value:.4g} {unit}"


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
