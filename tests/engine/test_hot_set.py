"""The hot set: use counts that decay, held against the naive definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.engine.hot_set import HotSet

HALF_LIFE_S = 100.0
IDS = ("a", "b", "c", "d")
# (seconds since the last event, id, times); the longest pause crosses a rebase
events = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 60.0, 900.0, 60_000.0]), st.sampled_from(IDS), st.integers(1, 9)),
    max_size=30,
)


def naive(history: list[tuple[float, str, int]], now_s: float) -> dict[str, float]:
    """Return each id's weight by the definition: a use counts 1, halved for every half-life since."""
    weights: dict[str, float] = {}
    for at_s, id, times in history:
        weights[id] = weights.get(id, 0.0) + times * 0.5 ** ((now_s - at_s) / HALF_LIFE_S)
    return weights


def played(pauses: list[tuple[float, str, int]]) -> tuple[HotSet, list[tuple[float, str, int]], float]:
    """Return a hot set after some events, the events with their times, and the time at the end."""
    hot, now_s, history = HotSet(2, HALF_LIFE_S, 1_000.0), 1_000.0, []
    for pause_s, id, times in pauses:
        now_s += pause_s
        hot.use([id], now_s, times)
        history.append((now_s, id, times))
    return hot, history, now_s


def everything(_id: str) -> bool:
    """Say that every id exists."""
    return True


@given(events, st.sampled_from([0.0, 50.0, 1_000.0]))
def test_decay_equals_the_naive_definition(pauses: list[tuple[float, str, int]], later_s: float) -> None:
    """Forward decay is a trick of the books: no weight differs by more than a rounding."""
    hot, history, now_s = played(pauses)
    shown, expected = hot.weights(now_s + later_s), naive(history, now_s + later_s)
    for id in IDS:
        assert math.isclose(shown.get(id, 0.0), expected.get(id, 0.0), rel_tol=1e-6, abs_tol=1e-5)


@given(events)
def test_the_hottest_are_the_heaviest(pauses: list[tuple[float, str, int]]) -> None:
    """Ranked by weight at any moment, since all decay alike; ties go by id."""
    hot, history, now_s = played(pauses)
    weights = naive(history, now_s)
    first = hot.hottest(everything, [])
    assert len(first) >= min(2, sum(weight > 1e-5 for weight in weights.values()))
    for chosen in first:
        heavier = [id for id in weights if weights[id] > weights[chosen] * (1 + 1e-9) + 1e-9]
        assert len(heavier) < 2


@given(events, st.floats(0, 500))
def test_kept_and_restored_is_as_if_it_had_run_on(pauses: list[tuple[float, str, int]], age_s: float) -> None:
    """What is written down at a stop counts, after a restart, as much as the time between leaves of it."""
    hot, history, now_s = played(pauses)
    again = HotSet(2, HALF_LIFE_S, now_s + age_s)
    again.restore(hot.weights(now_s), age_s)
    shown, expected = again.weights(now_s + age_s), naive(history, now_s + age_s)
    for id in IDS:
        assert math.isclose(shown.get(id, 0.0), expected.get(id, 0.0), rel_tol=1e-5, abs_tol=1e-5)


def test_seeds_fill_what_uses_leave_free() -> None:
    """Used ids come first; then the seeds in their order, none twice."""
    hot = HotSet(3, HALF_LIFE_S, 0.0)
    assert hot.hottest(everything, ["x", "y"]) == ["x", "y"]
    hot.use(["y"], 0.0)
    assert hot.hottest(everything, ["x", "y", "z", "w"]) == ["y", "x", "z"]


def test_seeds_are_not_looked_at_when_uses_suffice() -> None:
    """Ranking a whole library by dependents is work that a daemon in use never does."""
    hot = HotSet(1, HALF_LIFE_S, 0.0)
    hot.use(["a"], 0.0)
    seeds = iter(["x"])
    assert hot.hottest(everything, seeds) == ["a"]
    assert next(seeds) == "x"


def test_what_does_not_exist_is_not_hot() -> None:
    """A use count outlives its file until it is forgotten; it is never pinned."""
    hot = HotSet(3, HALF_LIFE_S, 0.0)
    hot.use(["gone", "here"], 0.0)
    assert hot.hottest(lambda id: id != "gone", []) == ["here"]
    hot.forget(["gone", "never there"])
    assert hot.weights(0.0) == {"here": 1.0}
    assert hot.statistics().tracked == 1


@pytest.mark.parametrize("now_s", [0.0, 1e12, -1e12])
def test_a_clock_that_jumps_costs_weights_and_nothing_else(now_s: float) -> None:
    """Set back or forward by thousands of years, the next use counts and nothing is raised."""
    hot = HotSet(3, HALF_LIFE_S, 1_000_000.0)
    hot.use(["a"], 1_000_000.0)
    hot.use(["b"], now_s)
    assert hot.hottest(everything, [])[:1] in (["a"], ["b"])
    assert all(math.isfinite(weight) for weight in hot.weights(now_s).values())


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0])
def test_weights_that_cannot_be_are_not_taken_back(weight: float) -> None:
    """A damaged state file does not make one component hot for ever."""
    hot = HotSet(3, HALF_LIFE_S, 0.0)
    hot.restore({"a": weight, "b": 1.0}, 0.0)
    assert hot.weights(0.0) == {"b": 1.0}


def test_repr_says_how_much_is_tracked() -> None:
    """Enough to recognise it in a debugger."""
    hot = HotSet(3, HALF_LIFE_S, 0.0)
    hot.use(["a"], 0.0)
    assert repr(hot) == "<HotSet 1 ids, size 3>"
    assert hot.statistics().size == 3
