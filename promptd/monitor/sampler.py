"""One sample of all measurements: the statistics of each part of the daemon, and what the process uses.

The sampler pulls; what is measured does not import it. Each source is a `statistics` method, called on the
event loop because its owner runs there; the process is read in a thread, because /proc are files. A source
that raises loses its own section and nothing else. This is the only file that names psutil, of which it uses
what works with `ProcSubset=pid`: /proc/meminfo and /proc/stat are hidden from a hardened unit, and with
them the memory percentage, the system's CPU share and the start time.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import psutil

from promptd.support.stats import Histogram

StatisticsSource = Callable[[], Any]

USS_EVERY_S = 60.0
MIN_WINDOW_S = 1.0  # a CPU share over less says more about the scheduler than about us


class ProcessSample(msgspec.Struct, frozen=True, kw_only=True):
    """What this process uses; `uss_bytes` is memory it alone holds, None where the kernel does not say.

    `cpu_percent` is of one core, over the time since the sample before (of at least a second).
    """

    pid: int
    rss_bytes: int
    uss_bytes: int | None
    cpu_user_s: float
    cpu_system_s: float
    cpu_percent: float
    open_descriptors: int
    threads: int


class FailedSource(msgspec.Struct, frozen=True):
    """Takes the place of the record of a source that raised."""

    error: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment: the sources' frozen records by name, and the process (None: unreadable)."""

    taken_unix_s: float
    uptime_s: float
    sections: dict[str, Any]
    process: ProcessSample | None
    histograms: dict[str, Histogram] = {}  # copies of those that the sources keep adding to


class SamplerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Samples taken, sources that failed meanwhile, and the loop time of the last sample."""

    samples: int
    failures: int
    last_sources_us: int


class Sampler:
    """Takes samples of `sources`, which are called in their order; `uptime_s` counts from construction."""

    def __init__(
        self,
        sources: Mapping[str, StatisticsSource],
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
        read_process: Callable[[float], ProcessSample | None] | None = None,
        histograms: Callable[[], Mapping[str, Histogram]] = dict,
    ) -> None:
        self._sources = dict(sources)
        self._histograms = histograms
        self._clock = clock
        self._unix_clock = unix_clock
        self._read_process = read_process or OwnProcess(clock)
        self._started_s = clock()
        self._cpu = CpuShare(clock)
        self._samples = self._failures = self._last_sources_us = 0

    def __repr__(self) -> str:
        return f"<Sampler of {', '.join(self._sources)}, {self._samples} samples>"

    async def sample(self) -> Sample:
        """Read everything once."""
        taken_unix_s, uptime_s = self._unix_clock(), self._clock() - self._started_s
        sections = self._pull()
        histograms = {name: each.copy() for name, each in self._histograms().items()}
        percent = self._cpu.percent(time.process_time())
        process = await asyncio.to_thread(self._read_process, percent)
        self._samples += 1
        return Sample(
            taken_unix_s=taken_unix_s,
            uptime_s=uptime_s,
            sections=sections,
            process=process,
            histograms=histograms,
        )

    def statistics(self) -> SamplerStatistics:
        """Counts since construction."""
        return SamplerStatistics(
            samples=self._samples, failures=self._failures, last_sources_us=self._last_sources_us
        )

    def _pull(self) -> dict[str, Any]:
        started_ns = time.perf_counter_ns()
        sections = {name: self._ask(source) for name, source in self._sources.items()}
        self._last_sources_us = (time.perf_counter_ns() - started_ns) // 1_000
        return sections

    def _ask(self, source: StatisticsSource) -> Any:
        try:
            return source()
        except Exception as error:
            self._failures += 1
            return FailedSource(f"{type(error).__name__}: {error}")


class CpuShare:
    """CPU time over time passed, between readings at least MIN_WINDOW_S apart."""

    def __init__(self, clock: Callable[[], float], cpu_s: float | None = None) -> None:
        self._clock = clock
        self._at_s = clock()
        self._cpu_s = time.process_time() if cpu_s is None else cpu_s
        self._percent = 0.0

    def percent(self, cpu_s: float) -> float:
        """The share since the last window began, in percent of one core; within a window the last one."""
        passed_s = self._clock() - self._at_s
        if passed_s >= MIN_WINDOW_S:
            self._percent = max(0.0, (cpu_s - self._cpu_s) / passed_s * 100)
            self._at_s += passed_s
            self._cpu_s = cpu_s
        return self._percent


class OwnProcess:
    """Reads this process; its own memory only each USS_EVERY_S, which takes the kernel longest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uss_at_s = float("-inf")
        self._uss_bytes: int | None = None

    def __call__(self, cpu_percent: float) -> ProcessSample | None:
        """As `read_own_process`."""
        if (now_s := self._clock()) - self._uss_at_s >= USS_EVERY_S:
            self._uss_at_s, self._uss_bytes = now_s, uss_bytes()
        return read_own_process(cpu_percent, self._uss_bytes)


def read_own_process(cpu_percent: float, uss_bytes: int | None = None) -> ProcessSample | None:
    """Read this process from /proc; None where even that is closed to us."""
    try:
        me = psutil.Process(os.getpid())
        times = me.cpu_times()
        return ProcessSample(
            pid=me.pid,
            rss_bytes=me.memory_info().rss,
            uss_bytes=uss_bytes,
            cpu_user_s=times.user,
            cpu_system_s=times.system,
            cpu_percent=cpu_percent,
            open_descriptors=me.num_fds() - 1,  # less the one that lists them
            threads=me.num_threads(),
        )
    except (psutil.Error, OSError):
        return None


def uss_bytes() -> int | None:
    """What this process alone holds, walking its page tables: 1 to 2 ms at 150 MB."""
    try:
        return int(psutil.Process(os.getpid()).memory_full_info().uss)
    except (psutil.Error, OSError, AttributeError):
        return None
