"""The suite: the stages in their order, and what they share: the mix, an engine, a daemon of its own.

Whoever runs it calls the stages one after the other, with a progress callback for each, and asks for the
verdict at the end. The daemon gets the user's configuration with a socket and a state directory of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from msgspec import structs

from promptd.cli.bench import (
    caching,
    latency,
    loading,
    mix,
    reduction,
)
from promptd.cli.bench.judging import BenchVerdict, judge
from promptd.cli.child import ChildDaemon, child_daemon, temporary_directory
from promptd.config import Config, render
from promptd.engine.embedded import Engine
from promptd.errors import UnknownComponent
from promptd.sources.loader import Progress

SAMPLE = 16  # prompts that are optimised by every strategy: some 7 s on prompts of 40 KB
SEED = 1

Stage = Callable[[Progress | None], None]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on: roots, components, prompts that were asked for, and what was left out."""

    roots: tuple[str, ...]
    components: int
    prompts: int
    unusable_prompts: tuple[str, ...]
    prompts_left_out: int
    seed: int


class Suite:
    """One run; `stages` are to be called in order, then the results are there."""

    subject: Subject
    loading: loading.Loading
    reduction: reduction.Reduction
    caching: caching.Caching
    latency: latency.Latency

    def __init__(
        self, config: Config, directory: Path, stack: ExitStack, *, sample: int = SAMPLE, seed: int = SEED
    ) -> None:
        self.config = config
        self.sample = sample
        self.seed = seed
        self._directory = directory
        self._stack = stack
        self._engine = stack.enter_context(Engine.open(config=config))
        self._mix: mix.Mix
        self._daemon: ChildDaemon
        self.stages: tuple[tuple[str, Stage], ...] = (
            ("trying the prompts", self._prepare),
            ("loading, both ways", self._load),
            ("strategies", self._reduce),
            ("requests of the mix", self._cache),
            ("response times", self._time),
        )

    def __repr__(self) -> str:
        return f"<Suite on {', '.join(root.path for root in self.config.roots)}>"

    def verdict(self) -> BenchVerdict:
        """The figures of all stages against the targets."""
        return judge(self.config.targets, self.caching, self.loading, self.reduction, self.latency)

    def _prepare(self, progress: Progress | None) -> None:
        found = mix.prepare(self._engine, self.config.library.prompts, self.seed, progress)
        if not found.asks or not found.components:
            raise UnknownComponent("the library has no prompt that can be assembled: see `promptd check DIR`")
        self._mix = found
        self.subject = Subject(
            roots=tuple(root.path for root in self.config.roots),
            components=len(found.components),
            prompts=len(found.asks),
            unusable_prompts=found.unusable,
            prompts_left_out=found.left_out,
            seed=self.seed,
        )

    def _load(self, progress: Progress | None) -> None:
        asks = self._mix.first(loading.FIRST_REQUESTS)
        earlier = self._mix.first(loading.EARLIER_REQUESTS, label="earlier")
        self.loading = loading.measure(self.config, asks, earlier, progress)

    def _reduce(self, progress: Progress | None) -> None:
        self.reduction = reduction.measure(self.config, self._engine, self._mix.asks, self.sample, progress)

    def _cache(self, progress: Progress | None) -> None:
        self._daemon = self._stack.enter_context(_daemon(self.config, self._directory))
        self.caching = caching.measure(self._daemon.socket, self._mix, progress=progress)

    def _time(self, progress: Progress | None) -> None:
        self.latency = latency.measure(self._daemon.socket, self._mix, progress=progress)


@contextmanager
def open_suite(config: Config, *, sample: int = SAMPLE, seed: int = SEED) -> Iterator[Suite]:
    """A suite ready to run on the library of `config`; everything it starts ends with it.

    Raises:
        ConfigError: there is no library.
    """
    with temporary_directory("validate") as directory, ExitStack() as stack:
        yield Suite(config, directory, stack, sample=sample, seed=seed)


@contextmanager
def _daemon(config: Config, directory: Path) -> Iterator[ChildDaemon]:
    """A daemon with this configuration, but for the socket, the state and the log."""
    file = directory / "promptd.toml"
    own = structs.replace(
        config,
        serve=structs.replace(config.serve, socket=""),
        state=structs.replace(config.state, directory=""),
        log=structs.replace(config.log, level="warning"),
    )
    file.write_text(render(own), encoding="utf-8")
    with child_daemon(directory, ["--config", str(file)]) as daemon:
        yield daemon
