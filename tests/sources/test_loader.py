"""Loading: as many workers as help, no phase that fails, and no wait on the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.errors import EncodingError, ParseError, UnreadableComponent
from promptd.sources import loader as loading
from promptd.sources.loader import SLOW_READ_S, Loader, Workers
from promptd.sources.worktree.files import Worktree

DIALECTS = [("include", "front-matter")]


class SlowFiles(Worktree):
    """A fake source: every look reports a latency, blocks until it is let go, and may fail."""

    def __init__(self, latency_s: float = 0.0) -> None:
        super().__init__(["/nowhere"], NamingRules((".md",)))
        self.latency_s = latency_s
        self.threads: set[str] = set()
        self.broken: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Answer with the place's own id as its text."""
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(10)
        if place.id in self.broken:
            raise self.broken[place.id]
        text = f"{place.id} filled" if was_filled else place.id
        return Reading(place, FileSignature(1, 1, 1, 1, 1), 1, "digest", text, seconds=self.latency_s)


def places(count: int) -> list[Place]:
    """Return the places `0.md`, `1.md` and so on."""
    return [Place(0, f"{number}.md") for number in range(count)]


@pytest.fixture
def slow() -> SlowFiles:
    """A source on a file system where each read takes 50 ms."""
    return SlowFiles(latency_s=0.05)


@pytest.fixture
def loader(slow: SlowFiles) -> Iterator[Loader]:
    """A loader on it, with up to eight workers."""
    made = Loader(slow, DIALECTS, Workers(1, 8))
    yield made
    made.close()


# -- the rule -------------------------------------------------------------------------------------

times = st.floats(0, 1, allow_nan=False)


def count_after(workers: Workers, read_s: float, work_s: float, times_over: int = 60) -> int:
    """Feed a rule with the same times until it has settled; return its count."""
    for _ in range(times_over):
        workers.observe(read_s, work_s)
    return workers.count


@given(st.integers(1, 8), st.integers(1, 64), st.lists(st.tuples(times, times)))
def test_the_count_stays_within_its_bounds(least: int, most: int, seen: list[tuple[float, float]]) -> None:
    """Whatever is measured; a maximum below the minimum is the minimum."""
    workers = Workers(least, most)
    for read_s, work_s in seen:
        workers.observe(read_s, work_s)
        assert least <= workers.count <= max(least, most)


@given(times, times, times)
def test_the_count_grows_with_latency(faster: float, slower: float, work_s: float) -> None:
    """Slower reads never ask for fewer workers."""
    faster, slower = sorted((faster, slower))
    assert count_after(Workers(1, 64), faster, work_s) <= count_after(Workers(1, 64), slower, work_s)


@given(st.floats(0, SLOW_READ_S * 0.99), times)
def test_fast_reads_are_made_by_the_fewest(read_s: float, work_s: float) -> None:
    """From the page cache threads only queue for the interpreter."""
    assert count_after(Workers(1, 8), read_s, work_s) == 1


def test_latency_asks_for_workers_by_its_share() -> None:
    """One worker waits while others parse: 10 ms of waiting to 1 ms of work keeps eleven busy."""
    assert count_after(Workers(1, 64), 0.010, 0.001) == 11
    assert count_after(Workers(1, 8), 0.010, 0.001) == 8
    assert count_after(Workers(3, 8), 0.0, 0.001) == 3


def test_it_follows_in_both_directions() -> None:
    """A network that was slow for a while does not leave threads behind."""
    workers = Workers(1, 8)
    assert count_after(workers, 0.05, 0.001) == 8
    assert count_after(workers, 0.00002, 0.001) == 1
    assert repr(workers) == "<Workers 1 of 1-8>"


# -- phases ---------------------------------------------------------------------------------------


def test_slow_reads_are_shared_out(loader: Loader, slow: SlowFiles) -> None:
    """The first phase learns the latency; from then on a pool reads, and the order is the one asked for."""
    loader.load_now(places(40))
    slow.threads.clear()
    readings = loader.load_now(places(200))
    assert loader.workers.count == 8
    assert len(slow.threads) > 1
    assert [reading.place for reading in readings] == places(200)


def test_fast_reads_stay_in_the_calling_thread() -> None:
    """No thread is started for a library in the page cache."""
    fast = SlowFiles(latency_s=0.00002)
    loader = Loader(fast, DIALECTS, Workers(1, 8))
    loader.load_now(places(300))
    assert fast.threads == {threading.current_thread().name}


def test_reads_that_became_fast_bring_the_workers_home(loader: Loader, slow: SlowFiles) -> None:
    """Measured on reads made alone: those beside others seem slow because there are others."""
    loader.load_now(places(40))
    slow.latency_s = 0.00002
    loader.load_now(places(5_000))
    assert loader.workers.count == 1


def test_waits_for_the_interpreter_are_no_slow_disk() -> None:
    """A busy loop delays a third of the reads by 5 ms: more threads would only wait beside each other."""
    workers = Workers(1, 8)
    for number in range(300):
        workers.observe(0.005 if number % 3 == 0 else 0.00003, 0.0002)
        assert workers.count == 1
    assert count_after(workers, 0.005, 0.0002) == 8


def test_real_reads_after_a_slow_spell_are_found_to_be_fast(tmp_path: Path) -> None:
    """Beside the fake: a real directory, a rule that believes in slowness, and the waiting for the lock."""
    for number in range(300):
        (tmp_path / f"{number}.md").write_text(f"# {number}\n" + "word <include>x.md</include>\n" * 40)
    workers = Workers(1, 8)
    count_after(workers, 0.05, 0.001)
    loader = Loader(Worktree([str(tmp_path)], NamingRules((".md",))), DIALECTS, workers)
    readings = loader.load_now(places(300))
    loader.close()
    assert all(reading.text for reading in readings)
    for _ in range(4):
        loader = Loader(loader._source, DIALECTS, workers)
        loader.load_now(places(300))
        loader.close()
    assert workers.count == 1


@pytest.mark.parametrize("latency_s", [0.0, 0.05])
def test_one_failure_never_fails_a_phase(latency_s: float) -> None:
    """Whatever a source raises, foreseen or not, becomes that place's error; all others are read."""
    files = SlowFiles(latency_s)
    files.broken = {
        "3.md": OSError(5, "Input/output error"),
        "7.md": ValueError("embedded null byte"),
        "11.md": MemoryError(),
        "13.md": EncodingError("by hand"),
    }
    loader = Loader(files, DIALECTS, Workers(1, 8))
    count_after(loader.workers, latency_s, 0.001)
    readings = loader.load_now(places(100))
    loader.close()
    wrong = {reading.place.id: reading for reading in readings if reading.error is not None}
    assert wrong.keys() == files.broken.keys()
    assert all(isinstance(reading.error, UnreadableComponent) for reading in wrong.values())
    assert [reading.text for reading in readings if reading.error is None] == [
        f"{number}.md" for number in range(100) if f"{number}.md" not in files.broken
    ]
    assert loader.statistics().errors == 4


def test_a_text_that_cannot_be_parsed_is_an_error_of_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a dialect, or a stack that is too deep, costs one component."""

    def parse(text: str, _dialects: object) -> None:
        raise RecursionError(text)

    monkeypatch.setattr(loading, "parse", parse)
    (reading,) = Loader(SlowFiles(), DIALECTS, Workers(1, 1)).load_now(places(1))
    assert isinstance(reading.error, ParseError)
    assert (reading.text, reading.parsed, reading.digest) == (None, None, "digest")


def test_what_was_filled_is_passed_to_the_source() -> None:
    """The torn-write guard needs to know which files had something in them."""
    readings = Loader(SlowFiles(), DIALECTS, Workers(1, 1)).load_now(places(2), {Place(0, "1.md")})
    assert [reading.text for reading in readings] == ["0.md", "1.md filled"]


def test_each_root_has_its_dialects(tmp_path: Path) -> None:
    """The same text has a directive in one root and none in the other."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text("<include>b.md</include>")
    files = Worktree([str(tmp_path / "first"), str(tmp_path / "second")], NamingRules((".md",)))
    loader = Loader(files, [("include",), ()], Workers(1, 1))
    found = [loader.read(Place(root, "a.md")).parsed for root in (0, 1)]
    assert [len(parsed.directives) for parsed in found if parsed] == [1, 0]


def test_progress_is_reported_to_its_end() -> None:
    """A long scan reports progress, up to the total."""
    seen: list[tuple[int, int]] = []
    Loader(SlowFiles(), DIALECTS, Workers(1, 1)).load_now(places(40), progress=lambda *at: seen.append(at))
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)
    assert len(seen) > 1


async def test_loading_does_not_block_the_event_loop(slow: SlowFiles, loader: Loader) -> None:
    """While reads hang the loop goes on turning."""
    slow.gate.clear()
    task = asyncio.create_task(loader.load(places(5)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not task.done()
    slow.gate.set()
    assert len(await task) == 5


def test_a_closed_loader_ends_its_phase_early(slow: SlowFiles, loader: Loader) -> None:
    """What is under way when the daemon stops is not waited for file by file."""
    count_after(loader.workers, 0.05, 0.001)
    slow.gate.clear()
    results: list[int] = []
    phase = threading.Thread(target=lambda: results.append(len(loader.load_now(places(5_000)))))
    phase.start()
    loader._is_closed = True
    slow.gate.set()
    phase.join(10)
    assert results
    assert results[0] < 5_000


def test_statistics_and_repr(loader: Loader) -> None:
    """Counts and mean times of all reads."""
    loader.load_now(places(10))
    loader.read(Place(0, "x.md"))
    counts = loader.statistics()
    assert (counts.reads, counts.batches, counts.errors, counts.workers) == (11, 1, 0, 8)
    assert counts.mean_read_ms == 50.0
    assert counts.seconds > 0
    assert repr(loader) == "<Loader 11 reads, <Workers 8 of 1-8>>"
