"""`report` as a command: a page from the files a daemon keeps, complete, harmless, without a request."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.healths import alert, health, prompt
from tests.cli.report.states import write_state


def test_a_page_has_everything_and_loads_nothing(run: Run, tmp_path: Path) -> None:
    """Sections, figures and charts are there; no script, no address of anything to fetch."""
    target = tmp_path / "report.html"
    code, out, err = run("report", "--html", target, "--state", write_state(tmp_path / "state"))
    text = target.read_text()
    assert (code, out, err) == (0, b"", f"wrote {target}\n")
    for sign in ("Over time", "Targets", "Recommendations", "Alerts", "commands/review.md", "dependency map",
                 "cache.entries", "response time, p95", "is above the target"):  # fmt: skip
        assert sign in text, sign
    assert text.count("<polyline") >= 6
    assert not re.search(r"<script|https?:|url\(|@import|<link|<img", text)


def test_names_from_a_library_are_text(run: Run, tmp_path: Path) -> None:
    """A file called like markup is shown as it is called."""
    evil = "<img src=x onerror=alert(1)>.md"
    rows = [prompt(evil, 3, 10, components=[evil, "part<b>.md"])]
    alerts = {"active": [alert("critical", evil)], "history": []}
    found = health(prompts={"hottest": rows, "most_expensive": rows}, alerts=alerts, problems=[evil])
    found["components"] = {"hottest": [{"id": evil, "weight": 1.0, "dependents": 0}]}
    code, out, _ = run("report", "--html", "-", "--state", write_state(tmp_path, found))
    assert code == 0
    assert "<img" not in out.decode()
    assert "&lt;img src=x" in out.decode()


def test_a_daemon_that_has_just_started_can_be_reported_on(run: Run, tmp_path: Path) -> None:
    """Without a history, a score or a request."""
    found = health(health={"score": None, "grade": None}, prompts={}, components={}, windows={})
    state = write_state(tmp_path, found, history=[])
    code, out, _ = run("report", "--html", "-", "--state", state)
    assert code == 0
    assert "No history yet" in out.decode()


@pytest.mark.parametrize("content", [None, "{", json.dumps({"schema_version": 2})])
def test_no_snapshot_no_report(run: Run, tmp_path: Path, content: str | None) -> None:
    """Exit 69, nothing written, and the message says what was missing."""
    if content is not None:
        (tmp_path / "health.json").write_text(content)
    target = tmp_path / "report.html"
    code, out, err = run("report", "--html", target, "--state", tmp_path)
    assert (code, out) == (69, b"")
    assert "cannot read the health snapshot" in err
    assert not target.exists()


def test_a_page_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """Exit 73, and the file is named."""
    code, _, err = run("report", "--html", tmp_path / "no" / "r.html", "--state", write_state(tmp_path / "s"))
    assert code == 73
    assert "r.html" in err
