"""Counting things cheaply: named counters and a histogram of logarithmic buckets.

Both hold integers only, are owned by one writer, and give frozen records to everyone else. Nothing here
knows the time: a window is a Histogram of its own, and windows are merged. The clock, the unit and the
name of what is measured belong to the caller (`Histogram` of microseconds, of bytes).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

# Each power of two is split into 16 buckets, so the middle of a bucket is at most 1/32 (3.1 %) away from any
# value in it: the scheme of HdrHistogram (Tene) with 4 bits of mantissa.
_MANTISSA_BITS = 4
_OCTAVE_BITS = _MANTISSA_BITS + 1  # with the leading one, which is not stored
_BUCKETS_PER_OCTAVE = 1 << _MANTISSA_BITS
MAX_RELATIVE_ERROR = 1 / (2 * _BUCKETS_PER_OCTAVE)
MAX_VALUE = (1 << 62) - 1  # larger ones count as this one, which bounds the number of buckets at 944


class Counters:
    """Sums under names; a name that was never counted is 0."""

    def __init__(self) -> None:
        self._sums: defaultdict[str, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"<Counters {dict(self._sums)}>"

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of `name`; names come from code and never from a request."""
        self._sums[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._sums.get(name, 0)

    def merge(self, other: "Counters") -> None:
        """Add everything that the other one counted."""
        for name, amount in other._sums.items():
            self._sums[name] += amount

    def statistics(self) -> Mapping[str, int]:
        """A frozen copy, in the order of names."""
        return MappingProxyType(dict(sorted(self._sums.items())))


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram held at one moment, in the unit of what was recorded; all 0 if it was empty."""

    count: int
    total: int
    minimum: int
    maximum: int
    p50: int
    p90: int
    p95: int
    p99: int
    p999: int

    @property
    def mean(self) -> float:
        """The exact mean, 0.0 of nothing."""
        return self.total / self.count if self.count else 0.0


NOTHING = Distribution(0, 0, 0, 0, 0, 0, 0, 0, 0)


class Histogram:
    """How often which value was seen, to about 3 %, in at most 944 buckets whatever is recorded.

    Values are non-negative integers (microseconds, bytes, tokens). Count, total, minimum and maximum are
    exact; values below 32 are exact too.
    """

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._count = 0
        self._total = 0
        self._minimum = MAX_VALUE
        self._maximum = 0

    def __repr__(self) -> str:
        return f"<Histogram of {self._count}, p50 {self.percentile(50)}, p99 {self.percentile(99)}>"

    def __len__(self) -> int:
        return self._count

    def record(self, value: int, times: int = 1) -> None:
        """Count one value `times` times; below 0 (a clock stepped back) it is 0, above MAX_VALUE that."""
        # On the path of every request: comparisons cost a third of what min() and max() do.
        if not 0 <= value <= MAX_VALUE:
            value = 0 if value < 0 else MAX_VALUE
        shift = value.bit_length() - _OCTAVE_BITS
        self._counts[(shift << _MANTISSA_BITS) + (value >> shift) if shift > 0 else value] += times
        self._count += times
        self._total += value * times
        if value < self._minimum:
            self._minimum = value
        if value > self._maximum:
            self._maximum = value

    def merge(self, other: "Histogram") -> None:
        """Count everything that the other one holds: equal to having recorded both in one."""
        for bucket, count in other._counts.items():
            self._counts[bucket] += count
        self._count += other._count
        self._total += other._total
        self._minimum = min(self._minimum, other._minimum)
        self._maximum = max(self._maximum, other._maximum)

    def copy(self) -> "Histogram":
        """Another one that holds the same; safe while the owner records in another thread."""
        copied = Histogram()
        copied._counts.update(dict(self._counts))  # one step under the interpreter lock
        copied._count, copied._total = sum(copied._counts.values()), self._total
        copied._minimum, copied._maximum = self._minimum, self._maximum
        return copied

    def since(self, earlier: "Histogram") -> "Histogram":
        """What was recorded after `earlier`, a copy of this one; all of it if this one began anew.

        So a window needs nothing on the path of what is measured. Count and total stay exact; minimum and
        maximum are the bounds of the outermost buckets, as they cannot be taken apart.
        """
        counts = {at: count - earlier._counts.get(at, 0) for at, count in self._counts.items()}
        total = self._total - earlier._total
        if min(counts.values(), default=0) < 0 or self._count < earlier._count or total < 0:
            return self.copy()
        found = Histogram()
        found._counts.update({at: count for at, count in counts.items() if count})
        found._count, found._total = sum(found._counts.values()), total
        if found._counts:
            found._minimum = max(_lowest(min(found._counts)), self._minimum)
            found._maximum = min(_highest(max(found._counts)), self._maximum)
        return found

    def counts_up_to(self, bounds: Sequence[int]) -> list[int]:
        """How many values lie at or below each of the ascending bounds, a bucket counting by its middle."""
        middles = sorted((_middle(bucket), count) for bucket, count in self._counts.items())
        found, at, seen = [], 0, 0
        for bound in bounds:
            while at < len(middles) and middles[at][0] <= bound:
                seen += middles[at][1]
                at += 1
            found.append(seen)
        return found

    @property
    def total(self) -> int:
        """The sum of what was recorded."""
        return self._total

    def percentile(self, percent: float) -> int:
        """The value that `percent` % of those recorded do not exceed (nearest rank); 0 of nothing.

        It is at most MAX_RELATIVE_ERROR away from the exact one, and never outside minimum and maximum.
        """
        return next(self._percentiles(percent))

    def _percentiles(self, *percents: float) -> Iterator[int]:
        """Several percentiles, ascending, in one pass over the buckets."""
        buckets = iter(sorted(self._counts.items()))
        bucket = seen = 0
        for percent in percents:
            rank = max(1, -(-self._count * percent // 100))
            while seen < min(rank, self._count):
                bucket, count = next(buckets)
                seen += count
            yield min(max(_middle(bucket), self._minimum), self._maximum) if self._count else 0

    def statistics(self) -> Distribution:
        """A frozen record of what is held now."""
        if not self._count:
            return NOTHING
        return Distribution(
            self._count,
            self._total,
            self._minimum,
            self._maximum,
            *self._percentiles(50, 90, 95, 99, 99.9),
        )


def _shift(bucket: int) -> int:
    return max((bucket >> _MANTISSA_BITS) - 1, 0)


def _lowest(bucket: int) -> int:
    """The least value of a bucket: the inverse of the arithmetic in `Histogram.record`."""
    shift = _shift(bucket)
    return (bucket - (shift << _MANTISSA_BITS)) << shift


def _highest(bucket: int) -> int:
    return _lowest(bucket) + (1 << _shift(bucket)) - 1


def _middle(bucket: int) -> int:
    return (_lowest(bucket) + _highest(bucket)) // 2
