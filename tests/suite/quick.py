"""A test that takes over a second is marked `slow`, or fails: so `make test` stays quick.

A pytest plugin, loaded by tests/conftest.py. What counts is set-up and call together, and of two figures the
greater:

- processor time of this process and of its children that have ended. A busy machine does not add to it.
- time on the clock, less the time in which some process of this machine waited for a processor or a disk (the
  kernel's pressure stall information). That is what the test would have taken had nobody else been there; it
  finds the test that merely waits. Where the machine is busy all the while it is nothing, and the first
  figure remains.

What is left of the machine is its speed. A short piece of work of known length is timed, in processor time,
when a test is found to be over the limit: at that moment, in that process, so that whatever makes the test
slow (an old machine, a neighbour in the cache, a processor shared with others) makes the yardstick as long. A
test that is traced for coverage is not judged: that costs a multiple, and not the same one for every line.
"""

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

LIMIT_S = 1.0
PRESSURES = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))
# Processor time of `work` on the machine on which LIMIT_S was chosen: two cores of an AMD EPYC, CPython 3.11.
WORK_S = 0.020
WORK_STEPS = 300_000
_spent = pytest.StashKey["Spent"]()


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: of processors, on the clock, and those in which somebody waited for a processor or a disk."""

    processor_s: float = 0.0
    clock_s: float = 0.0
    stalled_s: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """All three, from some moment on."""
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        processor_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return cls(processor_s, time.monotonic(), stalled_s())

    def __sub__(self, earlier: Self) -> "Spent":
        """What was spent since."""
        return Spent(
            self.processor_s - earlier.processor_s,
            self.clock_s - earlier.clock_s,
            self.stalled_s - earlier.stalled_s,
        )

    def __add__(self, more: "Spent") -> "Spent":
        """Both together."""
        return Spent(
            self.processor_s + more.processor_s,
            self.clock_s + more.clock_s,
            self.stalled_s + more.stalled_s,
        )

    @property
    def seconds(self) -> float:
        """What counts."""
        return max(self.processor_s, self.clock_s - self.stalled_s)


def stalled_s() -> float:
    """The time so far in which some process of this machine waited for a processor or a disk.

    Without pressure stall information it is the clock itself, so that only processor time counts.
    """
    try:
        texts = [path.read_text(encoding="ascii") for path in PRESSURES]
    except OSError:
        return time.monotonic()
    return sum(int(text.partition("total=")[2].partition("\n")[0]) for text in texts) / 1e6


def work() -> int:
    """A piece of work of known length, in nothing but the interpreter."""
    total = 0
    for number in range(WORK_STEPS):
        total += number & 7
    return total


def slowness() -> float:
    """How many times longer this machine takes now than the one on which the limit was chosen; at least 1."""
    began_s = time.process_time()
    work()
    return max(1.0, (time.process_time() - began_s) / WORK_S)


def complaint(spent: Spent, factor: float) -> str | None:
    """What is said of an unmarked test that spent so much on a machine so slow; None if that is in order."""
    limit_s = LIMIT_S * factor
    if spent.seconds <= limit_s:
        return None
    return (
        f"took {spent.seconds:.2f} s ({spent.processor_s:.2f} s of processors), over {limit_s:.2f} s:"
        " make it faster, or mark it slow (tests/suite/quick.py)"
    )


def is_judged(item: pytest.Item) -> bool:
    """False for tests that are marked, and where coverage is measured."""
    return item.get_closest_marker("slow") is None and "COVERAGE_PROCESS_CONFIG" not in os.environ


def _measured(item: pytest.Item) -> Iterator[None]:
    """Add what one phase spends to what the test has spent."""
    before = Spent.now()
    try:
        return (yield)
    finally:
        item.stash[_spent] = item.stash.get(_spent, Spent()) + (Spent.now() - before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Begin anew, also for a rerun, and measure the fixtures."""
    item.stash[_spent] = Spent()
    return (yield from _measured(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure the test, and fail it if it took too long; a test that failed by itself has its own reason."""
    result = yield from _measured(item)
    spent = item.stash[_spent]
    if is_judged(item) and complaint(spent, 1.0) and (problem := complaint(spent, slowness())):
        pytest.fail(problem, pytrace=False)
    return result
