"""Every command, once in each of its formats, answered by a real engine behind the socket of a fake daemon.

What only a daemon can say (health, statistics, reload …) has answers of its own, with the same texts in them.
"""

import json
from pathlib import Path
from typing import Any

from promptd.engine.embedded import Engine
from tests.cli.conftest import FakeDaemon
from tests.cli.healths import alert, health, prompt


def answer_for(daemon: FakeDaemon, engine: Engine, text: str) -> None:
    """Make the fake daemon answer with the engine; `text` is wherever a daemon puts a text of its own."""
    methods = ("list", "changes", "graph", "check")
    daemon.answers |= {method: json.loads(engine.call(method)) for method in methods}
    named = next(each["id"] for each in daemon.answers["list"]["components"] if each["dependencies"])
    for method in ("assemble", "get", "dependencies"):
        daemon.answers[method] = json.loads(engine.call(method, {"name": named}))
    below = next(id for id in daemon.answers["dependencies"]["ids"] if id != named)
    daemon.answers["dependents"] = json.loads(engine.call("dependents", {"name": below}))
    warning = {"id": named, "line": 1, "message": text}
    daemon.answers["assemble"]["warnings"].append(warning)
    daemon.answers["assemble"] |= {
        "allocation": [allocated(named, text)],
        "allocation_gap": 0.01,
        "budget": 100,
        "reserve": 1,
    }
    full = snapshot(text, named)
    daemon.answers |= {
        "health": full,
        "version": {"version": "1.2.3"},
        "statistics": {"names": [text]},
        "configuration": {"toml": ""},
        "reload": {"reloaded": True, "clock": "c:1:7", "changed_keys": [text], "restart_keys": [text]},
        "rescan": {"changed": 1, "added": 0, "removed": 0, "clock": "c:1:8"},
    }


def allocated(id: str, text: str) -> dict[str, Any]:
    """One row of a budget."""
    figures = {"depth": 0, "priority": 0.5, "tokens": 5, "tokens_source": 9, "quality": 0.9}
    return {"id": id, "variant": text, "why": text, **figures}


def snapshot(text: str, name: str) -> dict[str, Any]:
    """A snapshot with the text in every place that a text of a library or a configuration can reach."""
    rows = [prompt(name, 9, 10, strategy=text, components=[name, f"{name} 2"]), prompt(text, 3, 4)]
    event = alert("high", text) | {"time_unix_s": 1_767_225_600.0, "event": "raised"}
    advice = {"setting": text, "current": text, "suggested": text, "sentence": text, "target": text}
    target = {"name": "x", "label": text, "unit": "ms", "minimum": None, "maximum": 1.0, "optimal": None}
    target |= {"value": 2.0, "window": "1m", "samples": 3, "progress": 0.5, "state": "missed", "weight": 1}
    return health(
        schema_version=2,
        valid_until_unix_s=4e9,
        pid=1,
        problems=[text],
        alerts={"active": [alert("high", text)], "history": [event]},
        targets=[target],
        recommendations=[advice],
        watcher={"mode": text, "roots": [text]},
        prompts={"hottest": rows, "most_expensive": rows},
        components={"hottest": [{"id": name, "weight": 1.0, "dependents": 2}]},
    )


def lines(name: str, state: Path, config: Path) -> list[tuple[str, ...]]:
    """Command lines: each command of `promptd --help` that ends by itself, `bench` and `demo` excepted."""
    return [
        ("--help",),
        ("--version",),
        *(("assemble", name, *more) for more in ((), ("--json",), ("--format", "openai"))),
        *(("get", name, *more) for more in ((), ("--json",))),
        *(("tokens", name, *more) for more in ((), ("--tree",), ("--json",))),
        ("tokens", "--check", "--budget", "1"),
        ("budget", name, "--budget", "100"),
        *(("list", *more) for more in ((), ("--json",))),
        ("changes",),
        *(("dependencies", name, *more) for more in ((), ("--tree",), ("--json",))),
        *(("dependents", name, *more) for more in ((), ("--tree",))),
        *(("graph", "--format", form) for form in ("dot", "mermaid", "json")),
        *(("check", *more) for more in ((), ("--json",))),
        *(("status", *more) for more in ((), ("--json",))),
        ("top", "--once"),
        ("health", "--file", str(state / "health.json")),
        ("health", "--file", str(state / "health.json"), "--json"),
        ("health", "--file", str(state / "health.json"), "--check"),
        ("health", "--file", str(state / "health.json"), "--check", "--json"),
        ("report", "--html", "-", "--state", str(state)),
        ("reload",),
        ("rescan",),
        ("socket",),
        ("config", "show", "--config", str(config)),
        ("config", "export"),
        ("completion", "bash"),
    ]


def command_lines(name: str, directory: Path, text: str) -> list[tuple[str, ...]]:
    """The same with a state directory and a configuration that are written for them."""
    state, config = directory / "state", directory / "promptd.toml"
    state.mkdir()
    (state / "health.json").write_text(json.dumps(snapshot(text, name)))
    config.write_text(
        f"[tokens]\nmodel = 'm'\n[tokens.models.m]\n[library]\nvariables = {{ x = {json.dumps(text)} }}\n"
    )
    return lines(name, state, config)
