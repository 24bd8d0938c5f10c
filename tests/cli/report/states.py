"""A state directory as a daemon leaves it: a snapshot and a day of history, with all that can be shown."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cli.healths import alert, health, prompt

PARTS = [f"components/area-{number // 4}/a-component-with-a-long-name-{number}.md" for number in range(12)]
START_S = 1_767_225_600.0


def full_health() -> dict[str, Any]:
    """A snapshot in which every section says something."""
    names = [
        *("commands/review.md", "agents/lead.md"),
        *(f"commands/deep/down/in/here/{n}.md" for n in range(8)),
    ]
    rows = [
        prompt(name, 900 - 80 * at, 5_000 + at, components=[name, *PARTS[at : at + 4]], cost_total=1.5 * at)
        for at, name in enumerate(names)
    ]
    sentence = "response time, p95: 130 ms is above the target of 100 ms; set cache.entries = 400 (now 200)"
    event = alert("high", sentence) | {"time_unix_s": START_S + 3_600, "event": "raised"}
    target = {
        "name": "response_time",
        "label": "response time, p95",
        "unit": "ms",
        "minimum": None,
        "maximum": 100.0,
        "optimal": 50.0,
        "value": 130.0,
        "window": "10m",
        "samples": 99,
        "progress": 0.77,
        "state": "missed",
        "weight": 25,
    }
    share = target | {
        "name": "hit_ratio",
        "label": "cache hit ratio",
        "unit": "share",
        "minimum": 0.75,
        "maximum": None,
        "value": 0.98,
        "progress": 1.0,
        "state": "optimal",
    }
    return health(
        targets=[target, share],
        alerts={"active": [alert("high", sentence)], "history": [event, event | {"event": "cleared"}]},
        recommendations=[
            {
                "target": "response_time",
                "setting": "cache.entries",
                "current": 200,
                "suggested": 400,
                "sentence": "components are read again and again",
            },
        ],
        prompts={"hottest": rows, "most_expensive": rows[::-1]},
        components={
            "hottest": [{"id": id, "weight": 90.0 - at, "dependents": at} for at, id in enumerate(PARTS)]
        },
    )


def full_history(lines: int = 1_440) -> list[dict[str, Any]]:
    """A day in which everything moves, with half an hour without a request."""
    return [
        {
            "time_unix_s": START_S + 60 * at,
            "requests_per_s": 20 + 15 * math.sin(at / 90),
            "p50_ms": None if 600 < at < 630 else 2 + math.sin(at / 70),
            "p95_ms": None if 600 < at < 630 else 20 + 9 * math.sin(at / 50),
            "p99_ms": None if 600 < at < 630 else 60 + 30 * math.sin(at / 40),
            "hit_ratio": 0.9 + 0.08 * math.sin(at / 60),
            "reduction": 0.4 + 0.1 * math.sin(at / 110),
            "memory_bytes": 120e6 + 20_000 * at,
            "cpu_percent": 5 + 4 * math.sin(at / 30),
        }
        for at in range(lines)
    ]


def write_state(
    directory: Path, found: dict[str, Any] | None = None, history: Sequence[dict[str, Any]] | None = None
) -> Path:
    """Write the files; returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    snapshot = {"schema_version": 2, "valid_until_unix_s": 0.0, "pid": 7} | (found or full_health())
    (directory / "health.json").write_text(json.dumps(snapshot))
    lines = full_history() if history is None else history
    (directory / "history.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return directory
