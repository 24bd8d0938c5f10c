"""`status`: one short page about a running daemon, from its health snapshot.

The daemon decides what it measures; this page shows everything it sends that is not zero, in its unit, so
that a new counter needs no change here. Units are read from the names: `_ms`, `_s`, `_bytes`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, daemon_options, decode, open_backend

# Sections that are computed from the counts; `promptd health` shows them.
CONCLUSIONS = ("windows", "targets", "health", "trends", "alerts", "recommendations", "prompts", "components")


@click.command(
    epilog="""\b
Examples:
  promptd status
  promptd status --json | jq .statistics.cache"""
)
@click.option("--json", "as_json", is_flag=True, help='Print {"version": …, "health": …, "statistics": …}.')
@daemon_options
def status(as_json: bool, where: Where) -> None:
    """Show the daemon's library, cache, requests and memory.

    Zero and empty values are left out; --json has everything.
    """
    with open_backend(where) as backend:
        answers = {method: backend.call(method, {}) for method in ("version", "health", "statistics")}
    if as_json:
        members = (b'"%s":%s' % (method.encode(), answer) for method, answer in answers.items())
        output.emit_line(b"{" + b",".join(members) + b"}")
        return
    output.emit_lines(page(where.socket_path(), decode(answers["health"])))


def page(socket: str, health: dict[str, Any]) -> Iterator[str]:
    """The lines of the page: a headline, problems and alerts, then one line for each group of numbers."""
    up = fact("up_s", health["uptime_s"])
    yield f"promptd {health['version']}, pid {health['pid']}, {up}: {health['status']}"
    yield f"socket {socket}"
    yield from (f"problem: {each}" for each in health["problems"])
    yield from (f"{each['severity']}: {each['sentence']}" for each in health["alerts"]["active"])
    if (score := health["health"]["score"]) is not None:
        yield f"health {score:g} of 100, grade {health['health']['grade']}; `promptd health` shows why"
    yield ""
    shown = {name: section for name, section in health.items() if name not in CONCLUSIONS}
    rows = [(name, facts) for name, group in _groups(shown) if (facts := list(_facts(group)))]
    width = max((len(name) for name, _ in rows), default=0)
    yield from (f"{name:<{width}}  " + ", ".join(facts) for name, facts in rows)


def _groups(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping of numbers with its name, outer ones first: `cache components`."""
    for key, value in section.items():
        if isinstance(value, dict) and "p99" not in value:
            name = f"{prefix}{key.replace('_', ' ')}"
            yield name, value
            yield from _groups(value, f"{name} ")


def _facts(group: dict[str, Any]) -> Iterator[str]:
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _distribution(key, value) if value.get("count") else ()
        elif isinstance(value, list) and value:
            yield f"{key.replace('_', ' ')} {', '.join(map(str, value))}"
        elif value:
            yield fact(key, value)


def _distribution(key: str, value: dict[str, Any]) -> Iterator[str]:
    """The median and the tail of a distribution."""
    name, _, unit = key.rpartition("_")
    yield fact(f"{name} p50_{unit}", value["p50"])
    yield fact(f"p99_{unit}", value["p99"])


def fact(key: str, value: Any) -> str:
    """`("rss_bytes", 52428800)` → `rss 50.0 MiB`."""
    for suffix, form in _UNITS.items():
        if key.endswith(suffix) and isinstance(value, int | float) and not isinstance(value, bool):
            return f"{key.removesuffix(suffix).replace('_', ' ')} {form(value)}".strip()
    is_count = isinstance(value, int) and not isinstance(value, bool) and not key.endswith("pid")
    shown = f"{value:,}" if is_count else _plain(value)
    return f"{key.replace('_', ' ')} {shown}"


def _plain(value: Any) -> str:
    if value is True:
        return "yes"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _size(number: float) -> str:
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(max(int(number).bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{number / 1024**power:.1f} {units[power]}" if power else f"{number:.0f} B"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86_400
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


_UNITS: dict[str, Callable[[float], str]] = {
    "_bytes": _size,
    "_s": _time,
    "_ms": lambda ms: f"{ms:.3g} ms",
    "_us": lambda us: f"{us:.3g} µs",
}
