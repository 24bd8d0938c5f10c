"""The suite: the stages in order, and what they share: the request mix, an engine, a daemon of its own.

The caller runs one stage after the other, with a progress callback for each, then reads the verdict.
The daemon gets the user's configuration with a socket and a state directory of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import structs

from promptd.cli.bench import caching, latency, loading, reduction
from promptd.cli.bench.candidates import prepare
from promptd.cli.bench.judging import judge
from promptd.cli.bench.mix import Mix
from promptd.cli.bench.results import BenchVerdict, Caching, Latency, Loading, Reduction, Subject
from promptd.cli.child import ChildDaemon, child_daemon, temporary_directory
from promptd.config import Config, render
from promptd.engine.embedded import Engine
from promptd.errors import UnknownComponent
from promptd.sources.loader import Progress

SAMPLE = 16  # prompts optimised by every strategy: some 7 s on prompts of 40 KB
SEED = 1

Stage = Callable[[Progress | None], None]


class Suite:
    """One run; call `stages` in order, then read the results."""

    subject: Subject
    loading: Loading
    reduction: Reduction
    caching: Caching
    latency: Latency

    def __init__(
        self, config: Config, directory: Path, stack: ExitStack, *, sample: int = SAMPLE, seed: int = SEED
    ) -> None:
        self.config = config
        self.sample = sample
        self.seed = seed
        self._directory = directory
        self._stack = stack
        self._engine = stack.enter_context(Engine.open(config=config))
        self._mix: Mix
        self._daemon: ChildDaemon
        self.stages: tuple[tuple[str, Stage], ...] = (
            ("assembling the prompts", self._prepare),
            ("loading", self._load),
            ("strategies", self._reduce),
            ("cache", self._cache),
            ("latency", self._time),
        )

    def __repr__(self) -> str:
        return f"<Suite on {', '.join(root.path for root in self.config.roots)}>"

    def verdict(self) -> BenchVerdict:
        """The figures of all stages against the targets."""
        return judge(self.config.targets, self.caching, self.loading, self.reduction, self.latency)

    def _prepare(self, progress: Progress | None) -> None:
        found = prepare(self._engine, self.config.library.prompts, self.seed, progress)
        if not found.asks or not found.components:
            raise UnknownComponent("no prompt of the library can be assembled; see promptd check DIR")
        self._mix = found
        self.subject = Subject(
            roots=tuple(root.path for root in self.config.roots),
            components=len(found.components),
            prompts=len(found.asks),
            invalid_prompts=found.invalid,
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
    with temporary_directory("bench") as directory, ExitStack() as stack:
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
