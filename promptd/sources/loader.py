"""Loading: many places are looked at and parsed at once, off the event loop, by as many threads as help.

Threads make reads from the page cache slower (they queue for the interpreter lock) and reads with latency
faster by their number (FACTS.md). So the share of time spent waiting is measured and the number of workers
follows it, between configured bounds. Only reads made alone are measured: beside others a thread waits for
the interpreter lock as well, and would seem slow because there are many. One place that fails is a Reading
with an error; a phase never fails. Nothing here changes state: readings are returned, the workspace applies
them.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from promptd.core.library.parse_cache import ParseCache
from promptd.core.syntax.component import Parsed, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.errors import ParseError, UnreadableComponent
from promptd.sources.worktree.files import Files, Look
from promptd.support.stats import Histogram

RECENT = 15  # looks whose medians count
SLOW_READ_S = 0.001  # a page-cache read takes 0.02 ms, a network one 0.5 ms and more: below, one worker
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LoadStatistics:
    """Looks made, phases, errors, seconds in all, workers in use, mean times a look.

    Parsing is in processor time. `at_once` looks are being made now, `most_at_once` were since the start.
    """

    looks: int
    phases: int
    errors: int
    seconds: float
    workers: int
    mean_read_ms: float
    mean_parse_ms: float
    at_once: int
    most_at_once: int


class Workers:
    """How many threads to use: a pure rule fed with measured times.

    While one worker waits for a read others can parse, so 1 + wait / work workers keep a core busy. The
    medians of recent looks count: whoever holds the interpreter lock delays some reads by milliseconds, a
    file system with latency delays them all.
    """

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum = minimum
        self.maximum = max(minimum, maximum)
        self._reads_s = deque([0.0] * RECENT, RECENT)
        self._works_s = deque([0.0005] * RECENT, RECENT)

    def __repr__(self) -> str:
        return f"<Workers {self.count} of {self.minimum}-{self.maximum}>"

    def observe(self, read_s: float, work_s: float) -> None:
        """Take in one look's seconds of reading, and of parsing in processor time."""
        self._reads_s.append(read_s)
        self._works_s.append(work_s)

    @property
    def count(self) -> int:
        """Workers for the next phase."""
        read_s = _median(self._reads_s)
        if read_s < SLOW_READ_S:
            return self.minimum
        helpful = 1 + round(read_s / max(_median(self._works_s), 1e-6))
        return max(self.minimum, min(self.maximum, helpful))


def _median(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2]


class _Timed(NamedTuple):
    """A reading, the seconds it took to read, and those of a processor to parse."""

    reading: Reading
    read_s: float
    work_s: float


class Loader:
    """Looks at places and parses what is there, in the calling thread or in a pool.

    `index`, while there is one, knows parses of an earlier process.
    """

    def __init__(self, files: Files, dialects: Sequence[Sequence[str]], workers: Workers) -> None:
        self.files = files
        self.workers = workers
        self.index: ParseCache | None = None
        self.dialects = [tuple(names) for names in dialects]
        self._pool: ThreadPoolExecutor | None = None
        self._is_closed = False
        self._looks = self._phases = self._errors = 0
        self._seconds = self._parse_s = self._read_s = 0.0
        self._at_once = 0
        self._loads_at_once = Histogram()  # as each look begins, itself included
        self._load_us = Histogram()  # of a look with its parse, whatever it waited for
        self._counting = threading.Lock()  # phases may be loaded from several threads

    def __repr__(self) -> str:
        return f"<Loader {self._looks} looks, {self.workers!r}>"

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Look at one place and parse it. Never raises."""
        timed = self._read(place, was_filled)
        self._account([timed])
        return timed.reading

    def _read(self, place: Place, was_filled: bool) -> _Timed:
        with self._counting:
            self._at_once += 1
            self._loads_at_once.record(self._at_once)
        try:
            look = self._look(place, was_filled)
            started = time.thread_time()
            return _Timed(self._parsed(look), look.seconds, time.thread_time() - started)
        finally:
            with self._counting:
                self._at_once -= 1

    def _look(self, place: Place, was_filled: bool) -> Look:
        try:
            return self.files.look(place, was_filled=was_filled)
        except Exception as problem:  # whatever it is, it costs this place only
            sentence = f"{place.id} could not be read: {problem!r}"
            return Look(place, error=UnreadableComponent(sentence, id=place.id))

    def _account(self, timed: Sequence[_Timed]) -> None:
        """Count reads; the first of them was made alone."""
        with self._counting:
            self.workers.observe(timed[0].read_s, timed[0].work_s)
            self._looks += len(timed)
            self._errors += sum(one.reading.error is not None for one in timed)
            self._read_s += sum(one.read_s for one in timed)
            self._parse_s += sum(one.work_s for one in timed)
            for one in timed:
                self._load_us.record(int(1e6 * (one.read_s + one.work_s)))

    def _parsed(self, look: Look) -> Reading:
        parsed, error = None, look.error
        if look.text is not None:
            try:
                parsed = self._recalled(look) or parse(look.text, self.dialects[look.place.root])
            except Exception as problem:
                error = ParseError(f"{look.place.id} could not be parsed: {problem!r}", id=look.place.id)
        text = look.text if parsed is not None else None
        return Reading(
            look.place, look.signature, look.read_at_ns, look.digest, text, parsed, error, look.order
        )

    def _recalled(self, look: Look) -> Parsed | None:
        index = self.index
        return None if index is None else index.parsed(look.place.root, look.digest)

    def load_now(
        self, places: Collection[Place], filled: Collection[Place] = (), progress: Progress | None = None
    ) -> list[Reading]:
        """Read a phase and wait for it: in this thread, or in a pool where waiting dominates."""
        started = time.perf_counter()
        ordered, readings = list(places), list[Reading]()
        while len(readings) < len(ordered) and not self._is_closed:
            workers = self.workers.count
            batch = ordered[len(readings) : len(readings) + 16 * workers]
            readings += self._batch(batch, filled, workers)
            if progress is not None:
                progress(len(readings), len(ordered))
        with self._counting:
            self._phases += 1
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
        """End the pool's threads; a phase under way in another thread ends early, for nobody waits for it."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def statistics(self) -> LoadStatistics:
        """A frozen record of counts and times."""
        looks = max(self._looks, 1)
        return LoadStatistics(
            self._looks,
            self._phases,
            self._errors,
            round(self._seconds, 6),
            self.workers.count,
            round(1000 * self._read_s / looks, 4),
            round(1000 * self._parse_s / looks, 4),
            self._at_once,
            self._loads_at_once.statistics().maximum,
        )

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return {"load_us": self._load_us, "loads_at_once": self._loads_at_once}
