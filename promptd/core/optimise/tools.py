"""What the optimiser is given: a counter of tokens, how rare each word is, and strategies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from promptd.core.optimise.strategies import STRATEGIES, Strategy
from promptd.core.optimise.words import Idf


@dataclass(frozen=True, slots=True)
class Tools:
    """A counter of tokens, the inverse document frequencies of the library's words, and strategies."""

    count: Callable[[str], int]
    idf: Idf
    strategies: Mapping[str, Strategy] = field(default_factory=lambda: STRATEGIES)
