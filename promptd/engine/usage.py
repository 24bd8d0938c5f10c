"""Usage: how often components are asked for, which of them are hot, and what the prompts cost and saved.

Prompts count their own uses while they are cached; `take` moves them here, at the latest when a prompt
leaves the cache, so that they outlive it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.library import Library
from promptd.engine.hot_set import HotSet
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.shared import OptimiserState
from promptd.protocol.request import Request

MAX_ONCE = 4_096  # requests remembered for having been asked once


class Usage:
    """Counts uses towards the hot set and the account; one for each workspace."""

    def __init__(self, hot: HotSet, optimiser: OptimiserState) -> None:
        self.hot = hot
        self.made_cold = 0  # prompts for which a file had to be read
        self._optimiser = optimiser
        # Hashes of requests that a template answered, not their values: who asks again gets a cached prompt.
        self._once: set[int] = set()
        self._uses: Counter[Evidence] = Counter()  # of prompts, by what they rest on, until folded

    def __repr__(self) -> str:
        return f"<Usage {self.hot!r}, {len(self._uses)} to fold>"

    def was_asked_once(self, request: Request) -> bool:
        """True if a template answered this very request before."""
        return hash(request) in self._once

    def rendered(self, request: Request, ids: tuple[str, ...], evidence: Evidence, tokens: int) -> None:
        """Count a reply that was made from a template, of which no prompt is kept."""
        self._optimiser.count_rendered(ids, evidence, tokens)
        if len(self._once) >= MAX_ONCE:
            self._once.clear()
        self._once.add(hash(request))
        self._uses[evidence] += 1

    def take(self, _request: Request, cached: CachedPrompt) -> None:
        """Take a prompt's uses over."""
        if cached.uses:
            self._uses[cached.prompt.evidence] += cached.uses
            self._optimiser.spend(cached.prompt, cached.uses)
            cached.uses = 0

    def fold(self, prompts: Iterable[tuple[Request, CachedPrompt]], library: Library, now_s: float) -> None:
        """Count all uses since the last call towards the components that still exist."""
        for request, cached in prompts:
            self.take(request, cached)
        for id, times in self._by_component().items():
            if id in library:
                self.hot.use((id,), now_s, times)
        self._uses.clear()

    def _by_component(self) -> Mapping[str, int]:
        uses: Counter[str] = Counter()
        for evidence, times in self._uses.items():
            uses.update({component.id: times for component in evidence.components})
        return uses
