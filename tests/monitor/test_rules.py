"""docs/monitoring: the dashboard and the rules use metrics, labels and values that a daemon exports."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from promptd import errors
from promptd.cli.child import child_daemon, temporary_directory
from promptd.client import Client
from promptd.monitor.alerts import SEVERITIES
from promptd.monitor.measures import CACHES
from promptd.monitor.metrics import HISTOGRAMS, NAMES

DIRECTORY = Path(__file__).parents[2] / "docs" / "monitoring"
RULES = DIRECTORY / "alerts.yml"
DASHBOARD = DIRECTORY / "grafana-dashboard.json"
PROMTOOL = shutil.which("promtool")

OF_PROMETHEUS = {"instance", "job", "le"}
KNOWN_VALUES = {
    "cache": set(CACHES),
    "severity": set(SEVERITIES),
    "type": {f"promptd.{leaf.__name__}" for leaf in errors.leaves()},
    "kind": {labels[0] for places in HISTOGRAMS.values() for labels in places if labels},
}
# What a daemon that nothing happened to does not export: a series appears with its first value.
LATER = {"promptd_errors_total", "promptd_alert_active", "promptd_health_score"}


def _dashboard() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (each["expr"] for each in board["annotations"]["list"])
    yield from (each["definition"] for each in board["templating"]["list"] if "definition" in each)


def _rules() -> Iterator[str]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


EXPRESSIONS = [*_dashboard(), *_rules()]


def _exposed() -> dict[str, set[str]]:
    """Every name a query may use, with its labels."""
    found = {name.exposed: set(name.labels) for name in NAMES if name.kind != "histogram"}
    for name in NAMES:
        if name.kind == "histogram":
            found |= {f"{name.name}_{part}": set(name.labels) for part in ("bucket", "sum", "count")}
    return found


def _used(expressions: list[str]) -> Iterator[tuple[str, str]]:
    """Each use of a metric: its name and what stands in its braces."""
    for expression in expressions:
        yield from re.findall(r"(promptd_\w+)(?:\{([^}]*)\})?", expression)


def test_every_metric_and_label_exists() -> None:
    """A metric that is not exported would be a panel without data, and an alert that never fires."""
    exposed = _exposed()
    assert len(EXPRESSIONS) > 30
    for name, selector in _used(EXPRESSIONS):
        assert name in exposed, name
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            assert label in exposed[name] | OF_PROMETHEUS, f"{name} has no label {label}"
            if label in KNOWN_VALUES:
                assert value in KNOWN_VALUES[label], f"{label} is never {value}"


def test_grouping_is_by_labels_that_exist() -> None:
    """`by (x)` of a label that no metric of the expression has would sum everything into one."""
    exposed = _exposed()
    for expression in EXPRESSIONS:
        known = OF_PROMETHEUS.union(*(exposed[name] for name, _ in _used([expression])))
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in labels.split(",")} <= known, expression


def test_panels_do_not_overlap() -> None:
    """Each place of the grid is taken once, and every panel has an identity of its own."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.slow
def test_a_real_daemon_exports_what_is_asked_for() -> None:
    """By the text of its `metrics`, after one request."""
    with (
        temporary_directory("test") as directory,
        child_daemon(
            directory, [str(Path(__file__).parents[2] / "promptd" / "cli" / "demo" / "library")]
        ) as daemon,
        Client(str(daemon.socket)) as client,
    ):
        client.assemble("agents/reviewer")
        text = json.loads(client.call("metrics"))["text"]
    exported = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    assert {name for name, _ in _used(EXPRESSIONS)} - exported <= LATER


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts-test.yml")],
    ids=["check", "test"],
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """The rules are well formed, fire when they should, and keep quiet when they should."""
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=DIRECTORY, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
