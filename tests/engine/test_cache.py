"""The cache's laws: a dict that may lose entries, never beyond its bounds, and true to its pins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from promptd.engine.cache import Cache

KEYS = "abcdefgh"
keys = st.sampled_from(KEYS)


class CacheLaws(RuleBasedStateMachine):
    """Any sequence of operations, against a dict of what was last put."""

    @initialize(max_entries=st.integers(0, 6), max_bytes=st.integers(0, 60))
    def begin(self, max_entries: int, max_bytes: int) -> None:
        """A cache with some bounds, and the dict it is held against."""
        self.gone: list[str] = []
        self.cache: Cache[str, int] = Cache(max_entries, max_bytes, lambda key, _: self.gone.append(key))
        self.model: dict[str, tuple[int, int]] = {}
        self.pinned: frozenset[str] = frozenset()
        self.asked = 0

    @rule(key=keys, value=st.integers(), size=st.integers(0, 70), preload=st.booleans())
    def put(self, key: str, value: int, size: int, preload: bool) -> None:
        """What fits is held; what is put replaces what was held."""
        self.cache.put(key, value, size, preload=preload)
        self.model[key] = (value, size)
        fits = size <= self.cache.max_bytes and self.cache.max_entries > 0
        assert (key in self.cache) == fits

    @rule(key=keys)
    def get(self, key: str) -> None:
        """A get gives what is held, and nothing else."""
        held = key in self.cache
        found = self.cache.get(key)
        self.asked += 1
        assert found == (self.model[key][0] if held else None)
        assert found == self.cache.peek(key)

    @rule(key=keys)
    def discard(self, key: str) -> None:
        """What is discarded is gone."""
        held = key in self.cache
        assert self.cache.discard(key) == held
        assert key not in self.cache
        self.model.pop(key, None)

    @rule(wanted=st.lists(keys, unique=True))
    def pin(self, wanted: list[str]) -> None:
        """Only what was asked for is pinned."""
        self.pinned = self.cache.pin(wanted)
        assert self.pinned <= set(wanted)

    @invariant()
    def holds_what_was_last_put(self) -> None:
        """Entries get lost, they never become something else."""
        assert all(self.model[key][0] == value for key, value in self.cache.items())

    @invariant()
    def keeps_its_bounds(self) -> None:
        """Entries and bytes are within bounds after every operation, and the count of bytes is true."""
        counts = self.cache.statistics()
        sizes = [self.model[key][1] for key, _ in self.cache.items()]
        assert counts.size_bytes == sum(sizes) <= self.cache.max_bytes
        assert counts.entries == len(self.cache) == len(sizes) <= self.cache.max_entries

    @invariant()
    def pins_at_most_half(self) -> None:
        """Half is always free for other entries: half of the entries and of the bytes are never pinned."""
        held = [key for key in self.cache.pins if key in self.cache]
        assert len(self.cache.pins) <= self.cache.max_entries // 2
        assert sum(self.model[key][1] for key in held) <= self.cache.max_bytes // 2
        assert self.cache.statistics().pinned == len(held)

    @invariant()
    def counts_add_up(self) -> None:
        """Each look-up is a hit or a miss, and whatever left was reported once."""
        counts = self.cache.statistics()
        assert counts.hits + counts.misses == self.asked
        assert len(self.gone) >= counts.evictions + counts.invalidations


TestCacheLaws = CacheLaws.TestCase


def filled(count: int, **bounds: int) -> Cache[int, str]:
    """Return a cache that holds `count` entries of ten bytes."""
    cache: Cache[int, str] = Cache(bounds.get("entries", 1_000), bounds.get("size_bytes", 100_000))
    for key in range(count):
        cache.put(key, str(key), 10)
    return cache


def test_the_least_recently_used_goes_first() -> None:
    """A get is a use, a peek is none."""
    cache = filled(3, entries=3)
    cache.get(0)
    cache.peek(1)
    cache.put(3, "3", 10)
    assert [key for key, _ in cache.items()] == [2, 0, 3]


@given(st.lists(st.integers(0, 1_000), max_size=300))
def test_pins_survive_any_sweep_through_cold_entries(sweep: list[int]) -> None:
    """However many others pass through, what is pinned stays."""
    cache = filled(20, entries=20, size_bytes=200)
    pinned = cache.pin(range(5, 15))
    for key in sweep:
        cache.put(2_000 + key, "cold", 10)
    assert len(pinned) == 10
    assert all(key in cache for key in pinned)


def test_a_pin_that_is_put_later_and_does_not_fit_is_no_pin() -> None:
    """Pinned before their size was known, values may not take more than half when they come."""
    cache: Cache[str, str] = Cache(10, 100)
    assert cache.pin("abc") == frozenset("abc")
    for key in "abc":
        cache.put(key, key, 40)
    assert cache.pins == {"a"}
    cache.put("x", "x", 60)
    assert "a" in cache


def test_one_large_value_does_not_keep_others_from_being_pinned() -> None:
    """The hottest may be too large to pin; the next ones are pinned all the same."""
    cache: Cache[str, str] = Cache(10, 100)
    for key, size in (("large", 60), ("small", 10)):
        cache.put(key, key, size)
    assert cache.pin(["large", "small"]) == {"small"}


def test_a_value_larger_than_the_cache_is_not_held_and_evicts_nothing() -> None:
    """Nor does the value it replaces stay: that one is no longer true."""
    cache = filled(3, size_bytes=30)
    cache.put(1, "huge", 31)
    assert [key for key, _ in cache.items()] == [0, 2]
    assert cache.statistics().evictions == 0


def test_listeners_are_called_with_each_value_that_leaves() -> None:
    """Evicted, discarded, replaced or never held: every value put is reported once when it is gone."""
    gone: list[tuple[str, int]] = []
    cache: Cache[str, int] = Cache(1, 100, lambda key, value: gone.append((key, value)))
    cache.put("a", 1, 10)
    cache.put("a", 2, 10)
    cache.put("b", 3, 10)
    cache.discard("b")
    cache.put("c", 4, 101)
    assert gone == [("a", 1), ("a", 2), ("b", 3), ("c", 4)]


def test_statistics_count_what_happened() -> None:
    """One look at every figure, and the ratio."""
    cache: Cache[str, str] = Cache(2, 100)
    assert cache.statistics().hit_ratio is None
    cache.put("a", "a", 10, preload=True)
    cache.put("b", "b", 20)
    cache.put("c", "c", 30)
    cache.pin(["c"])
    cache.get("c")
    cache.get("a")
    cache.discard("b")
    counts = cache.statistics()
    expected: dict[str, Any] = {"hits": 1, "misses": 1, "evictions": 1, "invalidations": 1, "preloads": 1}
    expected |= {"entries": 1, "pinned": 1, "size_bytes": 30, "max_entries": 2, "max_bytes": 100}
    assert {name: getattr(counts, name) for name in expected} == expected
    assert counts.hit_ratio == 0.5
    assert repr(cache) == "<Cache 1/2 entries, 30/100 bytes>"


@pytest.mark.timeout(20)
def test_eviction_does_not_walk_the_cache() -> None:
    """100,000 evictions from a cache of 50,000 entries take a moment, not minutes."""
    cache = filled(50_000, entries=50_000, size_bytes=10**9)
    for key in range(100_000):
        cache.put(50_000 + key, "x", 10)
    assert cache.statistics().evictions == 100_000
