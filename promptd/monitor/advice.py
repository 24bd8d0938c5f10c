"""Advice: for each target that is missed or not optimal, the setting to change and the value to try.

Rules of thumb over the sample and the configuration, the most effective first; each checks the measurements
before it recommends anything. Where no setting helps there is a sentence only. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from promptd.config import Config, written
from promptd.monitor.measures import at
from promptd.monitor.sampler import Sample
from promptd.monitor.targets import TargetVerdict
from promptd.monitor.trends import Trend

STRONGER = {"none": "conservative", "conservative": "balanced", "balanced": "aggressive"}
FULL = 0.95  # of a limit: evictions are near
MIB = 1_048_576


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """A setting (None if none helps), its current value, a value to try, and the reason in a sentence.

    Values are as in a configuration file: "300MB" for a size, "10s" for a duration.
    """

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
    """What to change for each target that is missed, not optimal or about to be missed."""
    return [
        recommendation
        for verdict in verdicts
        if is_concerned(verdict, trends.get(verdict.name))
        for recommendation in _for(verdict, sample, config)
    ]


def is_concerned(verdict: TargetVerdict, trend: Trend | None) -> bool:
    """True for a target that is missed, not optimal or about to be missed."""
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
            current=setting and written(setting, _configured(config, setting)),
            suggested=setting and written(setting, suggested),
            sentence=sentence,
        )
        for setting, suggested, sentence in found[:1]
    ]


def _configured(config: Config, setting: str) -> Any:
    section, _, key = setting.partition(".")
    return getattr(getattr(config, section), key)


# -- one rule a target ------------------------------------------------------------------------


def _hit_ratio(ask: Figure, config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    """A larger cache of components first: each missing one is a file to read."""
    cache, components = config.cache, int(ask("library.components") or 0)
    entries, size = ask("cache.components.entries") or 0, ask("cache.components.size_bytes") or 0
    if entries >= FULL * cache.entries:
        most = max(min(2 * cache.entries, round(1.1 * components)), cache.entries + 1)
        yield "cache.entries", most, f"the component cache is full ({entries} of {components} components)"
    if size >= FULL * cache.size:
        yield (
            "cache.size",
            2 * cache.size,
            f"the component cache has reached its maximum size ({shown(size, 'bytes')})",
        )
    if (ask("cache.prompts.entries") or 0) >= FULL * cache.prompt_entries:
        yield "cache.prompt_entries", max(2 * cache.prompt_entries, 16), "the prompt cache is full"
    if cache.hot_set < min(components, cache.entries // 2):
        most = min(2 * max(cache.hot_set, 1), max(cache.entries // 2, 1))
        yield "cache.hot_set", most, "more components can be loaded ahead"
    yield None, None, "files change as often as they are requested, so a larger cache does not help"


def _response_time(
    ask: Figure, config: Config, _verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    """File reads first, then assembling."""
    hits, misses = ask("cache.served.hits") or 0, ask("cache.served.misses") or 0
    if misses > 0.25 * (hits + misses):
        for setting, suggested, why in _hit_ratio(ask, config, _verdict):
            if setting is not None:
                yield setting, suggested, f"many prompts wait for file reads: {why}"
    if (ask("cache.prompts.entries") or 0) >= FULL * config.cache.prompt_entries:
        most = max(2 * config.cache.prompt_entries, 16)
        yield "cache.prompt_entries", most, "prompts are assembled again because the prompt cache is full"
    if config.tokens.strategy in ("balanced", "aggressive", "progressive"):
        yield "tokens.strategy", "conservative", "this strategy slows down every new prompt"
    yield None, None, "see loop lag and CPU in `promptd status`: the machine may be busy"


def _component_load(
    ask: Figure, config: Config, _verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    loading = config.loading
    if (ask("loader.workers") or 0) >= loading.max_workers:
        most = min(2 * loading.max_workers, 256)
        yield "loading.max_workers", most, "reads wait for the disk, and all reader threads are in use"
    if (ask("loader.mean_parse_ms") or 0) > (ask("loader.mean_read_ms") or 0):
        half = max(config.library.max_component_bytes // 2, 1)
        yield "library.max_component_bytes", half, "components take longer to parse than to read"
    yield "loading.min_workers", min(2 * loading.min_workers, loading.max_workers), "reads wait for the disk"


def _memory(ask: Figure, config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    """Shrink the largest cache; not one that is small already."""
    held = {
        "cache.size": ask("cache.components.size_bytes") or 0,
        "cache.prompt_size": ask("cache.prompts.size_bytes") or 0,
    }
    setting, size = max(held.items(), key=lambda pair: pair[1])
    if size > 16 * MIB:
        yield setting, round(size / 2, -6), f"this cache uses {size / MIB:.0f} MiB"
    if (ask("library.components") or 0) > 20_000:
        yield "library.max_files", config.library.max_files // 2, "the library is very large"
    most = max(_verdict.value or 0, config.targets.memory_bytes_max)  # a trend may still be below it
    why = "the caches are small; the rest is the tokenizer and the library itself"
    yield "targets.memory_bytes_max", round(1.25 * most, -6), why


def _token_reduction(
    _ask: Figure, config: Config, verdict: TargetVerdict
) -> Iterator[tuple[str | None, Any, str]]:
    tokens, value = config.tokens, verdict.value or 0.0
    if value > config.targets.reduction_max > 0:
        suggested = round(config.targets.reduction_max, 2)
        yield "tokens.target_reduction", suggested, "reduction above the maximum target"
    if tokens.strategy in STRONGER:
        yield (
            "tokens.strategy",
            STRONGER[tokens.strategy],
            "the current strategy saves few tokens on this library",
        )
    if tokens.target_reduction < config.targets.reduction_max:
        suggested = config.targets.reduction_max
        yield "tokens.target_reduction", suggested, "strategies stop below the target reduction"
    if tokens.strategy == "progressive":
        yield None, None, "nothing else can be referenced: what is left was asked for, or instructs"
        return
    yield (
        "tokens.quality_floor",
        round(tokens.quality_floor - 0.05, 2),
        "strategies stop at the quality floor",
    )


def _errors(ask: Figure, _config: Config, _verdict: TargetVerdict) -> Iterator[tuple[str | None, Any, str]]:
    by_type = ask("requests.errors") or {}
    worst = max(by_type, key=lambda kind: by_type[kind], default="") if isinstance(by_type, Mapping) else ""
    yield None, None, f"most are {worst}; run `promptd check` and see the daemon's log"


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
    """What is wrong and what to change, as the sentence of an alert."""
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
        return f"{value} and {trend.direction}, {sign}{shown(abs(trend.slope_per_h), verdict.unit)} per hour"
    if verdict.optimal is not None and verdict.state == "met":
        return f"{value} meets the target; {shown(verdict.optimal, verdict.unit)} is optimal"
    return f"{value} meets the target"


def shown(value: float, unit: str) -> str:
    """A figure for people: 42.0 %, 12.5 ms, 180 MB (decimal, as targets are)."""
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{value / 1e6:.1f} MB" if unit == "bytes" else f"{value:.4g} {unit}"


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
