"""The demo: from a library to a fresh prompt in a few seconds, on the library that ships in the package.

Six steps, each a small function that does one thing and prints the result. The daemon, the socket and the
edit are real; every figure is measured in this run.
"""

import difflib
import json
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from promptd.cli import output
from promptd.cli.child import POLL_S
from promptd.cli.demo.daemon import DemoDaemon, demo_daemon
from promptd.client import Client
from promptd.errors import Internal

PROMPT: dict[str, Any] = {
    "name": "commands/review-change",
    "variables": {"project_name": "Harbour"},
    "arguments": "HEAD~1 security",
}
COMMAND = (
    'promptd assemble commands/review-change --variable project_name=Harbour --arguments "HEAD~1 security"'
)
EDITED = "components/review/severity.md"
ADDED_LINE = "| **note** | worth knowing, nothing is wrong | nothing |\n"
SNAPSHOT_WITHIN_S = 10.0
HEAD_LINES = 12
SECTION_WIDTH = 80
WIDTH = 110


def tell() -> None:
    """Run the demo, printing to stdout. Raises Internal if the daemon does not do what it should."""
    with demo_daemon() as daemon, Client(str(daemon.socket)) as client:
        _introduce(daemon, client)
        before = _show_prompt(client)
        _show_edit(daemon, client, before["text"])
        _show_snapshot(daemon)
        client.close()
        _show_stop(daemon)


def _introduce(daemon: DemoDaemon, client: Client) -> None:
    listing = _ask(client, "list")
    _step(1, "Start a daemon on a library")
    _say(f"{listing['total']} components, copied from the package to {daemon.library}")
    _say(f"promptd serve, pid {daemon.process.pid}: ready after {daemon.ready_after_s:.2f} s")
    report = _ask(client, "check")
    counts = {"edges": report["edges"]} | {key: len(report[key]) for key in ("dangling", "cycles")}
    _say("promptd check: " + ", ".join(f"{number} {name}" for name, number in counts.items()))


def _show_prompt(client: Client) -> dict[str, Any]:
    _step(2, "Assemble a prompt over the socket")
    _say(COMMAND)
    reply = _ask(client, "assemble", **PROMPT)
    lines = reply["text"].splitlines()
    output.emit_line("")
    for line in lines[:HEAD_LINES]:
        _say(f"  {line}".rstrip())
    _say(f"  … {len(lines) - HEAD_LINES} more lines")
    _step(3, "Show where every part comes from (tokens include dependencies)")
    output.draw(_manifest(reply))
    _say(f"{reply['tokens']:,} tokens in the whole prompt ({reply['encoding']}), counted exactly")
    return reply


def _manifest(reply: dict[str, Any]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("component", overflow="fold")
    for heading in ("tokens", "from", "to"):
        table.add_column(heading, justify="right")
    table.add_column("reason")
    table.add_column("included at", overflow="fold")
    for entry in reply["manifest"]:
        start, end = entry["span"]
        chain = entry["chain"][-1] if entry["chain"] else ""
        cells = (f"{entry['tokens']:,}", f"{start:,}", f"{end:,}", entry["reason"], chain)
        table.add_row(output.cell(entry["id"]), *map(output.cell, cells))
    return table


def _show_edit(daemon: DemoDaemon, client: Client, before: str) -> None:
    _step(4, f"Edit {EDITED} while the daemon runs")
    path = daemon.library / EDITED
    edited = path.read_text(encoding="utf-8") + ADDED_LINE
    path.write_text(edited, encoding="utf-8")
    written = time.perf_counter()
    reply = _ask(client, "assemble", **PROMPT)
    took_ms = (time.perf_counter() - written) * 1000
    if ADDED_LINE not in reply["text"]:
        raise Internal("the prompt after the edit is not fresh")
    for line in _difference(before, reply["text"]):
        _say(f"  {line}".rstrip())
    _say(f"fresh prompt {took_ms:.1f} ms after the file was written; now {reply['tokens']:,} tokens")


def _difference(before: str, after: str) -> Iterator[str]:
    return difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", n=1, lineterm="")


def _show_snapshot(daemon: DemoDaemon) -> None:
    _step(5, "Read the health snapshot")
    snapshot = _wait_for_snapshot(daemon.snapshot, newer_than_unix_s=time.time())
    _say(f"{daemon.snapshot}:")
    for line in _compact(snapshot):
        _say(line)


def _compact(snapshot: dict[str, Any]) -> Iterator[str]:
    """The snapshot as JSON, of each section what fits a line, so that the whole fits a screen."""
    members = [f"  {json.dumps(key)}: {_first(value)}" for key, value in snapshot.items()]
    yield "{"
    for member in (*(f"{member}," for member in members[:-1]), members[-1]):
        yield from textwrap.wrap(member, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    yield "}"


def _first(value: Any) -> str:
    """A section cut to one line: its plain values as far as they fit."""
    if not isinstance(value, dict):
        return f"[… {len(value)} …]" if isinstance(value, list) and value else json.dumps(value)
    plain = {key: each for key, each in value.items() if not isinstance(each, dict | list)}
    while len(plain) > 1 and len(json.dumps(plain)) > SECTION_WIDTH:
        plain.popitem()
    more = len(value) - len(plain)
    return json.dumps(plain)[:-1] + (f"{', ' if plain else ''}… {more} more" if more else "") + "}"


def _wait_for_snapshot(path: Path, newer_than_unix_s: float) -> Any:
    deadline = time.monotonic() + SNAPSHOT_WITHIN_S
    while time.monotonic() < deadline:
        snapshot = json.loads(path.read_bytes()) if path.exists() else None
        if snapshot and snapshot["time_unix_s"] > newer_than_unix_s:
            return snapshot
        time.sleep(POLL_S)
    raise Internal(f"no new health snapshot at {path} within {SNAPSHOT_WITHIN_S:.0f} s")


def _show_stop(daemon: DemoDaemon) -> None:
    _step(6, "Stop")
    began = time.monotonic()
    code = daemon.stop()
    if code != 0:
        raise Internal(f"the daemon of the demo exited with {code}; its last lines:", log=daemon.log_tail())
    _say(f"SIGTERM: exit {code} after {time.monotonic() - began:.2f} s. The temporary directory is removed.")


def _ask(client: Client, method: str, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(client.call(method, params))
    return answer


def _step(number: int, title: str) -> None:
    output.emit_line("")
    output.emit_line(f"== {number}. {title}")


def _say(text: str) -> None:
    output.emit_line(text)
