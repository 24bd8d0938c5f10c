"""A daemon's health seen from outside: files, `metrics`, an alert that arrives, and what a stop leaves."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from promptd.cli.health import judge
from promptd.monitor.history import read as read_history
from promptd.monitor.metrics import NAMES
from promptd.monitor.schema import shipped
from tests.daemon.conftest import Start
from tests.daemon.process import Daemon, Peer, write

AT_ONCE = {
    "PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "0.1",
    "PROMPTD_MONITOR_SAMPLE_INTERVAL": "0.1",
    "PROMPTD_ALERTS_WARMUP": "0",
    "PROMPTD_ALERTS_RAISE_AFTER": "0",
    "PROMPTD_ALERTS_CLEAR_AFTER": "0",
    "PROMPTD_ALERTS_MIN_SAMPLES": "1",
    **{f"PROMPTD_TARGETS_{name}": "0" for name in ("MEMORY_BYTES_MAX", "RESPONSE_TIME_MAX", "LOAD_TIME_MAX")},
}
FILES = {"a.md": "A with <include>b.md</include>\n", "b.md": "B.\n"}


@pytest.fixture
def daemon(start: Start, directory: Path) -> Daemon:
    """A daemon that judges at once, with a command that keeps what it is given."""
    config = directory / "c.toml"
    kept = directory / "delivered"
    config.write_text(f"[alerts]\ncommand = ['sh', '-c', 'cat >> \"$0\"', '{kept}']\n")
    root = write(directory / "library", FILES)
    (root / "odd.md").write_bytes(b"\xff\xfe no text\n")
    return start(root, "--config", config, environment=AT_ONCE)


def snapshot_of(daemon: Daemon) -> dict[str, Any]:
    """The file as it is, once there is one."""
    daemon.wait_for((daemon.state / "health.json").exists)
    found: dict[str, Any] = json.loads((daemon.state / "health.json").read_bytes())
    return found


def test_what_is_written_and_what_is_answered(daemon: Daemon) -> None:
    """Snapshot by its schema, metrics by Prometheus' own parser, in the file and on the socket."""
    for _ in range(20):
        daemon.ask("assemble", name="a")
    daemon.wait_for((daemon.state / "metrics.prom").exists)
    daemon.wait_for(lambda: snapshot_of(daemon)["windows"]["1h"]["requests"] >= 20)
    snapshot = snapshot_of(daemon)
    jsonschema.validate(snapshot, shipped())
    assert snapshot["prompts"]["hottest"][0]["name"] == "a.md"
    assert snapshot["prompts"]["hottest"][0]["components"] == ["a.md", "b.md"]
    assert judge(snapshot, snapshot["time_unix_s"]).code == 0
    answered = daemon.ask("metrics")
    assert answered["content_type"].startswith("text/plain")
    for text in (answered["text"], (daemon.state / "metrics.prom").read_text()):
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert set(families) <= {name.name for name in NAMES}
        served = [
            sample for sample in families["promptd_requests"].samples if sample.labels["method"] == "assemble"
        ]
        assert served[0].value >= 20
    every = {name.name for name in NAMES} - {"promptd_alert_active", "promptd_errors"}  # there are none
    assert every <= {family.name for family in text_string_to_metric_families(answered["text"])}


def receive_alert(peer: Peer, event: str) -> dict[str, Any]:
    """The next notification of that event."""
    while (received := peer.receive()).get("method") != "alert" or received["params"]["event"] != event:
        pass
    found: dict[str, Any] = received["params"]
    return found


@pytest.mark.slow
def test_an_alert_reaches_everyone_it_should(daemon: Daemon, directory: Path) -> None:
    """A file that is no text: the subscriber, the log, the command, the snapshot and the check report it."""
    with daemon.connect() as peer:
        view = peer.ask("alerts", subscribe=True)
        assert (view["subscribed"], view["active"]) == (True, [])
        daemon.ask("health")  # judges what comes from now on
        for _ in range(10):
            daemon.error("assemble", name="odd")
        raised = receive_alert(peer, "raised")
        assert (raised["rule"], raised["severity"]) == ("errors", "critical")
        assert "promptd check" in raised["sentence"]
        daemon.wait_for(
            lambda: (directory / "delivered").exists() and (directory / "delivered").read_text().count("\n")
        )
        assert json.loads((directory / "delivered").read_text().splitlines()[0])["id"] == raised["id"]
        daemon.wait_for(lambda: snapshot_of(daemon)["alerts"]["active"])
        snapshot = snapshot_of(daemon)
        assert judge(snapshot, snapshot["time_unix_s"]).code == 2
        assert '"alert raised"' in daemon.log_path.read_text()
        assert daemon.ask("alerts")["active"][0]["id"] == raised["id"]
        assert peer.ask("alerts", subscribe=False)["subscribed"] is False
        for _ in range(2000):
            daemon.ask("assemble", name="a")
        daemon.wait_for(lambda: not daemon.ask("alerts")["active"])
    assert daemon.ask("alerts")["history"][-1]["event"] == "cleared"


def test_a_stop_is_written_down(daemon: Daemon) -> None:
    """The last snapshot says stopped, history has a last line, and no figures of a dead daemon stay."""
    daemon.ask("assemble", name="a")
    daemon.wait_for((daemon.state / "metrics.prom").exists)
    assert daemon.stop() == 0
    snapshot = snapshot_of(daemon)
    assert judge(snapshot, snapshot["time_unix_s"]).code == 2
    assert read_history(daemon.state)[-1]["status"] == "stopped"
    assert not (daemon.state / "metrics.prom").exists()
