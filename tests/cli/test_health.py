"""`promptd health`: from the file alone, and in the manner of Nagios."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptd.cli.health import KNOWN_SCHEMA, judge
from promptd.config import Config
from promptd.config.schema import AlertsConfig
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.snapshot import (
    FILE_NAME,
    SCHEMA_VERSION,
    ProcessInfo,
    build,
    encode,
)
from tests.cli.conftest import Run
from tests.monitor.samples import EPOCH_S, FakeDaemon

NOW = Config(alerts=AlertsConfig(warmup=0, raise_after=0, clear_after=0, min_samples=1))
PERFORMANCE = re.compile(r"[a-z_]+=-?[\d.]+(ms|B)?(;[\d.:]*){0,2}(;0;100)?")


def snapshot(*, ms: float = 2.0, problems: tuple[str, ...] = (), is_last: bool = False) -> dict[str, Any]:
    """A snapshot of a daemon whose requests take so long."""
    fake, evaluator = FakeDaemon(now_s=60.0), HealthEvaluator(NOW)
    evaluator.evaluate(fake.sample())
    fake.now_s = 65.0
    fake.serve(50, ms=ms)
    sample = fake.sample()
    found = evaluator.evaluate(sample).sections()
    sample.sections["problems"] = list(problems)
    document = build(sample, ProcessInfo("1.2.3", 42), valid_for_s=30, is_last=is_last, evaluated=found)
    decoded: dict[str, Any] = json.loads(encode(document))
    return decoded


def written(directory: Path, document: Mapping[str, Any], *, late_s: float = -10.0) -> Path:
    """A file that is valid for 10 s more, or has been invalid for `late_s`."""
    path = directory / FILE_NAME
    path.write_text(json.dumps({**document, "valid_until_unix_s": time.time() - late_s}))
    return path


def test_a_healthy_daemon_is_ok(run: Run, tmp_path: Path) -> None:
    """One line, the score, performance data, exit 0."""
    code, out, err = run("health", "--check", "--file", written(tmp_path, snapshot()))
    said, _, figures = out.decode().strip().partition(" | ")
    assert (code, err) == (0, "")
    assert said == "PROMPTD OK - score 100 (A), 4 of 4 targets with data met"
    assert all(PERFORMANCE.fullmatch(each) for each in figures.split())
    assert "hit_ratio=1;0.75:" in figures.split()


@pytest.mark.parametrize(
    ("ms", "code", "word"),
    [(60.0, 0, "OK"), (110.0, 1, "WARNING"), (150.0, 1, "WARNING"), (900.0, 2, "CRITICAL")],
)
def test_alerts_decide(run: Run, tmp_path: Path, ms: float, code: int, word: str) -> None:
    """Low is no warning; medium and high are one; critical is critical, and says what is wrong."""
    outcome = run("health", "--check", "--file", written(tmp_path, snapshot(ms=ms)))
    assert outcome.code == code
    assert outcome.out.decode().startswith(f"PROMPTD {word} - ")
    assert "response time" in outcome.out.decode()


def test_a_dead_daemon_is_visible(run: Run, tmp_path: Path) -> None:
    """Past its time, stopped, or no file at all: critical, whatever the figures say."""
    late = run("health", "--check", "--file", written(tmp_path, snapshot(), late_s=40.0))
    assert late.code == 2
    assert b"dead or stuck: its snapshot expired 40 s ago" in late.out
    assert run("health", "--check", "--file", written(tmp_path, snapshot(is_last=True))).code == 2
    nowhere = run("health", "--check", "--file", tmp_path / "nowhere")
    assert nowhere.code == 2
    assert nowhere.out.startswith(b"PROMPTD CRITICAL - no snapshot: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "{}",
        '{"valid_until_unix_s": 1, "schema_version": 99}',
        '{"valid_until_unix_s": 9e9, "schema_version": 2}',
    ],
)
def test_what_is_no_snapshot_is_critical(run: Run, tmp_path: Path, text: str) -> None:
    """Never a traceback, never OK."""
    path = tmp_path / "file"
    path.write_text(text)
    outcome = run("health", "--check", "--file", path)
    assert (outcome.code, outcome.err) == (2, "")


def test_problems_are_a_warning(run: Run, tmp_path: Path) -> None:
    """A bar in a sentence would begin the performance data."""
    path = written(tmp_path, snapshot(problems=("watcher | degraded",)))
    code, out, _ = run("health", "--check", "--file", path)
    assert code == 1
    assert out.startswith(b"PROMPTD WARNING - watcher / degraded | score=100")


def test_it_finds_the_file_itself(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the state directory of the configuration."""
    monkeypatch.setenv("PROMPTD_STATE_DIRECTORY", str(tmp_path))
    written(tmp_path, snapshot())
    assert run("health", "--check").code == 0
    assert json.loads(run("health", "--json").out)["version"] == "1.2.3"
    assert json.loads(run("health", "--check", "--json").out) == {"code": 0, "status": "OK", "reasons": []}


def test_the_page_for_people(run: Run, tmp_path: Path) -> None:
    """Score with its arithmetic, every target, what to do; exit 0, for it was only a question."""
    code, out, _ = run("health", "--file", written(tmp_path, snapshot(ms=150.0)))
    text = out.decode()
    assert code == 0
    assert "response time, p95" in text
    assert "missed (target at most 100 ms; last 1m)" in text
    assert "no data (target 30.0 % to 60.0 %)" in text
    assert "x 100 = " in text
    assert "response_time: " in text


def test_it_knows_the_schema_that_is_written() -> None:
    """Both sides move together."""
    assert KNOWN_SCHEMA == SCHEMA_VERSION
    assert judge(snapshot(), EPOCH_S + 66).code == 0
