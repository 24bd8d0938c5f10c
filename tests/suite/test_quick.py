"""quick.py: what counts against the limit of an unmarked test, by figures and by tests that are slow."""

import time
from pathlib import Path

import pytest

from tests.suite.quick import Spent, complaint, slowness, stalled_s, work
from tests.suite.session import session


@pytest.mark.parametrize(
    ("spent", "seconds"),
    [
        (Spent(processor_s=2.0, clock_s=1.5, stalled_s=0.0), 2.0),
        (Spent(processor_s=0.1, clock_s=2.0, stalled_s=0.0), 2.0),
        (Spent(processor_s=0.1, clock_s=9.0, stalled_s=8.5), 0.5),
        (Spent(processor_s=0.1, clock_s=9.0, stalled_s=9.5), 0.1),
    ],
    ids=["works in threads", "merely waits", "is kept waiting by others", "is always kept waiting"],
)
def test_what_counts(spent: Spent, seconds: float) -> None:
    """Processor time, or the clock less the time in which a process waited for a processor or a disk."""
    assert spent.seconds == pytest.approx(seconds)


def test_over_the_limit_is_said_with_its_figures() -> None:
    """Up to the limit nothing is said; over it what to do."""
    spent = Spent(processor_s=0.5, clock_s=2.0, stalled_s=0.5)
    assert complaint(spent, 1.5) is None
    said = complaint(spent, 1.4)
    assert said is not None
    assert "took 1.50 s (0.50 s of processors), over 1.40 s" in said
    assert "mark it slow" in said


def test_moments_add_up_and_can_be_taken_off() -> None:
    """What a shared fixture spends is not the test's."""
    spent = Spent().with_more(Spent(3.0, 13.0, 1.0), Spent(1.0, 10.0, 0.5), 1)
    assert spent == Spent(2.0, 3.0, 0.5)
    assert spent.with_more(Spent(3.0, 13.0, 1.0), Spent(1.0, 10.0, 0.5), -1) == Spent()


def test_without_pressure_information_waiting_is_not_judged() -> None:
    """An old kernel, or a container that hides it: then it is the clock, and nothing of that remains."""
    before_s, stalled, after_s = time.monotonic(), stalled_s([Path("/nowhere/cpu")]), time.monotonic()
    assert before_s <= stalled <= after_s


def test_pressure_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    """The total of `some`, in microseconds, of all the files together."""
    for name in ("cpu", "io"):
        (tmp_path / name).write_text(
            "some avg10=1.00 avg60=0.50 avg300=0.10 total=1500000\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
        )
    assert stalled_s([tmp_path / "cpu", tmp_path / "io"]) == 3.0


def test_a_slow_machine_has_a_longer_limit() -> None:
    """By how much longer a known piece of work takes; a fast one has no shorter."""
    assert slowness(lambda: [work() for _ in range(8)]) > 2.0
    assert slowness(list) == 1.0


SLOW = """
import time
import pytest

@pytest.fixture(scope="module")
def shared():
    time.sleep(3)

def test_busy():
    until = time.process_time() + 3
    while time.process_time() < until:
        pass

@pytest.mark.slow
def test_marked():
    test_busy()

def test_beside_what_is_shared(shared):
    pass

def test_fails():
    test_busy()
    assert 1 == 2
"""


@pytest.mark.slow
def test_an_unmarked_test_over_the_limit_fails(tmp_path: Path) -> None:
    """The marked one does not, nor one that uses a fixture of many; one that failed keeps its reason."""
    said = session(tmp_path, SLOW, "-q", plugins=("examples", "quick"))
    assert "2 failed, 2 passed" in said, said
    assert "make it faster, or mark it slow" in said
    assert said.count("make it faster") == said.count("took 3.0") == 1
    assert "assert 1 == 2" in said
