"""The snapshot's JSON Schema: what a program that reads health.json may rely on.

Generated from the records of the sections, and shipped as a file in this package so that it can be read
without running anything: `python -m promptd.monitor.schema` prints it, a test compares the file with it. New
members may be added at any time and do not change `schema_version`; it is raised when one is removed, renamed
or means something else.
"""

import sys
from importlib import resources
from typing import Any

import msgspec

from promptd.monitor.advice import Recommendation
from promptd.monitor.alerts import AlertsView
from promptd.monitor.health import Health
from promptd.monitor.measures import Window
from promptd.monitor.sampler import ProcessSample
from promptd.monitor.snapshot import SCHEMA_VERSION
from promptd.monitor.targets import TargetVerdict
from promptd.monitor.trends import Trend
from promptd.monitor.windows import SPANS_S

FILE_NAME = f"health-{SCHEMA_VERSION}.schema.json"
EVALUATED: dict[str, Any] = {
    "targets": list[TargetVerdict],
    "health": Health,
    "trends": list[Trend],
    "alerts": AlertsView,
    "recommendations": list[Recommendation],
    "process": ProcessSample | None,
}
SOURCES = (
    *("library", "cache", "graph", "loader", "tokens", "savings", "hot_set", "watcher", "maintenance"),
    *("requests", "connections", "subscriptions", "alert_command", "snapshots", "log"),
)

_HEAD: dict[str, Any] = {
    "schema_version": {"const": SCHEMA_VERSION},
    "time": {"type": "string", "format": "date-time"},
    "time_unix_s": {"type": "number"},
    "valid_until_unix_s": {"type": "number", "description": "after this time the daemon is dead or stuck"},
    "uptime_s": {"type": "number", "minimum": 0},
    "pid": {"type": "integer"},
    "version": {"type": "string"},
    "status": {"enum": ["ok", "degraded", "stopped"]},
    "problems": {"type": "array", "items": {"type": "string"}},
}
_POPULAR: dict[str, Any] = {
    "name": {"type": "string"},
    "components": {"type": "array", "items": {"type": "string"}},
    "requests": {"type": "integer"},
    "tokens": {"type": "integer", "description": "of the last reply"},
    "tokens_total": {"type": "integer"},
    "cost_total": {"type": ["number", "null"]},
    "strategy": {"type": "string"},
}


def schema() -> dict[str, Any]:
    """The whole schema."""
    types = [*EVALUATED.values(), Window]
    shapes, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    found = dict(zip(EVALUATED, shapes, strict=False))
    windows = _table(dict.fromkeys(SPANS_S, shapes[-1]))
    properties = {
        **_HEAD,
        "windows": windows,
        **found,
        "prompts": _prompts(),
        "components": _table({"hottest": _rows(_HOTTEST)}),
        **{name: {"type": ["object", "null"]} for name in SOURCES},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "promptd health snapshot",
        **_table(properties),
        "$defs": {name: _described(definition) for name, definition in definitions.items()},
    }


_HOTTEST: dict[str, Any] = {
    "id": {"type": "string"},
    "weight": {"type": "number", "description": "requests, each halved every cache.hot_half_life"},
    "dependents": {"type": "integer"},
}


def _prompts() -> dict[str, Any]:
    table = {name: _rows(_POPULAR) for name in ("hottest", "most_expensive")}
    return _table({"tracked": {"type": "integer"}, **table})


def _described(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition with its docstring on one line: Python 3.13 and 3.11 indent it differently."""
    return definition | {"description": " ".join(str(definition.get("description", "")).split())}


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _rows(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _table(properties)}


def text() -> str:
    """The schema as it is shipped."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def shipped() -> dict[str, Any]:
    """The schema that came with this version."""
    found: dict[str, Any] = msgspec.json.decode(
        resources.files("promptd.monitor").joinpath(FILE_NAME).read_bytes()
    )
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
