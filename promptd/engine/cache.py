"""An LRU cache bounded by entries and by bytes, with pins.

Semantically a dict that may lose entries: a `get` returns the value last put under the key or nothing.
Our own and not cachetools': that bounds one dimension and knows neither pins nor statistics, and the two
hundred lines around it would have outweighed these (docs/decisions). Pins keep the hot set from being
evicted by a sweep through cold entries; at most half of either bound may be pinned, so that half
of the cache is always free for other entries.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

CacheKey = TypeVar("CacheKey", bound=Hashable)
CacheValue = TypeVar("CacheValue")


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Counts since the start; `size_bytes` and `entries` are of now."""

    hits: int
    misses: int
    evictions: int
    invalidations: int
    preloads: int
    entries: int
    pinned: int
    size_bytes: int
    max_entries: int
    max_bytes: int

    @property
    def hit_ratio(self) -> float | None:
        """Hits over look-ups, or None before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class _Held(NamedTuple, Generic[CacheValue]):
    value: CacheValue
    size_bytes: int


class Cache(Generic[CacheKey, CacheValue]):
    """Bounded by `max_entries` and `max_bytes`; sizes are what the caller says they are.

    `on_gone` is called with each key and value that is no longer held, whatever the reason.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, on_gone: Callable[[CacheKey, CacheValue], None] | None = None
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self._on_gone = on_gone
        self._held: OrderedDict[CacheKey, _Held[CacheValue]] = OrderedDict()  # least recently used first
        self._pins: frozenset[CacheKey] = frozenset()
        self._idle: set[CacheKey] = set()  # large, and not asked for since the last `let_go`
        self._size_bytes = 0
        self._hits = self._misses = self._evictions = self._invalidations = self._preloads = 0

    def __repr__(self) -> str:
        return (
            f"<Cache {len(self._held)}/{self.max_entries} entries, {self._size_bytes}/{self.max_bytes} bytes>"
        )

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: CacheKey) -> bool:
        return key in self._held

    def get(self, key: CacheKey) -> CacheValue | None:
        """The value, counted as a use, or None."""
        held = self._held.get(key)
        if held is None:
            self._misses += 1
            return None
        self._hits += 1
        self._held.move_to_end(key)
        if self._idle:
            self._idle.discard(key)
        return held.value

    def hit(self, times: int) -> None:
        """Count further uses of what `get` has just returned, without asking again."""
        self._hits += times

    def miss(self) -> None:
        """Count a value that had to be made, whatever was held under its key."""
        self._misses += 1

    def peek(self, key: CacheKey) -> CacheValue | None:
        """The value without counting a use, or None."""
        held = self._held.get(key)
        return None if held is None else held.value

    def put(self, key: CacheKey, value: CacheValue, size_bytes: int, *, preload: bool = False) -> None:
        """Hold a value; one larger than the whole cache is not held, and evicts nothing."""
        self._remove(key)
        if size_bytes > self.max_bytes or self.max_entries < 1:
            self._gone(key, value)
            return
        self._held[key] = _Held(value, size_bytes)
        self._size_bytes += size_bytes
        self._preloads += preload
        if key in self._pins and self._pinned_bytes() > self.max_bytes // 2:
            self._pins -= {key}
        for spare_pins in (True, False):
            for victim in self._victims(key, spare_pins=spare_pins):
                self._remove(victim)
                self._evictions += 1

    def discard(self, key: CacheKey) -> bool:
        """Forget a value that is no longer true; True if it was held."""
        removed = self._remove(key)
        self._invalidations += removed
        return removed

    def let_go(self, least_bytes: int) -> int:
        """Forget what is as large as that and was not asked for since the last call; returns how many went.

        A few requests for something huge would else keep the memory that they needed until others need it.
        """
        idle = [key for key in self._idle if key in self._held and key not in self._pins]
        for key in idle:
            self._remove(key)
        self._evictions += len(idle)
        self._idle = {key for key, held in self._held.items() if held.size_bytes >= least_bytes}
        return len(idle)

    def clear(self) -> None:
        """Forget everything but what is pinned: memory is needed elsewhere."""
        for key in [key for key in self._held if key not in self._pins]:
            self._remove(key)
            self._evictions += 1

    @property
    def pins(self) -> frozenset[CacheKey]:
        """The pinned keys, held or to come."""
        return self._pins

    def pin(self, keys: Iterable[CacheKey]) -> frozenset[CacheKey]:
        """Make these, hottest first, the pinned keys (held or to come); returns those that fit."""
        room_entries, room_bytes = self.max_entries // 2, self.max_bytes // 2
        pinned: list[CacheKey] = []
        for key in keys:
            held = self._held.get(key)
            size_bytes = held.size_bytes if held else 0
            if size_bytes <= room_bytes and len(pinned) < room_entries:
                room_bytes -= size_bytes
                pinned.append(key)
        self._pins = frozenset(pinned)
        return self._pins

    def _pinned_bytes(self) -> int:
        return sum(self._held[key].size_bytes for key in self._pins if key in self._held)

    def items(self) -> list[tuple[CacheKey, CacheValue]]:
        """What is held, least recently used first, without counting a use."""
        return [(key, held.value) for key, held in self._held.items()]

    def statistics(self) -> CacheStatistics:
        """A frozen record of all counts."""
        return CacheStatistics(
            self._hits,
            self._misses,
            self._evictions,
            self._invalidations,
            self._preloads,
            len(self._held),
            sum(key in self._held for key in self._pins),
            self._size_bytes,
            self.max_entries,
            self.max_bytes,
        )

    def _remove(self, key: CacheKey) -> bool:
        held = self._held.pop(key, None)
        if held is None:
            return False
        self._size_bytes -= held.size_bytes
        self._gone(key, held.value)
        return True

    def _gone(self, key: CacheKey, value: CacheValue) -> None:
        if self._on_gone is not None:
            self._on_gone(key, value)

    def _victims(self, newest: CacheKey, *, spare_pins: bool) -> list[CacheKey]:
        """The least recently used entries that must go until both bounds hold."""
        entries, size_bytes = len(self._held), self._size_bytes
        victims: list[CacheKey] = []
        for key, held in self._held.items():
            if entries <= self.max_entries and size_bytes <= self.max_bytes:
                break
            if key != newest and not (spare_pins and key in self._pins):
                victims.append(key)
                entries -= 1
                size_bytes -= held.size_bytes
        return victims
