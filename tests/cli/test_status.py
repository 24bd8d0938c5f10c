"""The status page and how it writes numbers."""

import json
from typing import Any

import pytest

from promptd.cli.status import fact
from tests.cli.conftest import FakeDaemon, Run


def test_the_page_shows_every_group_of_numbers(daemon: FakeDaemon, run: Run) -> None:
    """A headline, the socket, and one line for each group that the daemon sends; no zeros."""
    daemon.answers |= {
        "version": {"version": "1.2.3", "pid": 42},
        "health": {
            "version": "1.2.3",
            "pid": 42,
            "uptime_s": 61.04,
            "status": "degraded",
            "problems": ["the watcher is polling"],
            "alerts": {"active": [{"severity": "high", "sentence": "memory: too much"}]},
            "health": {"score": 92.5, "grade": "B", "terms": []},
            "windows": {"1m": {"requests": 5}},
            "cache": {"entries": 1234, "misses": 0, "hits": {"total": 5}, "names": ["a", "b"], "none": []},
            "requests": {
                "latency_ms": {"count": 3, "mean": 1.0, "p50": 0.5, "p99": 2.25},
                "idle_ms": {"count": 0, "mean": 0.0, "p50": 0.0, "p99": 0.0},
            },
            "process": {"rss_bytes": 104_857_600},
        },
        "statistics": {"cache": {"entries": 1234}},
    }
    code, out, _ = run("status")
    assert code == 0
    assert out.decode().splitlines() == [
        "promptd 1.2.3, pid 42, up 61.0 s: degraded",
        f"socket {daemon.socket}",
        "problem: the watcher is polling",
        "high: memory: too much",
        "health 92.5 of 100, grade B; `promptd health` shows why",
        "",
        "cache       entries 1,234, names a, b",
        "cache hits  total 5",
        "requests    latency p50 0.5 ms, p99 2.25 ms",
        "process     rss 100.0 MiB",
    ]
    assert json.loads(run("status", "--json").out) == {
        key: daemon.answers[key] for key in ("version", "health", "statistics")
    }


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("size_bytes", 900, "size 900 B"),
        ("uptime_s", 45.26, "uptime 45.3 s"),
        ("uptime_s", 600, "uptime 10 min"),
        ("uptime_s", 11_520, "uptime 3 h 12 min"),
        ("uptime_s", 180_000, "uptime 2 d 2 h"),
        ("p50_ms", 0.12345, "p50 0.123 ms"),
        ("is_watching", True, "is watching yes"),
        ("pid", 12345, "pid 12345"),
        ("ratio", 0.123456, "ratio 0.1235"),
    ],
)
def test_numbers_are_written_in_their_unit(key: str, value: Any, shown: str) -> None:
    """The unit is read from the end of the name."""
    assert fact(key, value) == shown
