"""Loading: many places are read and parsed at once, off the event loop, by as many threads as help.

Threads make reads from the page cache slower (they queue for the interpreter lock: 1,422 files took 0.02 s in
one thread and 0.10 s in eight) and reads with latency faster by their number. So the share of time spent
waiting is measured and the number of workers follows it, between configured bounds. Only reads made alone are
measured: beside others a thread waits for the interpreter lock as well, and would seem slow because there are
many. One place that fails is a Reading with an error; a batch never fails. Nothing here changes state:
readings are returned, the workspace applies them.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

from promptd.core.library.parse_cache import ParseCache
from promptd.core.syntax.component import Parsed, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.errors import ParseError, UnreadableComponent
from promptd.sources.base import Source
from promptd.support.stats import Histogram

RECENT = 15  # reads whose medians count
SLOW_READ_S = 0.001  # a page-cache read takes 0.02 ms, a network one 0.5 ms and more: below, one worker
MAX_SHARED_PARSES = 100_000  # 1 KB each, most of which the libraries hold as well
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LoadStatistics:
    """Reads made, batches, errors, seconds in all, workers in use, mean times of a read.

    Parsing is in processor time. `concurrent` reads are being made now, `peak_concurrency` is the most since
    the start.
    """

    reads: int
    batches: int
    errors: int
    seconds: float
    workers: int
    mean_read_ms: float
    mean_parse_ms: float
    concurrent: int
    peak_concurrency: int


class Workers:
    """How many threads to use: a pure rule fed with measured times.

    While one worker waits for a read others can parse, so 1 + wait / work workers keep a core busy. The
    medians of recent reads count: a thread that holds the interpreter lock delays some reads by
    milliseconds, a file system with latency delays them all.
    """

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum = minimum
        self.maximum = max(minimum, maximum)
        self._reads_s = deque([0.0] * RECENT, RECENT)
        self._works_s = deque([0.0005] * RECENT, RECENT)

    def __repr__(self) -> str:
        return f"<Workers {self.count} of {self.minimum}-{self.maximum}>"

    def observe(self, read_s: float, work_s: float) -> None:
        """Take in one read's seconds of reading, and of parsing in processor time."""
        self._reads_s.append(read_s)
        self._works_s.append(work_s)

    @property
    def count(self) -> int:
        """Workers for the next batch."""
        read_s = _median(self._reads_s)
        if read_s < SLOW_READ_S:
            return self.minimum
        helpful = 1 + round(read_s / max(_median(self._works_s), 1e-6))
        return max(self.minimum, min(self.maximum, helpful))


def _median(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2]


class SharedParses:
    """Parses by dialects and digest, for several libraries that hold the same bytes. Safe in threads.

    Bounded by `most`; when it is full it starts afresh.
    """

    def __init__(self, most: int = MAX_SHARED_PARSES) -> None:
        self._most = most
        self._held: dict[tuple[tuple[str, ...], str], Parsed] = {}

    def __repr__(self) -> str:
        return f"<SharedParses {len(self._held)} of {self._most}>"

    def __len__(self) -> int:
        return len(self._held)

    def get(self, dialects: tuple[str, ...], digest: str) -> Parsed | None:
        """The parse of these bytes with these dialects, if it is known."""
        return self._held.get((dialects, digest))

    def put(self, dialects: tuple[str, ...], digest: str, parsed: Parsed) -> None:
        """Remember a parse."""
        if len(self._held) >= self._most:
            self._held.clear()
        self._held[dialects, digest] = parsed


class _Timed(NamedTuple):
    """A reading, the seconds it took to read, and those of a processor to parse."""

    reading: Reading
    read_s: float
    work_s: float


class Loader:
    """Reads places and parses what is there, in the calling thread or in a pool.

    `index`, while there is one, knows parses of an earlier process; `shared` those of other libraries.
    """

    def __init__(
        self,
        source: Source,
        dialects: Sequence[Sequence[str]],
        workers: Workers,
        shared: SharedParses | None = None,
    ) -> None:
        self._source = source
        self.workers = workers
        self.index: ParseCache | None = None
        self.shared = shared
        self.dialects = [tuple(names) for names in dialects]
        self._pool: ThreadPoolExecutor | None = None
        self._is_closed = False
        self._reads = self._batches = self._errors = 0
        self._seconds = self._parse_s = self._read_s = 0.0
        self._concurrent = 0
        self._loads_at_once = Histogram()  # as each read begins, itself included
        self._load_us = Histogram()  # of a read with its parse, whatever it waited for
        self._counting = threading.Lock()  # batches may be loaded from several threads

    def __repr__(self) -> str:
        return f"<Loader {self._reads} reads, {self.workers!r}>"

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Read one place and parse it. Never raises."""
        timed = self._read(place, was_filled)
        self._account([timed])
        return timed.reading

    def _read(self, place: Place, was_filled: bool) -> _Timed:
        with self._counting:
            self._concurrent += 1
            self._loads_at_once.record(self._concurrent)
        try:
            reading = self._text(place, was_filled)
            started = time.thread_time()
            return _Timed(self._parsed(reading), reading.seconds, time.thread_time() - started)
        finally:
            with self._counting:
                self._concurrent -= 1

    def _text(self, place: Place, was_filled: bool) -> Reading:
        try:
            return self._source.read(place, was_filled=was_filled)
        except Exception as problem:  # whatever it is, it costs this place only
            sentence = f"{place.id} could not be read: {problem!r}"
            return Reading(place, error=UnreadableComponent(sentence, id=place.id))

    def _account(self, timed: Sequence[_Timed]) -> None:
        """Count reads; the first of them was made alone."""
        with self._counting:
            self.workers.observe(timed[0].read_s, timed[0].work_s)
            self._reads += len(timed)
            self._errors += sum(one.reading.error is not None for one in timed)
            self._read_s += sum(one.read_s for one in timed)
            self._parse_s += sum(one.work_s for one in timed)
            for one in timed:
                self._load_us.record(int(1e6 * (one.read_s + one.work_s)))

    def _parsed(self, reading: Reading) -> Reading:
        """The same reading with its parse."""
        if reading.text is None:
            return reading
        place = reading.place
        try:
            parsed = self._recalled(reading) or self._parse(reading.text, place.root, reading.digest)
        except Exception as problem:
            error = ParseError(f"{place.id} could not be parsed: {problem!r}", id=place.id)
            return replace(reading, text=None, error=error)
        return replace(reading, parsed=parsed)

    def _recalled(self, reading: Reading) -> Parsed | None:
        index = self.index
        return None if index is None else index.parsed(reading.place.root, reading.digest)

    def _parse(self, text: str, root: int, digest: str) -> Parsed:
        dialects, shared = self.dialects[root], self.shared
        parsed = shared.get(dialects, digest) if shared is not None else None
        if parsed is None:
            parsed = parse(text, dialects)
            if shared is not None:
                shared.put(dialects, digest, parsed)
        return parsed

    def load_now(
        self, places: Collection[Place], filled: Collection[Place] = (), progress: Progress | None = None
    ) -> list[Reading]:
        """Read a batch and wait for it: in this thread, or in a pool where waiting dominates."""
        started = time.perf_counter()
        ordered, readings = list(places), list[Reading]()
        while len(readings) < len(ordered) and not self._is_closed:
            workers = self.workers.count
            batch = ordered[len(readings) : len(readings) + 16 * workers]
            readings += self._batch(batch, filled, workers)
            if progress is not None:
                progress(len(readings), len(ordered))
        with self._counting:
            self._batches += 1
            self._seconds += time.perf_counter() - started
        return readings

    def _batch(self, batch: Sequence[Place], filled: Collection[Place], workers: int) -> list[Reading]:
        if workers <= 1:
            return [self.read(place, was_filled=place in filled) for place in batch]
        first = self._read(batch[0], batch[0] in filled)
        others = self._threads().map(lambda place: self._read(place, place in filled), batch[1:])
        timed = [first, *others]
        self._account(timed)
        return [one.reading for one in timed]

    async def load(self, places: Collection[Place], filled: Collection[Place] = ()) -> list[Reading]:
        """The same off the event loop."""
        import asyncio  # here: one command in its own process never waits for it

        return await asyncio.to_thread(self.load_now, places, filled)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers.maximum, thread_name_prefix="promptd-load")
        return self._pool

    def close(self) -> None:
        """End the pool's threads; a batch under way in another thread ends early."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def statistics(self) -> LoadStatistics:
        """A frozen record of counts and times."""
        reads = max(self._reads, 1)
        return LoadStatistics(
            self._reads,
            self._batches,
            self._errors,
            round(self._seconds, 6),
            self.workers.count,
            round(1000 * self._read_s / reads, 4),
            round(1000 * self._parse_s / reads, 4),
            self._concurrent,
            self._loads_at_once.statistics().maximum,
        )

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return {"load_us": self._load_us, "loads_at_once": self._loads_at_once}
