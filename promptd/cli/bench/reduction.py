"""Tokens: the reduction by each strategy on a sample of the library's prompts, and the quality that remains.

The baseline is the same prompts with strategy `none`, summed over the sample. Quality is the four figures of
every reply, never blended: their mean, and the lowest of any prompt.
"""

import time
from collections.abc import Sequence

from promptd.cli.bench.mix import MixRequest
from promptd.cli.bench.results import Reduction, StrategyResult
from promptd.config import Config
from promptd.core.assembly.prompt import Prompt
from promptd.engine.embedded import Engine
from promptd.errors import PromptdError
from promptd.protocol.records import Shares
from promptd.sources.loader import Progress

BUILT_IN = ("conservative", "balanced", "aggressive", "progressive")
ENOUGH_S = 15.0  # no further prompt is begun after this time; the report says how many there were
FIGURES = Shares.__struct_fields__


def measure(
    config: Config, engine: Engine, asks: Sequence[MixRequest], sample: int, progress: Progress | None = None
) -> Reduction:
    """Optimise up to `sample` prompts (0: all) by every strategy."""
    configured = config.tokens.strategy
    names = (*BUILT_IN, *(name for name in (configured,) if name not in ("none", *BUILT_IN)))
    chosen = list(asks if not sample else asks[:sample])
    made: dict[str, list[_Made]] = {name: [] for name in names}
    began = time.perf_counter()
    for number, ask in enumerate(chosen, 1):
        results = [_made(engine, ask, name) for name in names]
        for name, result in zip(names, results, strict=True):
            if result is not None:
                made[name].append(result)
        if progress is not None:
            progress(number, len(chosen))
        if time.perf_counter() - began > ENOUGH_S:
            break
    rows = tuple(_row(name, results) for name, results in made.items() if results)
    return Reduction(
        configured=configured,
        sample=max(map(len, made.values()), default=0),
        of_prompts=len(asks),
        strategies=rows,
    )


_Made = tuple[int, int, Shares, float]  # tokens of source, tokens, kept, milliseconds


def _made(engine: Engine, ask: MixRequest, strategy: str) -> _Made | None:
    started = time.perf_counter()
    try:
        prompt: Prompt = engine.assemble(ask.name, ask.variables, strategy=strategy)
    except PromptdError:
        return None  # `mix` has assembled it: only a limit of the strategy's own can be meant
    took_ms = 1000 * (time.perf_counter() - started)
    if prompt.fit is None or not prompt.tokens_source:
        return None
    return prompt.tokens_source, prompt.tokens, prompt.fit.quality, took_ms


def _row(name: str, made: Sequence[_Made]) -> StrategyResult:
    source, tokens = sum(each[0] for each in made), sum(each[1] for each in made)
    each_reduction = [1 - after / before for before, after, _, _ in made]
    figures = {figure: [getattr(shares, figure) for _, _, shares, _ in made] for figure in FIGURES}
    return StrategyResult(
        name=name,
        prompts=len(made),
        tokens_source=source,
        tokens=tokens,
        reduction=1 - tokens / source,
        reduction_least=min(each_reduction),
        reduction_most=max(each_reduction),
        quality=Shares(*(sum(values) / len(values) for values in figures.values())),
        quality_lowest=Shares(*(min(values) for values in figures.values())),
        mean_ms=sum(each[3] for each in made) / len(made),
    )
