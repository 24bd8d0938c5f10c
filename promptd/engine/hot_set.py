"""The hot set: which components are used most, by counts that decay.

A use counts 1 and loses half of its weight every half-life, so last week's favourite gives way to
today's. Stored as the weight at one reference time (the exponential-decay trick of forward decay, Cormode
et al. 2009): a use adds 2^((now - start) / half-life), and nothing has to be aged. Seeded from the number
of dependents while there are no uses yet. The clock is an argument.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

MAX_WEIGHT = 1e15  # more uses than any daemon counts: what was kept is damaged
REBASE_HALF_LIVES = 512.0  # 2^512 is far inside a double's range


@dataclass(frozen=True, slots=True)
class HotSetStatistics:
    """How many ids have a weight, and the size of the set."""

    tracked: int
    size: int


class HotSet:
    """Weights per id; `size` is how many of the heaviest are hot."""

    def __init__(self, size: int, half_life_s: float, now_s: float) -> None:
        self.size = size
        self.half_life_s = half_life_s
        self._start_s = now_s
        self._weights: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<HotSet {len(self._weights)} ids, size {self.size}>"

    def use(self, ids: Iterable[str], now_s: float, times: int = 1) -> None:
        """Count `times` uses of each id at a time."""
        age = self._age(now_s)
        if age > REBASE_HALF_LIVES:
            self._rebase(now_s)
            age = 0.0
        gain = times * 2.0**age
        for id in ids:
            self._weights[id] = self._weights.get(id, 0.0) + gain

    def forget(self, ids: Iterable[str]) -> None:
        """Drop ids that no longer exist."""
        for id in ids:
            self._weights.pop(id, None)

    def hottest(self, exists: Callable[[str], bool], seeds: Iterable[str]) -> list[str]:
        """The `size` hottest ids that exist, hottest first, ties by id.

        What uses leave free is filled from `seeds`, in their order; they are looked at only then.
        """
        used = (id for id in self._weights if exists(id))
        ranked = heapq.nsmallest(self.size, used, key=lambda id: (-self._weights[id], id))
        if len(ranked) < self.size:
            taken = frozenset(ranked)
            ranked += islice((id for id in seeds if id not in taken), self.size - len(ranked))
        return ranked

    def heaviest(self, number: int, now_s: float) -> list[tuple[str, float]]:
        """The ids with the most weight as of now, heaviest first, ties by id."""
        scale = 2.0 ** -self._age(now_s)
        ranked = heapq.nsmallest(number, self._weights.items(), key=lambda pair: (-pair[1], pair[0]))
        return [(id, weight * scale) for id, weight in ranked]

    def weights(self, now_s: float) -> dict[str, float]:
        """Weight of each id as of now, for keeping: see `restore`."""
        scale = 2.0 ** -self._age(now_s)
        return {
            id: round(weight * scale, 6)
            for id, weight in sorted(self._weights.items())
            if weight * scale > 1e-6
        }

    def restore(self, weights: Mapping[str, float], age_s: float) -> None:
        """Take back weights that were kept `age_s` seconds before this set was made."""
        scale = 2.0 ** (-max(age_s, 0.0) / self.half_life_s)
        for id, weight in weights.items():
            if 0 < weight < MAX_WEIGHT:
                self._weights[id] = self._weights.get(id, 0.0) + weight * scale

    def statistics(self) -> HotSetStatistics:
        """Counts."""
        return HotSetStatistics(len(self._weights), self.size)

    def _age(self, now_s: float) -> float:
        """Half-lives since the reference time; a clock that was set back gives 0."""
        return max(now_s - self._start_s, 0.0) / self.half_life_s

    def _rebase(self, now_s: float) -> None:
        self._weights = self.weights(now_s)
        self._start_s = now_s
