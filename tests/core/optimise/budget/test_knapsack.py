"""The knapsack against trying everything: it fits, it is exact or says its gap, it is fast."""

import itertools
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.budget import knapsack
from promptd.core.optimise.budget.knapsack import (
    Choice,
    Item,
    Solution,
    smallest,
    solve,
)


def sizes_of(parents: Sequence[int]) -> list[int]:
    """The sizes of subtrees, from the depth of each item in preorder."""
    sizes = []
    for index, depth in enumerate(parents):
        end = index + 1
        while end < len(parents) and parents[end] > depth:
            end += 1
        sizes.append(end - index)
    return sizes


@st.composite
def trees(draw: st.DrawFn, most: int = 5) -> list[Item]:
    """Draw items in preorder, each with own choices and perhaps final ones."""
    depths = [0]
    for _ in range(draw(st.integers(0, most - 1))):
        depths.append(draw(st.integers(1, depths[-1] + 1)))
    numbers = st.integers(0, 12)
    items = []
    for size in sizes_of(depths):
        own = draw(st.lists(st.builds(Choice, numbers, numbers), min_size=1, max_size=3))
        final = draw(st.lists(st.builds(Choice, numbers, numbers, st.just(True)), max_size=2))
        items.append(Item(size, (*own, *final)))
    return items


def everything(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Yield (tokens, value) of every solution there is."""
    for picks in itertools.product(*(range(len(item.choices)) for item in items)):
        chosen, skip_to = [], 0
        for index, (item, pick) in enumerate(zip(items, picks, strict=True)):
            if index >= skip_to:
                chosen.append(item.choices[pick])
                skip_to = index + item.size if chosen[-1].is_final else skip_to
        yield sum(each.tokens for each in chosen), sum(each.value for each in chosen)


def added_up(items: Sequence[Item], solution: Solution) -> tuple[int, int]:
    """(tokens, value) of a solution by its picks, which must leave out what a final choice stands for."""
    chosen, skip_to = [], 0
    for index, (item, pick) in enumerate(zip(items, solution.picks, strict=True)):
        assert (pick is None) == (index < skip_to)
        if pick is not None:
            chosen.append(item.choices[pick])
            skip_to = index + item.size if chosen[-1].is_final else skip_to
    return sum(each.tokens for each in chosen), sum(each.value for each in chosen)


@given(trees(), st.integers(0, 60))
def test_it_finds_what_trying_everything_finds(items: list[Item], capacity: int) -> None:
    """The value is the greatest that fits, the tokens are those of the picks; None only if nothing fits."""
    values = [value for tokens, value in everything(items) if tokens <= capacity]
    solution = solve(items, capacity)
    if solution is None:
        assert not values
        return
    assert solution.is_exact
    assert solution.value == max(values)
    assert solution.tokens <= capacity
    assert added_up(items, solution) == (solution.tokens, solution.value)


@given(trees(8), st.integers(0, 60), st.integers(1, 8))
def test_without_the_exact_search_the_gap_holds(items: list[Item], capacity: int, transitions: int) -> None:
    """With hardly any search allowed the answer still fits, and nothing is better than its bound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "MAX_TRANSITIONS_OF_FEW", transitions)
        rough = solve(items, capacity)
    best = solve(items, capacity)
    assert (rough is None) == (best is None)
    if rough is not None and best is not None:
        assert rough.tokens <= capacity
        assert rough.value <= best.value <= rough.bound
        assert 0 <= rough.gap <= 1
        assert not rough.is_exact or rough.value == best.value


@given(trees())
def test_the_smallest_is_the_smallest(items: list[Item]) -> None:
    """No solution has fewer tokens, and of those with as few none has more value."""
    found = smallest(items)
    least = min((tokens, -value) for tokens, value in everything(items))
    assert (found.tokens, -found.value) == least
    assert solve(items, least[0]) is not None
    assert solve(items, least[0] - 1) is None


@given(trees(), st.integers(0, 60))
def test_the_same_items_give_the_same_picks(items: list[Item], capacity: int) -> None:
    """Nothing but the items and the capacity decides."""
    assert solve(items, capacity) == solve(list(items), capacity)


def hundred_components(seed: int) -> list[Item]:
    """A hundred components with six variants each, as prompts have them: a root and two levels below."""
    random_ = random.Random(seed)
    depths = [0, *(random_.choice((1, 1, 2)) for _ in range(99))]
    depths[1] = 1
    items = []
    for number, size in enumerate(sizes_of(depths)):
        tokens = random_.randint(40, 3_000)
        worth = tokens * random_.randint(300, 900)
        own = [
            Choice(int(tokens * share), int(worth * kept))
            for share, kept in ((1, 1), (0.98, 1), (0.9, 0.99), (0.75, 0.95))
        ]
        final = [Choice(38, worth // 10, True), Choice(0, 0, True)] if number else []
        items.append(Item(size, (*own, *final)))
    return items


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.2, 0.4, 0.8])
def test_a_hundred_components_are_solved_within_a_hundredth(seed: int, share: float) -> None:
    """Solved within capacity and within a hundredth of the best; the benchmark has the time it takes."""
    items = hundred_components(seed)
    capacity = int(share * sum(item.choices[0].tokens for item in items))
    solution = solve(items, capacity)
    assert solution is not None
    assert solution.tokens <= capacity
    assert solution.gap < 0.01
