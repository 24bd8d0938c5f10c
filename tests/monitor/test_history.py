"""history.py: bounded, appended whole, read back whatever happened to it."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

from promptd.config import Config
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.exports import HistoryWriter
from promptd.monitor.history import (
    FIELDS,
    History,
    line_of,
    read,
)
from promptd.monitor.snapshot import ProcessInfo, Snapshot, build
from tests.monitor.samples import FakeDaemon

WEEK_MINUTES = 7 * 24 * 60


def taken(fake: FakeDaemon, evaluator: HealthEvaluator, *, is_last: bool = False) -> Snapshot:
    """A snapshot of the fake."""
    sample = fake.sample()
    found = evaluator.evaluate(sample)
    document = build(sample, ProcessInfo("1", 2), valid_for_s=30, is_last=is_last, evaluated=found.sections())
    return Snapshot(sample, found, document, is_last)


def test_a_line_holds_the_figures_of_the_last_minute() -> None:
    """By name, and None where there was no data."""
    fake, evaluator = FakeDaemon(now_s=60.0), HealthEvaluator(Config())
    fake.serve(120, ms=4)
    line = line_of(taken(fake, evaluator).document)
    assert set(line) == {"schema_version", *FIELDS, "alerts"}
    assert line["requests_per_s"] == 2.0
    assert 3.8 < line["p95_ms"] < 4.2
    assert (line["hit_ratio"], line["load_p95_ms"], line["reduction"]) == (1.0, None, None)
    assert line["memory_bytes"] == 100_000_000
    assert (line["status"], line["alerts"]) == ("ok", [])


def test_a_week_stays_within_its_bound(tmp_path: Path) -> None:
    """A line each minute for seven days: two files, none beyond the bound, the newest lines all there."""
    fake, evaluator = FakeDaemon(), HealthEvaluator(Config())
    history = History(tmp_path, max_bytes=500_000)
    fake.now_s = 60.0
    fake.serve(120, ms=4)
    line: dict[str, Any] = dict(MappingProxyType(line_of(taken(fake, evaluator).document)))
    sizes = set()
    for minute in range(WEEK_MINUTES):
        history.append(line | {"time_unix_s": 60.0 * minute})
        sizes.add(history.path.stat().st_size)
    assert max(sizes) <= 500_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "history.jsonl.1"]
    assert (tmp_path / "history.jsonl.1").stat().st_size <= 500_000
    times = [each["time_unix_s"] for each in read(tmp_path)]
    assert times == [60.0 * minute for minute in range(WEEK_MINUTES)][-len(times) :]
    assert len(times) > 500_000 / 700


def test_half_a_line_is_skipped(tmp_path: Path) -> None:
    """A crash in the middle of a write costs that line; one that follows it on the same line as well."""
    history = History(tmp_path, max_bytes=10_000)
    history.append({"at": 1})
    with history.path.open("ab") as file:
        file.write(b'{"at": 2, "p9\n')
    history.append({"at": 3})
    assert [line["at"] for line in read(tmp_path)] == [1, 3]
    assert read(tmp_path / "nowhere") == []


def test_a_line_is_kept_when_it_is_due(tmp_path: Path) -> None:
    """By the samples' own clock, and once more at the end."""
    fake, evaluator = FakeDaemon(), HealthEvaluator(Config())
    writer = HistoryWriter(History(tmp_path, 100_000), interval_s=60)
    for _ in range(30):
        fake.now_s += 10
        writer(taken(fake, evaluator))
    fake.now_s += 3
    writer(taken(fake, evaluator, is_last=True))
    assert [line["uptime_s"] for line in read(tmp_path)] == [60, 120, 180, 240, 300, 303]
    assert read(tmp_path)[-1]["status"] == "stopped"
