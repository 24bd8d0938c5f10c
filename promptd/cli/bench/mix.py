"""The request mix: which prompts are requested, how often, and with which values.

Popularity follows Zipf (the k-th most popular is requested in proportion to 1/k), the usual model of requests
to caches (Breslau et al. 1999); the seed decides which prompt is how popular. Of ten requests, four repeat a
prompt as it is, four add an argument that is never repeated, so that no cache of whole replies can help, and
two get one component. Pure: `candidates` finds what can be requested.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

ZIPF_EXPONENT = 1.0
KINDS = ("again", "new", "get")
WEIGHTS = (4, 4, 2)


@dataclass(frozen=True, slots=True)
class MixRequest:
    """One prompt and its required variables, each with a value."""

    name: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Mix:
    """What may be requested, most popular first, and what was left out.

    `invalid` are prompts that cannot be assembled; `left_out` counts those above the maximum.
    """

    asks: tuple[MixRequest, ...]
    components: tuple[str, ...]
    invalid: tuple[str, ...]
    left_out: int
    seed: int

    def lines(self, *, label: str = "") -> Iterator[bytes]:
        """Request lines without end; two iterators with the same label are equal."""
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
