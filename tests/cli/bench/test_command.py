"""`bench`: what it prints, and what its exit code means."""

import json
from pathlib import Path

import pytest

from promptd.cli.bench import caching, latency, loading
from tests.cli.conftest import Run

FILES = {
    "commands/one.md": "# One\n\n<!-- a comment -->\n<include>parts/a.md</include>\n",
    "parts/a.md": "Say what was found.\n\n\n\nNever guess.\n",
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library, and a suite that takes no longer than it must."""
    monkeypatch.setattr(latency, "SECONDS", 0.1)
    monkeypatch.setattr(caching, "REQUESTS", 100)
    monkeypatch.setattr(loading, "ROUNDS", 1)
    monkeypatch.setattr("promptd.cli.bench.judging.SHORT_S", 0.0)
    for name, text in FILES.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "library"


def test_without_a_library_the_usage_is_wrong(run: Run) -> None:
    """Exit 64, and the message says what to name."""
    outcome = run("bench")
    assert (outcome.code, outcome.out) == (64, b"")
    assert "promptd bench DIR" in outcome.err


@pytest.mark.slow
def test_every_figure_as_json(run: Run, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet on stderr; the configured strategy is judged, and one that saves too little is missed."""
    monkeypatch.setenv("PROMPTD_TOKENS_STRATEGY", "conservative")
    monkeypatch.setenv("PROMPTD_TARGETS_REDUCTION_MIN", "0.9")
    outcome = run("bench", library, "--json")
    assert outcome.err == ""
    report = json.loads(outcome.out)
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["token reduction"]["met"] is False
    assert checks["token reduction"]["value"] == pytest.approx(report["tokens"]["strategies"][0]["reduction"])
    assert outcome.code == 1
    assert report["judged"] == 6 > report["met"]
    assert report["subject"]["components"] == 2


@pytest.mark.slow
def test_tables_in_a_pipe(run: Run, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain tables, one fact a line; exit 0 where targets that anything meets are met."""
    monkeypatch.setattr("promptd.cli.bench.judging.LOADING_SAVED", -99.0)
    monkeypatch.setattr("promptd.cli.bench.judging.CACHED_MS", 1e6)
    monkeypatch.setenv("PROMPTD_TARGETS_RESPONSE_TIME_MAX", "60000")
    outcome = run("bench", library)
    text = outcome.out.decode()
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in text
    for sign in ("Cache: 100 requests", "baseline ", "aggressive", "cached component", "Grade A: 5 of 5"):
        assert sign in text
