"""The request mix: who is asked for, how often, and with which values.

Popularity is Zipf's (the k-th most popular is asked for in proportion to 1/k), the usual model of requests
to caches (Breslau et al. 1999); which prompt is how popular is drawn from the seed. Of ten requests four ask
for a prompt that was likely asked for before, four for one with an argument that never comes again, so that
no cache of whole answers can help, and two for one component.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from promptd.core.library.resolve import matches
from promptd.engine.embedded import Engine
from promptd.errors import MissingVariable, PromptdError
from promptd.sources.loader import Progress

MAX_PROMPTS = 300  # asked for at most: each has to be tried once, which takes up to 50 ms
MAX_VARIABLES = 100  # of one prompt that are found to be required
ZIPF_EXPONENT = 1.0
KINDS = ("again", "new", "get")
WEIGHTS = (4, 4, 2)


@dataclass(frozen=True, slots=True)
class MixRequest:
    """One prompt and the variables without which it cannot be assembled, each with a value."""

    name: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Mix:
    """What may be asked for, most popular first, and what had to be left out.

    `unusable` are prompts that cannot be assembled at all; `left_out` how many more prompts there are.
    """

    asks: tuple[MixRequest, ...]
    components: tuple[str, ...]
    unusable: tuple[str, ...]
    left_out: int
    seed: int

    def lines(self, *, label: str = "") -> Iterator[bytes]:
        """Request lines without end; two with the same label are the same, new values but for `get`."""
        source = random.Random(f"{self.seed} {label}")
        prompts, components = _Zipf(len(self.asks), source), _Zipf(len(self.components), source)
        for number in itertools.count(1):
            (kind,) = source.choices(KINDS, WEIGHTS)
            if kind == "get":
                yield line(number, "get", {"name": self.components[components.draw()]})
                continue
            ask = self.asks[prompts.draw()]
            new = {"arguments": f"{label} {number}"} if kind == "new" else {}
            yield line(number, "assemble", {"name": ask.name, "variables": ask.variables, **new})

    def first(self, count: int, *, label: str = "first") -> list[MixRequest]:
        """The prompts of some requests, as popular as in `lines`; other labels give other draws."""
        draws = _Zipf(len(self.asks), random.Random(f"{self.seed} {label}"))
        return [self.asks[draws.draw()] for _ in range(count)]


class _Zipf:
    """Draws ranks from 0; the one of rank k with a weight of 1 / (k + 1)."""

    def __init__(self, size: int, source: random.Random) -> None:
        self._ranks = range(size)
        self._source = source
        weights = (1 / (rank + 1) ** ZIPF_EXPONENT for rank in self._ranks)
        self._cumulative = list(itertools.accumulate(weights))

    def draw(self) -> int:
        return self._source.choices(self._ranks, cum_weights=self._cumulative)[0]


def line(identity: int, method: str, params: dict[str, Any]) -> bytes:
    """A request line as any client writes it."""
    request = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
    return msgspec.json.encode(request) + b"\n"


def prepare(engine: Engine, globs: Sequence[str], seed: int, progress: Progress | None = None) -> Mix:
    """Find out what can be asked for: each prompt is tried once, in this process.

    Prompts are the ids that fit `globs` (`library.prompts`); in a library that has none, those that nobody
    includes; failing that all. Raises nothing of a broken component: it is in `unusable`.
    """
    listed = msgspec.json.decode(engine.call("list"))["components"]
    source = random.Random(seed)
    found = _shuffled(_prompts(listed, globs), source)
    chosen = found[:MAX_PROMPTS]
    asks: list[MixRequest] = []
    unusable: list[str] = []
    for number, name in enumerate(chosen, 1):
        ask = _tried(engine, name)
        if ask is None:
            unusable.append(name)
        else:
            asks.append(ask)
        if progress is not None:
            progress(number, len(chosen))
    components = _shuffled([each["id"] for each in listed if not each.get("error")], source)
    return Mix(tuple(asks), tuple(components), tuple(unusable), len(found) - len(chosen), seed)


def _prompts(listed: Sequence[dict[str, Any]], globs: Sequence[str]) -> list[str]:
    named = [each["id"] for each in listed if matches(each["id"], tuple(globs))]
    on_top = [each["id"] for each in listed if not each["dependents"]]
    return named or on_top or [each["id"] for each in listed]


def _shuffled(names: list[str], source: random.Random) -> list[str]:
    return source.sample(names, len(names))


def _tried(engine: Engine, name: str) -> MixRequest | None:
    """The prompt with a value for everything it requires, or None if that does not make it work."""
    variables: dict[str, str] = {}
    for _ in range(MAX_VARIABLES):
        try:
            engine.assemble(name, variables, strategy="none")
        except MissingVariable as missing:
            variables[str(missing.details["name"])] = "a value"
        except PromptdError:
            return None
        else:
            return MixRequest(name, variables)
    return None
