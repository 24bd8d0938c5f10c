"""Popular prompts: how often each was answered and what it cost in tokens, for a bounded number of them.

When the table is full the least used tenth is forgotten, so what comes back now and then may be counted too
low; what is used much never is. Totals since this table was made. No text and no value of a variable is
kept, only names.
"""

import heapq
from dataclasses import dataclass

MAX_TRACKED = 1_000
MAX_NAME_CHARS = 512  # of one prompt; a list of a thousand components is counted under its beginning
MAX_COMPONENTS = 1_000


@dataclass(slots=True)
class Popular:
    """One prompt. `tokens` is its size when it was last made; `cost_total` None without a price."""

    name: str
    components: tuple[str, ...]
    requests: int = 0
    tokens: int = 0
    tokens_total: int = 0
    cost_total: float | None = None
    strategy: str = "none"


@dataclass(frozen=True, slots=True)
class PopularStatistics:
    """How many prompts are known, and sums over all replies, those of forgotten prompts included."""

    tracked: int
    replies: int
    tokens_served: int


class PopularPrompts:
    """Requests by name; `most` bounds how many are counted apart."""

    def __init__(self, most: int = MAX_TRACKED) -> None:
        self._most = most
        self._held: dict[str, Popular] = {}
        self._replies = self._tokens_served = 0

    def __repr__(self) -> str:
        return f"<PopularPrompts {len(self._held)} names, {self._replies} replies>"

    def use(self, seen: Popular) -> None:
        """Count requests; `seen` holds those that are new, its totals are ignored."""
        name, components = seen.name[:MAX_NAME_CHARS], seen.components[:MAX_COMPONENTS]
        held = self._held.get(name)
        if held is None:
            self._forget_some()
            held = self._held[name] = Popular(name, components)
        held.components, held.tokens, held.strategy = components, seen.tokens, seen.strategy
        held.requests += seen.requests
        held.tokens_total += seen.tokens * seen.requests
        if seen.cost_total is not None:
            held.cost_total = (held.cost_total or 0.0) + seen.cost_total * seen.requests
        self._replies += seen.requests
        self._tokens_served += seen.tokens * seen.requests

    def _forget_some(self) -> None:
        if len(self._held) >= self._most:
            fewest = heapq.nsmallest(
                self._most // 10 + 1, self._held.values(), key=lambda held: held.requests
            )
            for held in fewest:
                del self._held[held.name]

    def hottest(self, number: int) -> list[Popular]:
        """Those with most requests, ties by name."""
        return heapq.nsmallest(number, self._held.values(), key=lambda held: (-held.requests, held.name))

    def most_expensive(self, number: int) -> list[Popular]:
        """Those with most tokens over all replies, ties by name."""
        return heapq.nsmallest(number, self._held.values(), key=lambda held: (-held.tokens_total, held.name))

    def statistics(self) -> PopularStatistics:
        """Sums."""
        return PopularStatistics(len(self._held), self._replies, self._tokens_served)
