"""Loading: the whole library read, parsed and counted, compared with a plain loader as the baseline.

The baseline opens each file, parses it with the same parser and counts the whole body, one file after the
other; it shares nothing and keeps nothing. Ours is the daemon's own path, made to read and count at once what
a daemon leaves to the first request, so that both do the same work. It is broken down by switching on one
thing after the other: each distinct segment counted once, threads, the token counts kept by an earlier run,
the index kept by it; reading those two files is part of the time. `ready_s` is the time until a restarted
daemon can answer. The hot set shows after loading, in the reads that the first requests no longer need. All
of it runs in this process, in turns, with the vocabulary loaded and the page cache warm; the fastest run of
each is compared, since other load on the machine only adds time.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import structs

from promptd.cli.bench.mix import MixRequest
from promptd.cli.bench.results import HotSetResult, Loading
from promptd.config import Config
from promptd.core.syntax.component import Place
from promptd.core.syntax.dialects import resolved
from promptd.core.syntax.parse import parse
from promptd.daemon.state.index_file import IndexFile, Writing, indexed_roots_of
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.engine import procedures
from promptd.engine.opening import open_worktree
from promptd.engine.procedures import Procedure, Read
from promptd.engine.tokenizer import Tokenizer, shared
from promptd.engine.workspace import Workspace
from promptd.errors import PromptdError
from promptd.protocol.request import Options, request_of
from promptd.sources.loader import Progress

ROUNDS = 5
ENOUGH_S = 8.0  # no further round is begun after this time: a large library is measured once
FIRST_REQUESTS = 100
EARLIER_REQUESTS = 1_000  # of the run before, from whose use counts the hot set is made


def measure(
    config: Config,
    asks: Sequence[MixRequest],
    earlier: Sequence[MixRequest],
    progress: Progress | None = None,
) -> Loading:
    """Load the library of `config` both ways, several times.

    `asks` are the first requests after a restart, `earlier` those of the run before it.
    """
    tokenizer = shared(config.tokens.encoding)
    tokenizer.load()
    with tempfile.TemporaryDirectory(prefix="promptd-bench-") as state:
        kept = _KeptFiles(Path(state))
        return _measure(config, tokenizer, kept, (asks, earlier), progress)


def _measure(
    config: Config,
    tokenizer: Tokenizer,
    kept: "_KeptFiles",
    asked: tuple[Sequence[MixRequest], Sequence[MixRequest]],
    progress: Progress | None,
) -> Loading:
    first = _loaded(config, tokenizer)
    kept.keep(first)
    places = [place for place, _ in first.library.held()]
    alone = _with(config, "loading", min_workers=1, max_workers=1)
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: _plain(config, tokenizer, places),
        "distinct": lambda: _loaded(alone, tokenizer),
        "threads": lambda: _loaded(config, tokenizer),
        "counts": lambda: _loaded(config, tokenizer, kept, with_index=False),
        "index": lambda: _loaded(config, tokenizer, kept),
        "ready": lambda: _ready(config, tokenizer, kept),
    }
    took = _in_turns(ways, progress)
    plain, distinct, threads, counts, index, ready = (min(took[way]) for way in ways)
    loader = first.loader.statistics()
    return Loading(
        files=len(places),
        rounds=len(took["plain"]),
        plain_s=plain,
        promptd_s=index,
        saved_share=(plain - index) / plain,
        by_distinct_segments=(plain - distinct) / plain,
        by_concurrency=(distinct - threads) / plain,
        by_kept_counts=(threads - counts) / plain,
        by_kept_index=(counts - index) / plain,
        ready_s=ready,
        workers=loader.workers,
        mean_read_ms=loader.mean_read_ms,
        hot_set=_hot_set(config, tokenizer, kept, *asked),
    )


class _KeptFiles:
    """What a daemon keeps in its state directory for the next start."""

    def __init__(self, state: Path) -> None:
        self._counts = TokenCountsFile(state)
        self._index = IndexFile(state)
        self.uses: dict[str, float] = {}  # how often each was asked for, as hot.json has it

    def keep(self, workspace: Workspace) -> None:
        """Write what a fully loaded workspace has computed."""
        self._counts.write(workspace.tokenizer.identity, workspace.segments.export())
        writing = Writing(indexed_roots_of(workspace))
        writing.add(list(workspace.library.readings()))
        self._index.write(writing)

    def lend(self, workspace: Workspace, *, with_index: bool) -> None:
        """Hand the kept data to a workspace before it is filled."""
        workspace.segments.recall(self._counts.read(workspace.tokenizer.identity))
        workspace.loader.index = self._index.read(indexed_roots_of(workspace)) if with_index else None


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
    """The baseline; returns the sum of tokens. A file that cannot be read or parsed is skipped."""
    total = 0
    for place in places:
        root = config.roots[place.root]
        try:
            text = Path(root.path, place.id).read_bytes().decode()
            parsed = parse(text, resolved(root.dialects))
            total += tokenizer.count(text[parsed.body_start :])
        except (OSError, ValueError, PromptdError):
            continue
    return total


def _loaded(
    config: Config, tokenizer: Tokenizer, kept: _KeptFiles | None = None, *, with_index: bool = True
) -> Workspace:
    """A workspace that has read, parsed and counted every file of the library."""
    workspace = _workspace(config, tokenizer)
    if kept is not None:
        kept.lend(workspace, with_index=with_index)
    index = workspace.loader.index
    read = _drive(workspace, procedures.reconcile(workspace))
    unread = tuple(place for place, _ in workspace.library.held() if place not in read)
    workspace.loader.index = index
    if unread:
        procedures.perform(workspace, Read(unread, is_wanted=True))
    workspace.loader.index = None
    _drive(workspace, procedures.warm(workspace))
    workspace.close()
    return workspace


def _ready(config: Config, tokenizer: Tokenizer, kept: _KeptFiles) -> Workspace:
    """A workspace as a restarted daemon has it when it says READY."""
    workspace = _workspace(config, tokenizer)
    kept.lend(workspace, with_index=True)
    procedures.run(workspace, procedures.reconcile(workspace))
    workspace.hot.restore(kept.uses, age_s=0.0)
    procedures.run(workspace, procedures.warm(workspace))
    return workspace


def _drive(workspace: Workspace, procedure: Procedure[Any]) -> set[Place]:
    """As `procedures.run`, but what is read is counted at once; returns what was read."""
    read = set[Place]()
    outcome: Any = None
    while True:
        try:
            command = procedure.send(outcome)
        except StopIteration:
            return read
        if isinstance(command, Read):
            read.update(command.places)
            command = replace(command, is_wanted=True)
        outcome = procedures.perform(workspace, command)


def _hot_set(
    config: Config,
    tokenizer: Tokenizer,
    kept: _KeptFiles,
    asks: Sequence[MixRequest],
    earlier: Sequence[MixRequest],
) -> HotSetResult:
    """The same first requests without a hot set and with it, in turns; the faster of two each."""
    kept.uses = _uses(config, tokenizer, kept, earlier)
    ways = (_with(config, "cache", hot_set=0), config)
    tries = [[_first(way, tokenizer, kept, asks) for way in ways] for _ in range(2)]
    without, with_it = (min(results) for results in zip(*tries, strict=True))
    return HotSetResult(
        requests=len(asks),
        reads_without=without[0],
        reads_with=with_it[0],
        ms_without=without[1],
        ms_with=with_it[1],
    )


def _uses(
    config: Config, tokenizer: Tokenizer, kept: _KeptFiles, asks: Sequence[MixRequest]
) -> dict[str, float]:
    """The use counts that a daemon keeps after these requests."""
    workspace = _ready(config, tokenizer, kept)
    _ask_all(workspace, asks)
    now_s = time.time()
    workspace.fold_uses(now_s)
    workspace.close()
    return workspace.hot.weights(now_s)


def _first(
    config: Config, tokenizer: Tokenizer, kept: _KeptFiles, asks: Sequence[MixRequest]
) -> tuple[int, float]:
    """Files read by the first requests of a restarted daemon, and the milliseconds all of them took."""
    workspace = _ready(config, tokenizer, kept)
    before, started = workspace.loader.statistics().reads, time.perf_counter()
    _ask_all(workspace, asks)
    took_ms = 1000 * (time.perf_counter() - started)
    reads = workspace.loader.statistics().reads - before
    workspace.close()
    return reads, took_ms


def _ask_all(workspace: Workspace, asks: Sequence[MixRequest]) -> None:
    for ask in asks:
        request = request_of((ask.name,), ask.variables, options=Options(strategy="none"))
        procedures.run(workspace, procedures.assemble(workspace, request, workspace.source.check()))


def _workspace(config: Config, tokenizer: Tokenizer) -> Workspace:
    return open_worktree(config, tokenizer, instance="bench", now_s=time.time())


def _with(config: Config, section: str, **values: int) -> Config:
    return structs.replace(config, **{section: structs.replace(getattr(config, section), **values)})
