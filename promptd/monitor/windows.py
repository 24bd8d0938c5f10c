"""Windows: what happened in the last minute, ten minutes and hour, in bounded memory.

Counters only grow and know no window. Each sample is compared with the one before, and the difference is a
slice; slices are merged into wider ones and the oldest are dropped. So a request pays nothing, and no sample
is kept. Pure: the time of each sample is an argument.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from promptd.support.stats import Histogram

# Name, span and slice in seconds. A window may be up to one slice longer than its name says: `covered_s` has
# its length.
SPANS_S: Mapping[str, tuple[float, float]] = {"1m": (60, 5), "10m": (600, 60), "1h": (3600, 300)}


@dataclass(slots=True)
class Slice:
    """What happened between two moments: sums by name, the highest gauges, histograms."""

    start_s: float
    end_s: float
    sums: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)

    def merge(self, other: "Slice") -> None:
        """Add everything of another slice."""
        self.start_s, self.end_s = min(self.start_s, other.start_s), max(self.end_s, other.end_s)
        for name, amount in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + amount
        for name, value in other.peaks.items():
            self.peaks[name] = max(self.peaks.get(name, value), value)
        for name, histogram in other.histograms.items():
            if len(histogram):
                self.histograms.setdefault(name, Histogram()).merge(histogram)


class Totals:
    """All counts since the start, at one moment; `slice_since` is the difference of two."""

    def __init__(
        self,
        at_s: float,
        sums: Mapping[str, float],
        gauges: Mapping[str, float],
        histograms: Mapping[str, Histogram],
    ) -> None:
        self.at_s = at_s
        self.sums = sums
        self.gauges = gauges
        self.histograms = histograms

    def __repr__(self) -> str:
        return f"<Totals of {len(self.sums)} sums at {self.at_s:.1f} s>"

    def slice_since(self, earlier: "Totals") -> Slice:
        """What was counted since; a sum that went down was reset, as a counter in Prometheus."""
        sums = {}
        for name, now in self.sums.items():
            before = earlier.sums.get(name, 0)
            sums[name] = now - before if now >= before else now
        histograms = {
            name: now.since(earlier.histograms[name]) if name in earlier.histograms else now.copy()
            for name, now in self.histograms.items()
        }
        return Slice(earlier.at_s, self.at_s, sums, dict(self.gauges), histograms)


class Ring:
    """The slices of one window; those that ended before its span are dropped.

    Two neighbours together are longer than `slice_s`, so there are at most 2 x span / slice + 2 of them.
    """

    def __init__(self, span_s: float, slice_s: float) -> None:
        self.span_s = span_s
        self._slice_s = slice_s
        self._slices: deque[Slice] = deque()
        self._is_cut = True
        self._kept: tuple[tuple[float, float], Slice] = (0.0, 0.0), Slice(0.0, 0.0)

    def __len__(self) -> int:
        return len(self._slices)

    def add(self, piece: Slice) -> None:
        """Add the newest slice."""
        if self._is_cut or piece.end_s - self._slices[-1].start_s > self._slice_s:
            self._slices.append(Slice(piece.start_s, piece.end_s))
            self._is_cut = False
        self._slices[-1].merge(piece)
        while len(self._slices) > 1 and self._slices[0].end_s <= piece.end_s - self.span_s:
            self._slices.popleft()

    def cut(self) -> None:
        """Start a new slice, so that a `since_s` of now divides exactly."""
        self._is_cut = True

    def read(self, now_s: float, since_s: float = 0.0) -> Slice:
        """Everything that ended within the span, of slices that began at `since_s` or later.

        The sum of closed slices is cached until another one closes or is dropped.
        """
        wanted = [
            piece for piece in self._slices if piece.end_s > now_s - self.span_s and piece.start_s >= since_s
        ]
        found = Slice(now_s, now_s)
        if wanted:
            found.merge(self._sum_of(wanted[:-1], now_s))
            found.merge(wanted[-1])
        return found

    def _sum_of(self, closed: list[Slice], now_s: float) -> Slice:
        key = (closed[0].start_s, closed[-1].end_s) if closed else (now_s, now_s)
        if self._kept[0] != key:
            found = Slice(*key)
            for piece in closed:
                found.merge(piece)
            self._kept = key, found
        return self._kept[1]


class Windows:
    """The rings of all windows, fed with the same slices."""

    def __init__(self) -> None:
        self._rings = {name: Ring(*spans) for name, spans in SPANS_S.items()}

    def __repr__(self) -> str:
        return f"<Windows {', '.join(f'{name}: {len(ring)} slices' for name, ring in self._rings.items())}>"

    def add(self, piece: Slice) -> None:
        """Add what happened since the last sample."""
        for ring in self._rings.values():
            ring.add(piece)

    def cut(self) -> None:
        """Start a new slice in every window."""
        for ring in self._rings.values():
            ring.cut()

    def read(self, name: str, now_s: float, since_s: float = 0.0) -> Slice:
        """One window as of now."""
        return self._rings[name].read(now_s, since_s)
