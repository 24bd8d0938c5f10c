"""Thousands of requests and changes: memory, descriptors and threads stay what they were."""

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import Start
from tests.daemon.process import Daemon, write

ROUNDS = 300  # each some 20 requests and 5 changes
BOUNDS = {  # small enough to be full after the first rounds
    "PROMPTD_CACHE_ENTRIES": "50",
    "PROMPTD_CACHE_PROMPT_ENTRIES": "50",
    "PROMPTD_LOADING_MAX_WORKERS": "2",
    "PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "0.2",
    "PROMPTD_WATCH_RESCAN_INTERVAL": "0.5",
}
MAY_GROW_BYTES = 8_000_000  # of some 140 MB; 0.3 MB were measured, a leak of 2 KB a request would be 9 MB
FILES = {
    **{f"commands/{n}.md": f"Command {n}.\n<include>parts/{n % 5}.md</include>\n" for n in range(40)},
    **{f"parts/{n}.md": f"Part {n}.\n" for n in range(5)},
}


def one_round(daemon: Daemon, root: Path, number: int) -> None:
    """Requests of every kind, errors among them, connections that come and go, and changes."""
    parts = root / "parts"
    (parts / f"{number % 5}.md").write_text(f"Part in round {number}.\n")
    (root / f"new-{number}.md").write_text(f"New in round {number}.\n<include>parts/1.md</include>\n")
    (root / f"new-{number - 3}.md").unlink(missing_ok=True)
    expected = f"Part in round {number}.\n"
    for offset in range(8):
        name = f"commands/{(number + 5 * offset) % 40}"
        assert daemon.text(name, variables={"round": number}).endswith(expected)
    assert daemon.text(f"new-{number}").startswith("New")
    daemon.error("assemble", name=f"nowhere-{number}")
    daemon.error("assemble", nmae=number)
    daemon.error(f"method-{number}")
    with daemon.connect() as peer:
        peer.ask("subscribe", name=f"new-{number}")
        peer.ask("get", name="parts/1")
        peer.socket.sendall(b"no JSON\n")
        if number % 10 == 0:
            for method in ("list", "graph", "check", "statistics", "describe"):
                peer.say(method)


def usage(daemon: Daemon) -> dict[str, Any]:
    """What the process uses once nothing is under way."""
    daemon.wait_for(lambda: daemon.statistics("connections")["connections"] == 1)
    found: dict[str, Any] = daemon.ask("health")["process"]
    return found


@pytest.mark.slow
def test_nothing_grows(start: Start, directory: Path) -> None:
    """After the caches are full, usage is flat, and the graph holds exactly what the tree holds."""
    root = write(directory / "library", FILES)
    daemon = start(root, environment=BOUNDS)
    for number in range(ROUNDS // 4):
        one_round(daemon, root, number)
    before = usage(daemon)
    for number in range(ROUNDS // 4, ROUNDS):
        one_round(daemon, root, number)
    after = usage(daemon)
    assert after["open_descriptors"] <= before["open_descriptors"] + 2
    assert after["threads"] <= before["threads"] + 8  # asyncio's own pool grows up to its bound
    assert after["rss_bytes"] - before["rss_bytes"] < MAY_GROW_BYTES
    daemon.ask("rescan")
    assert daemon.statistics("library")["components"] == sum(1 for _ in root.rglob("*.md"))
    assert daemon.statistics("graph")["nodes"] == daemon.statistics("library")["components"]
    assert daemon.statistics("subscriptions")["active"] == 0
    assert daemon.statistics("requests")["in_progress"] == 0
    assert daemon.statistics("maintenance")["failures"] == 0
    assert not daemon.log("unforeseen error")
