"""What a prompt may cost, does cost and saved: against a baseline, never more than would have been sent.

The baseline is the same request with the strategy `none` and no budget. A prompt larger than the context
limit would have been refused, so no more than the limit counts as what would have been sent. Cost is tokens
times the model's price for input, in whatever currency the prices are; a calibration factor turns counts of
the encoding into estimates of the model's own.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from promptd.protocol.records import Estimate, Savings

MILLION = 1_000_000
MAX_PREFIXES = 10_000  # requests whose last stable prefix is remembered
DEFAULT_CACHE_MIN_TOKENS = 1_024  # what most of Anthropic's and OpenAI's models cache at least
BASELINE = "none"
USED_UP = 0.95  # of a budget that is used so far nothing need be said


class TokenBudget(NamedTuple):
    """The most tokens a request may cost, and how many of them are reserved for the model's output."""

    budget: int
    reserve: int = 0

    @property
    def capacity(self) -> int:
        """Tokens that are left for the prompt."""
        return self.budget - self.reserve

    def is_used_up(self, tokens: int) -> bool:
        """True if a prompt of so many tokens leaves next to nothing."""
        return tokens >= USED_UP * self.capacity


@dataclass(frozen=True, slots=True)
class Model:
    """A model: prices of a million tokens, its calibration, and the fewest tokens it caches."""

    name: str
    input: float = 0.0
    cached_read: float = 0.0
    cache_write: float = 0.0
    calibration: float = 1.0
    cache_min_tokens: int = DEFAULT_CACHE_MIN_TOKENS

    def cost(self, tokens: float) -> float:
        """The price of that many tokens of the encoding, sent as uncached input."""
        return tokens * self.calibration * self.input / MILLION

    def rewrite(self, tokens: float) -> float:
        """What it costs to write a prefix into the cache again that might have been read from it."""
        if tokens * self.calibration < self.cache_min_tokens:
            return 0.0
        return tokens * self.calibration * (self.cache_write - self.cached_read) / MILLION


def savings(tokens_source: int, tokens: int, most: int, model: Model | None) -> Savings:
    """What was saved. Less than nothing if the result has more tokens; `most` is the context limit."""
    sent = min(tokens_source, most)
    saved = sent - tokens
    if model is None:
        return Savings(BASELINE, sent, saved)
    return Savings(BASELINE, sent, saved, model.name, round(model.cost(saved), 9))


def estimate(tokens: int, encoding: str, model: Model) -> Estimate:
    """A raw count beside what the model would count."""
    estimated = round(tokens * model.calibration)
    cost = round(model.cost(tokens), 9)
    return Estimate(model.name, encoding, tokens, model.calibration, estimated, cost)


@dataclass(frozen=True, slots=True)
class SavingsStatistics:
    """Sums over all replies with a strategy or a budget, against the baseline `none`.

    `prefix_changes`: how often the stable prefix of a prompt was another than the time before, and what
    writing it into a provider's cache again cost; `skipped_passes` raised and were left out.
    """

    baseline: str
    replies: int
    tokens_baseline: int
    tokens_saved: int
    cost_saved: float
    by_strategy: Mapping[str, int]
    over_budget: int
    prefixes: int
    prefix_changes: int
    prefix_cost: float
    skipped_passes: Mapping[str, int]


class Account:
    """Adds up savings and prefix changes; one owner."""

    def __init__(self) -> None:
        self._replies = self._tokens_baseline = self._tokens_saved = 0
        self._cost_saved = self._prefix_cost = 0.0
        self._by_strategy: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._prefixes: OrderedDict[object, str] = OrderedDict()
        self._prefix_changes = 0
        self.over_budget = 0

    def __repr__(self) -> str:
        return f"<Account {self._tokens_saved} tokens saved in {self._replies} replies>"

    def add(self, strategy: str, saved: Savings, times: int) -> None:
        """Count `times` replies."""
        self._replies += times
        self._by_strategy[strategy] = self._by_strategy.get(strategy, 0) + times
        self._tokens_baseline += saved.tokens_baseline * times
        self._tokens_saved += saved.tokens_saved * times
        self._cost_saved += (saved.cost_saved or 0.0) * times

    def skipped(self, name: str) -> None:
        """A pass raised for one prompt."""
        self._skipped[name] = self._skipped.get(name, 0) + 1

    def prefix(self, key: object, digest: str, tokens: int, model: Model | None) -> None:
        """The stable prefix of a prompt as it is now. `key`: the request without its values."""
        before = self._prefixes.pop(key, None)
        self._prefixes[key] = digest
        if len(self._prefixes) > MAX_PREFIXES:
            self._prefixes.popitem(last=False)
        if before is not None and before != digest:
            self._prefix_changes += 1
            self._prefix_cost += model.rewrite(tokens) if model else 0.0

    def statistics(self) -> SavingsStatistics:
        """A frozen record of the sums."""
        return SavingsStatistics(
            BASELINE,
            self._replies,
            self._tokens_baseline,
            self._tokens_saved,
            round(self._cost_saved, 6),
            MappingProxyType(dict(sorted(self._by_strategy.items()))),
            self.over_budget,
            len(self._prefixes),
            self._prefix_changes,
            round(self._prefix_cost, 6),
            MappingProxyType(dict(sorted(self._skipped.items()))),
        )
