"""A health snapshot as a daemon sends it, as far as people are shown it."""

from typing import Any


def prompt(name: str, requests: int, tokens: int, **given: Any) -> dict[str, Any]:
    """One row of the busiest prompts."""
    row = {"name": name, "requests": requests, "tokens": tokens, "tokens_total": requests * tokens}
    return row | {"cost_total": None, "strategy": "none", "components": [name], **given}


def alert(severity: str, sentence: str) -> dict[str, Any]:
    """One active alert."""
    return {"id": f"x-{severity}", "rule": "x", "severity": severity, "sentence": sentence, "value": 1.0}


def health(**given: Any) -> dict[str, Any]:
    """A daemon that is well."""
    latency = {"count": 100, "p50": 1.0, "p95": 12.34, "p99": 20.0}
    found: dict[str, Any] = {
        "version": "1.2.3",
        "time": "2026-01-02T03:04:05.000Z",
        "time_unix_s": 1_767_323_045.0,
        "status": "ok",
        "uptime_s": 7_380.0,
        "problems": [],
        "requests": {"requests": 1000},
        "library": {"components": 280, "edges": 915},
        "watcher": {"mode": "inotify"},
        "process": {"rss_bytes": 123_000_000},
        "maintenance": {"missed_events_total": 0},
        "windows": {
            "1m": {
                "latency_ms": latency,
                "hit_ratio": {"served": 0.987},
                "reduction": 0.31,
                "cpu_percent": 3.0,
                "errors": 0,
            }
        },
        "health": {
            "score": 97.0,
            "grade": "A",
            "arithmetic": "1 x 0.97",
            "targets_met": 5,
            "targets_judged": 5,
        },
        "targets": [],
        "trends": [],
        "alerts": {"active": [], "history": []},
        "recommendations": [],
        "prompts": {
            "hottest": [prompt("commands/often.md", 90, 100), prompt("commands/rare.md", 5, 4000)],
            "most_expensive": [prompt("commands/rare.md", 5, 4000), prompt("agents/dear.md", 2, 90_000)],
        },
        "components": {"hottest": [{"id": "parts/a.md", "weight": 12.5, "dependents": 9}]},
    }
    return found | given
