"""A test that takes over a second is marked `slow`, or fails: so `make test` stays quick.

A pytest plugin, loaded by tests/conftest.py. What counts is set-up and call together, without fixtures that
are shared by several tests, and of two figures the greater:

- processor time of this process and of its children that have ended. A busy machine does not add to it.
- time on the clock, less the time in which some process of this machine waited for a processor or a disk (the
  kernel's pressure stall information). That is what the test would have taken alone on the machine; it
  finds the test that merely waits. Where the machine is busy all the while it is nothing, and the first
  figure remains.

What is left of the machine is its speed. A short piece of work of known length is timed, in processor time,
when a test is found to be over the limit: at that moment, in that process, so that whatever makes the test
slow (an old machine, a neighbour in the cache, a processor shared with others) makes the yardstick as long.
A quarter more is let pass. A test that is traced for coverage is not judged: that costs a multiple, and not
the same one for every line.
"""

import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import coverage
import pytest

from tests.suite.examples import QUICK

LIMIT_S = 1.0
TOLERANCE = (
    1.25  # no yardstick is exact: what a neighbour does to the caches costs one test more than another
)
PRESSURES = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))
# Processor time of `work` on the machine on which LIMIT_S was chosen: two cores of an AMD EPYC, CPython 3.11.
WORK_S = 0.017
WORK_STEPS = 20_000
_spent = pytest.StashKey["Spent"]()


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: of processors, on the clock, and those in which a process waited for a processor or a disk."""

    processor_s: float = 0.0
    clock_s: float = 0.0
    stalled_s: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """All three, from some moment on."""
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        processor_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return cls(processor_s, time.monotonic(), stalled_s())

    def with_more(self, now: "Spent", before: "Spent", sign: int) -> "Spent":
        """This and what was spent between two moments; or without that, if the sign is -1."""
        return Spent(
            self.processor_s + sign * (now.processor_s - before.processor_s),
            self.clock_s + sign * (now.clock_s - before.clock_s),
            self.stalled_s + sign * (now.stalled_s - before.stalled_s),
        )

    @property
    def seconds(self) -> float:
        """What counts."""
        return max(self.processor_s, self.clock_s - self.stalled_s)


def stalled_s(pressures: Iterable[Path] = PRESSURES) -> float:
    """The time so far in which some process of this machine waited for a processor or a disk.

    Without pressure stall information it is the clock itself, so that only processor time counts.
    """
    try:
        texts = [path.read_text(encoding="ascii") for path in pressures]
    except OSError:
        return time.monotonic()
    return sum(int(text.partition("total=")[2].partition("\n")[0]) for text in texts) / 1e6


def work() -> list[str]:
    """A piece of work of known length: objects are made, hashed, sorted and let go."""
    return sorted({str(number): [number] for number in range(WORK_STEPS)}, key=lambda text: text[::-1])


def slowness(task: Callable[[], object] = work) -> float:
    """How many times longer this machine takes now than the one on which the limit was chosen; at least 1."""

    def once_s() -> float:
        began_s = time.process_time()
        task()
        return time.process_time() - began_s

    return max(1.0, statistics.median(once_s() for _ in range(5)) / WORK_S)


def share_of_examples(item: pytest.Function) -> float:
    """How many times as many examples are tried as by `make test`, for which the limit is; 1 without any."""
    if not getattr(item.obj, "is_hypothesis_test", False):
        return 1.0
    return max(1.0, float(item.config.getoption("examples")) / QUICK)


def complaint(spent: Spent, limit_s: float) -> str | None:
    """What is said of an unmarked test that spent so much; None if that is within the limit."""
    if spent.seconds <= limit_s:
        return None
    return (
        f"took {spent.seconds:.2f} s ({spent.processor_s:.2f} s of processors), over {limit_s:.2f} s:"
        " make it faster, or mark it slow (tests/suite/quick.py)"
    )


def is_judged(item: pytest.Item) -> bool:
    """False for tests that are marked, and where coverage is measured."""
    return item.get_closest_marker("slow") is None and coverage.Coverage.current() is None


def _measured(item: pytest.Item, sign: int = 1) -> Iterator[None]:
    """Add what is spent meanwhile to what the test has spent, or take it off."""
    before = Spent.now()
    try:
        return (yield)
    finally:
        item.stash[_spent] = item.stash.get(_spent, Spent()).with_more(Spent.now(), before, sign)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Begin anew, also for a rerun, and measure the fixtures."""
    item.stash[_spent] = Spent()
    return (yield from _measured(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Take off what a fixture costs that is shared: it is not the doing of the test that comes first."""
    if fixturedef.scope == "function":
        return (yield)
    return (yield from _measured(request._pyfuncitem, -1))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Function) -> Iterator[None]:
    """Measure the test, and fail it if it took too long; a test that failed by itself has its own reason."""
    result = yield from _measured(item)
    spent, limit_s = item.stash[_spent], LIMIT_S * TOLERANCE * share_of_examples(item)
    if is_judged(item) and complaint(spent, limit_s) and (problem := complaint(spent, limit_s * slowness())):
        pytest.fail(problem, pytrace=False)
    return result
