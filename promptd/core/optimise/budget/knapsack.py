"""The multiple-choice knapsack over a tree: one choice for each item, most value within a capacity.

Items stand in preorder. A choice is either the item's own (what is below it is chosen on its own) or
*final*: it takes the place of the item and of everything below. Skipping a subtree is a jump in preorder,
so one pass over the items finds the best choices for any price per token (Lagrangian relaxation).

The price is found by walking the convex hull of (tokens, value): each step prices a token at the slope
between the best solution that fits and the best that does not, until the slope yields neither better
(Everett 1963; for the flat problem this is the LP relaxation of Sinha and Zoltners 1979). The relaxation
bounds every solution from above, so the gap of the greedy answer is proven. Dynamic programming over
undominated (tokens, value) states that may beat it then gives the exact optimum where few enough of them
survive that bound, and otherwise searches the most promising. Integers only: the same items give the same
picks on every machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

# Transitions of the search: about 2 ms of CPython 3.11 on a 2 GHz core, and 10 ms where few items make it
# likely that the optimum is found and proven. Counted and not timed: the answer depends on the items alone.
MAX_TRANSITIONS = 3_000
FEW_ITEMS, MAX_TRANSITIONS_OF_FEW = 32, 30_000
_SCALE = 1 << 20  # a price per token is a fraction of this


class Choice(NamedTuple):
    """`tokens` and `value` of one choice; a final one replaces the whole subtree."""

    tokens: int
    value: int
    is_final: bool = False


class Item(NamedTuple):
    """One item in preorder: the number of items in its subtree, itself included, and its choices."""

    size: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """`picks`: the index of each item's choice, None for what a final choice above replaces.

    No solution has more value than `bound`; `is_exact` where this one reaches it or was found exactly.
    """

    picks: tuple[int | None, ...]
    tokens: int
    value: int
    bound: int
    is_exact: bool

    @property
    def gap(self) -> float:
        """The share of the bound's value that this solution may lack; 0.0 if it is exact."""
        return 0.0 if self.is_exact or not self.bound else 1 - self.value / self.bound


def smallest(items: Sequence[Item]) -> Solution:
    """The solution with the fewest tokens; of those the one with the most value."""
    best: list[tuple[int, int]] = [(0, 0)] * (len(items) + 1)
    picked = [0] * len(items)
    for index in range(len(items) - 1, -1, -1):
        item = items[index]
        options = [
            (choice.tokens + rest[0], rest[1] - choice.value, number)
            for number, choice in enumerate(item.choices)
            for rest in (best[index + (item.size if choice.is_final else 1)],)
        ]
        tokens, loss, picked[index] = min(options)
        best[index] = (tokens, loss)
    tokens, loss = best[0]
    return Solution(tuple(_walk(items, picked, range(len(items)))), tokens, -loss, -loss, True)


def solve(items: Sequence[Item], capacity: int) -> Solution | None:
    """The best choices whose tokens fit, or None if none do. Deterministic; see the module for the method."""
    fits = smallest(items)
    if fits.tokens > capacity:
        return None
    price = _Relaxed(items, 0)
    if price.solution.tokens <= capacity:
        return price.solution
    price, fits = _price(items, capacity, price, fits)
    bound = price.bound(capacity)
    fits = _Spender(items, price, fits).run(capacity - fits.tokens)
    if fits.value >= bound:
        return replace(fits, bound=fits.value, is_exact=True)
    return _Search(items, capacity, price, fits).run(bound)


class _Relaxed:
    """The best solution when a token costs `price / _SCALE` of value and there is no capacity."""

    def __init__(self, items: Sequence[Item], price: int) -> None:
        self.price = price
        self.best = [0] * (len(items) + 1)  # the value of an item and all after it, scaled
        self.picked = picked = [0] * len(items)
        best = self.best
        for index in range(len(items) - 1, -1, -1):
            size, choices = items[index]
            after, skip = best[index + 1], best[index + size]
            top = None
            for number, (tokens, value, is_final) in enumerate(choices):
                net = value * _SCALE - price * tokens + (skip if is_final else after)
                # On equal value fewer tokens, so that a price of 0 does not spend for nothing.
                if top is None or net > top or (net == top and tokens < choices[picked[index]].tokens):
                    top, picked[index] = net, number
            best[index] = top or 0
        self.solution = _solution(items, tuple(_walk(items, picked, range(len(items)))))

    def bound(self, capacity: int) -> int:
        """No solution within the capacity has more value than this."""
        return (self.best[0] + self.price * capacity) // _SCALE


def _price(
    items: Sequence[Item], capacity: int, exceeds: _Relaxed, fits: Solution
) -> tuple[_Relaxed, Solution]:
    """The price at which the relaxation is tightest, and the best solution on the hull that fits."""
    over = exceeds.solution
    while True:
        price = max((over.value - fits.value) * _SCALE // max(over.tokens - fits.tokens, 1), 0)
        relaxed = _Relaxed(items, price)
        found = relaxed.solution
        if found.tokens <= capacity:
            if found.value <= fits.value:
                return relaxed, fits
            fits = found
        elif found.tokens < over.tokens:
            over = found
        else:
            return relaxed, fits


class _Spender:
    """Spends what a solution leaves: takes better choices, own or whole subtrees, while any fits."""

    def __init__(self, items: Sequence[Item], relaxed: _Relaxed, solution: Solution) -> None:
        self.items, self.relaxed = items, relaxed
        self.picks = list(solution.picks)

    def run(self, spare: int) -> Solution:
        """The better solution. Each round tries every exchange once, the largest gain first."""
        is_better = True
        while is_better:
            is_better = False
            for _, index, number in sorted(self.gains(spare)):
                if self.picks[index] is None:
                    continue
                tokens, value = self.exchange(index, number)
                if value > 0 and tokens <= spare:
                    spare -= tokens
                    self.take(index, number)
                    is_better = True
        return _solution(self.items, tuple(self.picks))

    def gains(self, spare: int) -> Iterator[tuple[int, int, int]]:
        """(minus the gain, item, choice) of every exchange that fits as things are."""
        for index, pick in enumerate(self.picks):
            if pick is not None:
                for number in range(len(self.items[index].choices)):
                    tokens, value = self.exchange(index, number)
                    if value > 0 and tokens <= spare:
                        yield -value, index, number

    def exchange(self, index: int, number: int) -> tuple[int, int]:
        """What it costs and gains to take another choice for an item."""
        old = self.items[index].choices[self.picks[index] or 0]
        new = self.items[index].choices[number]
        if old.is_final == new.is_final or self.items[index].size == 1:
            return new.tokens - old.tokens, new.value - old.value
        if new.is_final:
            return 0, 0  # the relaxation has weighed that
        below = [self.items[at].choices[pick] for at, pick in self.below(index) if pick is not None]
        tokens = new.tokens + sum(choice.tokens for choice in below) - old.tokens
        return tokens, new.value + sum(choice.value for choice in below) - old.value

    def below(self, index: int) -> Iterator[tuple[int, int | None]]:
        """What the relaxation picks below an item."""
        rest = range(index + 1, index + self.items[index].size)
        return zip(rest, _walk(self.items, self.relaxed.picked, rest), strict=True)

    def take(self, index: int, number: int) -> None:
        was_final = self.items[index].choices[self.picks[index] or 0].is_final
        self.picks[index] = number
        if was_final and not self.items[index].choices[number].is_final:
            for at, pick in self.below(index):
                self.picks[at] = pick


class _KnapsackState(NamedTuple):
    """A partial solution: its tokens and value, its last pick, and the state before it."""

    tokens: int
    value: int
    pick: int
    before: "_KnapsackState | None"
    at: int


class _Search:
    """Dynamic programming in preorder over states that are undominated and may still beat what is known.

    Where there are more of them than MAX_TRANSITIONS allows, those with the best prospects go on.
    """

    def __init__(self, items: Sequence[Item], capacity: int, price: _Relaxed, known: Solution) -> None:
        self.items, self.capacity, self.price, self.known = items, capacity, price, known
        self.fewest = _fewest_after(items)
        self.waiting: list[list[_KnapsackState]] = [[] for _ in range(len(items) + 1)]
        most = MAX_TRANSITIONS_OF_FEW if len(items) <= FEW_ITEMS else MAX_TRANSITIONS
        self.width = max(most // sum(len(item.choices) for item in items), 1)
        self.is_exact = True

    def run(self, bound: int) -> Solution:
        """The best there is, or the best that was found."""
        self.waiting[0].append(_KnapsackState(0, 0, -1, None, -1))
        for index, item in enumerate(self.items):
            for state in self.best_of(index):
                self.extend(index, item, state)
            self.waiting[index] = []
        best = max(
            self.waiting[-1], key=lambda state: (state.value, -state.tokens, _trail(state)), default=None
        )
        found = self.known
        if best is not None and best.value > found.value:
            picks = _picks(len(self.items), best)
            found = Solution(picks, best.tokens, best.value, bound, False)
        if self.is_exact:
            return replace(found, bound=found.value, is_exact=True)
        return replace(found, bound=bound, is_exact=found.value >= bound)

    def best_of(self, index: int) -> list[_KnapsackState]:
        states = list(_undominated(self.waiting[index]))
        if len(states) > self.width:
            self.is_exact = False
            price = self.price.price
            states.sort(key=lambda state: (price * state.tokens - state.value * _SCALE, state.tokens))
            del states[self.width :]
        return states

    def extend(self, index: int, item: Item, state: _KnapsackState) -> None:
        """Every choice after a state that fits and may still be better than what is known."""
        price, best = self.price.price, self.price.best
        must_beat = self.known.value * _SCALE - price * self.capacity
        for number, (tokens, value, is_final) in enumerate(item.choices):
            after = index + (item.size if is_final else 1)
            tokens, value = state.tokens + tokens, state.value + value
            if tokens + self.fewest[after] > self.capacity:
                continue
            if value * _SCALE - price * tokens + best[after] > must_beat:
                self.waiting[after].append(_KnapsackState(tokens, value, number, state, index))


def _undominated(states: list[_KnapsackState]) -> Iterator[_KnapsackState]:
    """Those that no other equals or beats in both tokens and value."""
    most = -1
    for state in sorted(states, key=lambda state: (state.tokens, -state.value)):
        if state.value > most:
            most = state.value
            yield state


def _fewest_after(items: Sequence[Item]) -> list[int]:
    """The fewest tokens that each item and all after it take."""
    fewest = [0] * (len(items) + 1)
    for index in range(len(items) - 1, -1, -1):
        size, choices = items[index]
        fewest[index] = min(
            choice.tokens + fewest[index + (size if choice.is_final else 1)] for choice in choices
        )
    return fewest


def _trail(state: _KnapsackState) -> list[tuple[int, int]]:
    trail = []
    at: _KnapsackState | None = state
    while at is not None and at.at >= 0:
        trail.append((at.at, -at.pick))
        at = at.before
    return trail


def _picks(count: int, state: _KnapsackState) -> tuple[int | None, ...]:
    picks: list[int | None] = [None] * count
    for index, pick in _trail(state):
        picks[index] = -pick
    return tuple(picks)


def _walk(items: Sequence[Item], picked: Sequence[int], indexes: range) -> Iterator[int | None]:
    """The picks that count: those below a final choice are None."""
    skip_to = 0
    for index in indexes:
        if index < skip_to:
            yield None
            continue
        if items[index].choices[picked[index]].is_final:
            skip_to = index + items[index].size
        yield picked[index]


def _solution(items: Sequence[Item], picks: tuple[int | None, ...]) -> Solution:
    chosen = [item.choices[pick] for item, pick in zip(items, picks, strict=True) if pick is not None]
    tokens, value = sum(choice.tokens for choice in chosen), sum(choice.value for choice in chosen)
    return Solution(picks, tokens, value, value, True)
