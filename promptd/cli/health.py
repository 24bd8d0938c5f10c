"""`health`: report health from the last snapshot file; works when the daemon is down.

The daemon is not asked: a file past its `valid_until_unix_s` shows that it is dead or stuck, while a request
could only wait. `--check` is for Nagios and exits with 0 (OK), 1 (WARNING) or 2 (CRITICAL).
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from promptd.cli import output
from promptd.cli.backend import config_option
from promptd.support.own_files import read_regular

FILE_NAME = "health.json"
MAX_BYTES = 64 * 1024 * 1024  # a snapshot has some 20 KB
SYSTEM_DIRECTORY = Path("/var/lib/promptd")  # StateDirectory= of the unit
KNOWN_SCHEMA = 2
NEEDED = ("status", "time", "version", "problems", "alerts", "health", "targets", "recommendations")
NOT_ENOUGH_DATA = "not enough data yet (needs 20 requests after 120 s)"  # the defaults of [alerts]
OK, WARNING, CRITICAL = 0, 1, 2
WORDS = ("OK", "WARNING", "CRITICAL")


class HealthVerdict(NamedTuple):
    """The result of a check: its code and one sentence for each reason."""

    code: int
    reasons: list[str]


@click.command(
    epilog="""\b
Examples:
  promptd health
  promptd health --check                       # for Nagios, Icinga, Zabbix, monit and cron
  promptd health --check --file state/health.json
  promptd health --json | jq .recommendations"""
)
@click.option("--check", "is_check", is_flag=True, help="Print one line; exit with 0 (OK), 1 (WARNING) or 2.")
@click.option("--file", "file", metavar="FILE", help="Read this snapshot (default: in the state directory).")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot as JSON; with --check, the result.")
@config_option
def health(is_check: bool, file: str | None, as_json: bool, config_path: str | None) -> int:
    """Report health from the last snapshot file; works when the daemon is down.

    --check is OK if every target is met, WARNING on a high or medium alert or a degraded watcher, CRITICAL on
    a critical alert or without a valid snapshot: then the daemon is dead or stuck.
    """
    path = Path(file) if file else snapshot_path(config_path)
    try:
        snapshot = read(path)
    except (OSError, ValueError) as problem:
        verdict = HealthVerdict(CRITICAL, [f"no snapshot: {problem}"])
        _say(verdict, {}, as_json=as_json)
        return CRITICAL
    verdict = judge(snapshot, time.time())
    if is_check:
        _say(verdict, snapshot, as_json=as_json)
    elif as_json:
        output.emit_json(snapshot)
    else:
        output.emit_lines(page(snapshot, verdict))
    return verdict.code if is_check else OK


def snapshot_path(config_path: str | None) -> Path:
    """The snapshot in the configured state directory, else in that of the system service."""
    from promptd.config import load, state_directory

    own = Path(state_directory(load(config_path, os.environ), os.environ)) / FILE_NAME
    system = SYSTEM_DIRECTORY / FILE_NAME
    return system if not own.exists() and system.exists() else own


def read(path: Path) -> dict[str, Any]:
    """The snapshot in a file. Raises OSError, and ValueError if it is not a snapshot."""
    found = json.loads(read_regular(path, MAX_BYTES))
    if not isinstance(found, dict) or "valid_until_unix_s" not in found:
        raise ValueError(f"{path} is not a health snapshot")
    if found.get("schema_version") != KNOWN_SCHEMA:
        raise ValueError(f"{path} has schema version {found.get('schema_version')}, not {KNOWN_SCHEMA}")
    if missing := [name for name in NEEDED if name not in found]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    return found


# -- the check --------------------------------------------------------------------------------


def judge(snapshot: Mapping[str, Any], now_unix_s: float) -> HealthVerdict:
    """The result for a snapshot at a time; the reasons of the worst code first."""
    found = sorted(_reasons(snapshot, now_unix_s), key=lambda reason: -reason[0])
    code = max((code for code, _ in found), default=OK)
    return HealthVerdict(code, [sentence for _, sentence in found])


def _reasons(snapshot: Mapping[str, Any], now_unix_s: float) -> Iterator[tuple[int, str]]:
    status, late_s = snapshot["status"], now_unix_s - snapshot["valid_until_unix_s"]
    if status == "stopped":
        yield CRITICAL, f"the daemon was stopped at {snapshot['time']}"
    elif late_s > 0:
        yield CRITICAL, f"the daemon is dead or stuck: its snapshot expired {late_s:.0f} s ago"
    for alert in snapshot["alerts"]["active"]:
        code = {"critical": CRITICAL, "low": OK}.get(alert["severity"], WARNING)
        yield code, f"{alert['severity']}: {alert['sentence']}"
    yield from ((WARNING, problem) for problem in snapshot["problems"])


def _say(verdict: HealthVerdict, snapshot: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        word, (code, reasons) = WORDS[verdict.code], verdict
        output.emit_json({"code": code, "status": word, "reasons": reasons})
    else:
        output.emit_line(line(verdict, snapshot))


def line(verdict: HealthVerdict, snapshot: Mapping[str, Any]) -> str:
    """One line with performance data after the bar, as Nagios plugins print it."""
    said = "; ".join(verdict.reasons) or _in_short(snapshot)
    said = " ".join(said.replace("|", "/").split())
    figures = " ".join(_performance(snapshot)) if snapshot else ""
    return f"PROMPTD {WORDS[verdict.code]} - {said}" + (f" | {figures}" if figures else "")


def _in_short(snapshot: Mapping[str, Any]) -> str:
    health = snapshot["health"]
    if health["score"] is None:
        return NOT_ENOUGH_DATA
    met, judged = health["targets_met"], health["targets_judged"]
    return f"score {health['score']:g} ({health['grade']}), {met} of {judged} targets with data met"


_UNITS = {"ms": "ms", "bytes": "B"}


def _performance(snapshot: Mapping[str, Any]) -> Iterator[str]:
    """`label=value[unit];warning;critical`: the range is what the target allows."""
    if (score := snapshot["health"]["score"]) is not None:
        yield f"score={score:g};;;0;100"
    for target in snapshot["targets"]:
        if target["value"] is not None:
            low = "" if target["minimum"] is None else f"{target['minimum']:g}"
            high = "" if target["maximum"] is None else f"{target['maximum']:.10g}"
            bounds = f"{low}:{high}" if low else high
            yield f"{target['name']}={target['value']:.10g}{_UNITS.get(target['unit'], '')};{bounds}"


# -- the page ---------------------------------------------------------------------------------


def page(snapshot: Mapping[str, Any], verdict: HealthVerdict) -> Iterator[str]:
    """Score, alerts, targets, the arithmetic of the score, recommendations."""
    yield f"promptd {snapshot['version']}, {snapshot['time']}: {WORDS[verdict.code]}, {_in_short(snapshot)}"
    yield from (f"  {reason}" for reason in verdict.reasons)
    yield ""
    width = max(len(target["label"]) for target in snapshot["targets"])
    for target in snapshot["targets"]:
        yield f"{target['label']:<{width}}  {_measured(target)}"
    yield ""
    yield snapshot["health"]["arithmetic"]
    yield from _advice(snapshot["recommendations"])


def _measured(target: Mapping[str, Any]) -> str:
    from promptd.monitor.advice import shown

    if target["value"] is None:
        return f"{target['state'].replace('_', ' ')} (target {_bounds(target)})"
    value = shown(target["value"], target["unit"])
    return f"{value}, {target['state']} (target {_bounds(target)}; last {target['window']})"


def _bounds(target: Mapping[str, Any]) -> str:
    from promptd.monitor.advice import shown

    low, high = target["minimum"], target["maximum"]
    if low is not None and high is not None:
        return f"{shown(low, target['unit'])} to {shown(high, target['unit'])}"
    if low is not None:
        return f"at least {shown(low, target['unit'])}"
    return "none" if high is None else f"at most {shown(high, target['unit'])}"


def _advice(recommendations: list[dict[str, Any]]) -> Iterator[str]:
    if recommendations:
        yield ""
    for each in recommendations:
        change = (
            f"set {each['setting']} = {json.dumps(each['suggested'])} (now {json.dumps(each['current'])}): "
        )
        yield f"{each['target']}: {change if each['setting'] else ''}{each['sentence']}"
