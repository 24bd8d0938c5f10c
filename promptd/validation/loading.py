"""Loading: the whole library read, parsed and counted, against a plain loader that does it one by one.

The plain loader opens each file, parses it with the same parser and has the tokenizer count the whole body;
it shares nothing and remembers nothing. Ours is the daemon's own path. It is taken apart by switching on one
thing after the other: counting each distinct segment once, threads, and the counts that an earlier run kept.
What the hot set contributes shows after loading, in the reads that the first requests no longer need. Both
run in this process, in turns, with the vocabulary loaded and the page cache warm; medians are compared.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from promptd import flows
from promptd.config import Config
from promptd.engine.component import Place
from promptd.engine.parse import parse
from promptd.engine.request import request_of
from promptd.errors import PromptdError
from promptd.files import Sweep
from promptd.flows import Flow, Read
from promptd.keeper import Keeper
from promptd.loading import Progress
from promptd.tokenizer import Tokenizer, shared
from promptd.validation.mix import Ask

ROUNDS = 5
ENOUGH_S = 5.0  # no further round is begun after this time: a large library is measured once
FIRST_REQUESTS = 100


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds (medians), and what each thing took off the plain loader's time, as shares of it."""

    files: int
    rounds: int
    plain_s: float
    promptd_s: float
    saved_share: float
    by_distinct_segments: float
    by_concurrency: float
    by_kept_counts: float
    workers: int
    mean_read_ms: float
    hot_set: "HotSet"


class HotSet(msgspec.Struct, frozen=True, kw_only=True):
    """The first requests after loading, without and with the hot set: reads of files, and milliseconds."""

    requests: int
    reads_without: int
    reads_with: int
    ms_without: float
    ms_with: float


def measure(config: Config, asks: Sequence[Ask], progress: Progress | None = None) -> Loading:
    """Load the library of `config` both ways, several times."""
    tokenizer = shared(config.tokens.encoding)
    tokenizer.load()
    listing = _keeper(config, tokenizer).files.scan()
    kept, _ = _loaded(config, tokenizer, {})
    counts = kept.segments.export()
    alone = _with(config, "loading", min_workers=1, max_workers=1)
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: _plain(config, tokenizer, list(listing.found)),
        "distinct": lambda: _loaded(alone, tokenizer, {}),
        "threads": lambda: _loaded(config, tokenizer, {}),
        "kept": lambda: _loaded(config, tokenizer, counts),
    }
    took = _in_turns(ways, progress)
    plain, distinct, threads, kept_s = (statistics.median(took[way]) for way in ways)
    loader = kept.loader.statistics()
    kept.close()
    return Loading(
        files=len(listing.found),
        rounds=len(took["plain"]),
        plain_s=plain,
        promptd_s=kept_s,
        saved_share=(plain - kept_s) / plain,
        by_distinct_segments=(plain - distinct) / plain,
        by_concurrency=(distinct - threads) / plain,
        by_kept_counts=(threads - kept_s) / plain,
        workers=loader.workers,
        mean_read_ms=loader.mean_read_ms,
        hot_set=_hot_set(config, tokenizer, counts, asks),
    )


def _in_turns(ways: dict[str, Callable[[], Any]], progress: Progress | None) -> dict[str, list[float]]:
    """Seconds of each way, one of each in a round, so that a busy moment hits all alike."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    began = time.perf_counter()
    for number in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - started)
        if progress is not None:
            progress(number + 1, ROUNDS)
        if time.perf_counter() - began > ENOUGH_S:
            break
    return took


def _plain(config: Config, tokenizer: Tokenizer, places: Sequence[Place]) -> int:
    """The plain loader; returns the sum of tokens. What cannot be read or parsed is passed over."""
    total = 0
    for place in places:
        root = config.roots[place.root]
        try:
            text = Path(root.path, place.id).read_bytes().decode()
            parsed = parse(text, root.dialects)
            total += tokenizer.count(text[parsed.body_start :])
        except (OSError, ValueError, PromptdError):
            continue
    return total


def _loaded(config: Config, tokenizer: Tokenizer, counts: dict[bytes, int]) -> tuple[Keeper, int]:
    """A keeper with the whole library loaded and counted, as a daemon does; and how many files were read."""
    keeper = _keeper(config, tokenizer)
    keeper.segments.recall(counts)
    _drive(keeper, flows.reconcile(keeper))
    _drive(keeper, flows.warm(keeper))
    return keeper, keeper.loader.statistics().looks


def _drive(keeper: Keeper, flow: Flow[Any]) -> None:
    """As `flows.run`, but what is read is counted at once, which a daemon leaves to the first request."""
    outcome: Any = None
    while True:
        try:
            command = flow.send(outcome)
        except StopIteration:
            return
        if isinstance(command, Read):
            command = replace(command, is_wanted=True)
        outcome = flows.perform(keeper, command)


def _hot_set(config: Config, tokenizer: Tokenizer, counts: dict[bytes, int], asks: Sequence[Ask]) -> HotSet:
    """The same first requests to keepers without a hot set and with it, in turns; the faster of two each."""
    ways = (_with(config, "cache", hot_set=0), config)
    tries = [[_first(way, tokenizer, counts, asks) for way in ways] for _ in range(2)]
    without, with_it = (min(results) for results in zip(*tries, strict=True))
    return HotSet(
        requests=len(asks),
        reads_without=without[0],
        reads_with=with_it[0],
        ms_without=without[1],
        ms_with=with_it[1],
    )


def _first(
    config: Config, tokenizer: Tokenizer, counts: dict[bytes, int], asks: Sequence[Ask]
) -> tuple[int, float]:
    """Files read by the first requests, and the milliseconds all of them took."""
    keeper, before = _loaded(config, tokenizer, counts)
    started = time.perf_counter()
    for ask in asks:
        request = request_of((ask.name,), ask.variables)
        sweep = Sweep(keeper.files)
        if keeper.current(request, sweep) is None:
            flows.run(keeper, flows.assemble(keeper, request, sweep))
    took_ms = 1000 * (time.perf_counter() - started)
    reads = keeper.loader.statistics().looks - before
    keeper.close()
    return reads, took_ms


def _keeper(config: Config, tokenizer: Tokenizer) -> Keeper:
    return Keeper(config, tokenizer, instance="validate", now_s=time.time())


def _with(config: Config, section: str, **values: int) -> Config:
    return structs.replace(config, **{section: structs.replace(getattr(config, section), **values)})
