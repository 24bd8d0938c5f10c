"""sampler.py: one reading of everybody; a source that fails costs only itself."""

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import msgspec
import psutil
import pytest

from promptd.monitor import sampler
from promptd.monitor.sampler import (
    CpuShare,
    FailedSource,
    OwnProcess,
    ProcessSample,
    Sampler,
    read_own_process,
)


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a part's statistics() returns."""

    hits: int


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


async def test_a_sample_holds_every_source_and_the_process() -> None:
    """Records stand under their names in the order of the sources, with the process beside them."""
    clock = Clock(100.0)
    sampler = Sampler(
        {"library": lambda: Counts(1), "cache": lambda: Counts(2)}, clock=clock, unix_clock=lambda: 1.5e9
    )
    clock.now_s += 7.5
    sample = await sampler.sample()
    assert list(sample.sections.items()) == [("library", Counts(1)), ("cache", Counts(2))]
    assert (sample.taken_unix_s, sample.uptime_s) == (1.5e9, 7.5)
    assert sample.process is not None
    assert sample.process.pid == os.getpid()


async def test_a_sample_can_be_encoded() -> None:
    """A sample of dataclasses and Structs goes through msgspec as it is."""
    sample = await Sampler({"cache": lambda: Counts(2)}).sample()
    assert json.loads(msgspec.json.encode(sample))["sections"] == {"cache": {"hits": 2}}


async def test_a_failing_source_costs_its_own_section_only() -> None:
    """The exception is named in the section's place, counted, and the others are there."""

    def broken() -> Counts:
        raise ValueError("no such thing")

    sampler = Sampler({"cache": broken, "library": lambda: Counts(1)})
    sample = await sampler.sample()
    assert sample.sections == {"cache": FailedSource("ValueError: no such thing"), "library": Counts(1)}
    assert sampler.statistics().failures == 1
    assert sampler.statistics().samples == 1


async def test_sources_are_asked_on_the_loop_and_the_process_in_a_thread() -> None:
    """Owners live on the loop; /proc are files, and reading them must not hold it up."""
    threads: dict[str, int] = {}

    def read(_: float) -> ProcessSample | None:
        threads["process"] = threading.get_ident()
        return None

    def ask() -> Counts:
        threads["source"] = threading.get_ident()
        return Counts(0)

    sample = await Sampler({"cache": ask}, read_process=read).sample()
    assert sample.process is None
    assert threads["source"] == threading.get_ident()
    assert threads["process"] != threading.get_ident()


def test_the_process_is_read_truly() -> None:
    """Memory, CPU time, descriptors and threads agree with what this process knows of itself."""
    with Path(os.devnull).open():
        process = OwnProcess(Clock(0.0))(12.5)
        assert process is not None
        assert process.open_descriptors == len(os.listdir("/proc/self/fd")) - 1  # less the listing's own
    assert process.cpu_percent == 12.5
    assert process.threads >= threading.active_count()
    assert 5_000_000 < process.rss_bytes < 2_000_000_000
    assert process.uss_bytes is not None
    assert 0 < process.uss_bytes <= process.rss_bytes * 1.1
    assert process.cpu_user_s + process.cpu_system_s > 0


def test_a_process_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc there is no process section, and no failure."""

    def refuse(_: int) -> psutil.Process:
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "Process", refuse)
    assert read_own_process(0.0) is None


def test_unique_memory_is_left_out_where_the_kernel_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the process section is there all the same."""

    def refuse(self: psutil.Process) -> object:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    process = OwnProcess(Clock(0.0))(0.0)
    assert process is not None
    assert process.uss_bytes is None


def test_unique_memory_is_read_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walking the page tables takes longer than all the rest: once a minute, the last figure in between."""
    clock, figures = Clock(0.0), iter([1, 2, 3])
    monkeypatch.setattr(sampler, "uss_bytes", lambda: next(figures))
    read = OwnProcess(clock)
    seen = []
    for clock.now_s in (0.0, 59.0, 60.0, 119.0, 120.0):
        process = read(0.0)
        assert process is not None
        seen.append(process.uss_bytes)
    assert seen == [1, 1, 2, 2, 3]


def test_cpu_share_is_over_whole_windows() -> None:
    """Half a core for two seconds is 50 %; a reading too soon after repeats the last share."""
    clock = Clock(10.0)
    share = CpuShare(clock, cpu_s=3.0)
    assert share.percent(3.0) == 0.0
    clock.now_s += 2.0
    assert share.percent(4.0) == pytest.approx(50.0)
    clock.now_s += 0.1
    assert share.percent(4.1) == pytest.approx(50.0)
    clock.now_s += 0.9
    assert share.percent(4.25) == pytest.approx(25.0)


def test_with_only_processes_in_proc() -> None:
    """`ProcSubset=pid` of a hardened unit: /proc/meminfo and /proc/stat are not there, and nothing fails."""
    script = (
        "import os; from promptd.monitor.sampler import read_own_process\n"
        "assert not os.path.exists('/proc/meminfo') and not os.path.exists('/proc/stat')\n"
        "print(read_own_process(1.0).rss_bytes)"
    )
    hidden = 'mount -t proc -o subset=pid proc /proc && exec "$0" "$@"'
    command = ["unshare", "-Urmpf", "sh", "-c", hidden]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a /proc of its own cannot be mounted here")
    done = subprocess.run(
        [*command, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5_000_000


async def test_repr_names_the_sources() -> None:
    """The repr says what is sampled and how often it was."""
    sampler = Sampler({"cache": types.SimpleNamespace})
    await asyncio.gather(sampler.sample(), sampler.sample())
    assert repr(sampler) == "<Sampler of cache, 2 samples>"
