"""`check`: report the problems of a library, each with file and line first.

The daemon (or the engine in this process) finds them; this module only prints. Editors jump to lines that
begin with `path:line:`, so paths are written as the user wrote the directory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options
from promptd.cli.exits import Exit
from promptd.errors import Unavailable


@click.command(
    epilog="""\b
Examples:
  promptd check prompts
  promptd check prompts --config prompts/promptd.toml    # with its aliases and policies
  promptd check                                          # the library of the running daemon
  promptd check prompts --json | jq -r '.dangling[] | "\\(.id):\\(.line) \\(.target)"'

Exit code 1 means a dangling include, a missing section, a cycle or an invalid component; warnings and unused
components do not count."""
)
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True, file_okay=False))
@json_option
@source_options
@click.pass_context
def check(ctx: click.Context, directory: str | None, as_json: bool, where: Where) -> None:
    """Find dangling includes, cycles and invalid components.

    With DIR (or --library) the library is read in this process. Without it the daemon is asked; if none is
    running, the [[roots]] of --config are read.
    """
    if directory:
        where = where._replace(library=(directory, *where.library))
    result = _ask_daemon_first(where)
    report = decode(result)
    if as_json:
        output.emit_line(result)
    else:
        output.emit_lines(lines(report, where.library))
    ctx.exit(Exit.OK if is_clean(report) else Exit.FINDINGS)


def _ask_daemon_first(where: Where) -> bytes:
    try:
        return ask(where, "check")
    except Unavailable as error:
        if where.config_path and not where.socket and where.configuration().roots:
            return ask(where._replace(no_daemon=True), "check")
        raise Unavailable(
            f"{error.message}; to check a directory without a daemon, use promptd check DIR"
        ) from error


_PROBLEMS = ("dangling", "missing_sections", "cycles", "errors")


def is_clean(report: dict[str, Any]) -> bool:
    """True if there are no problems; warnings and unused components are none."""
    return not any(report.get(key) for key in _PROBLEMS)


def lines(report: dict[str, Any], written: tuple[str, ...] = ()) -> Iterator[str]:
    """The report for people: groups with a heading each, a summary last.

    Args:
        report: the result of the method `check`.
        written: library directories as the user wrote them; the daemon's roots where empty.
    """
    places = _Places(tuple(written) or tuple(_root_path(root) for root in report.get("roots", ())))
    for heading, entries in _groups(report, places):
        if entries:
            yield f"{heading} ({len(entries)})"
            yield from entries
            yield ""
    yield _summary(report)


def _root_path(root: Any) -> str:
    return root["path"] if isinstance(root, dict) else str(root)


class _Places:
    """Turns an id and a line into what an editor can open."""

    def __init__(self, roots: tuple[str, ...]) -> None:
        self._roots = roots

    def path(self, component: str) -> str:
        """`components/a.md` → `prompts/components/a.md`, in the first root that has it."""
        candidates = [str(Path(root) / component) for root in self._roots]
        if len(candidates) < 2:
            return candidates[0] if candidates else component
        return next((each for each in candidates if Path(each).exists()), component)

    def at(self, entry: dict[str, Any]) -> str:
        """`path:line: `, `path: ` where there is no line, nothing where it concerns no component."""
        parts = [self.path(entry["id"]) if entry["id"] else "", str(entry.get("line") or "")]
        place = ":".join(part for part in parts if part)
        return f"{place}: " if place else ""

    def link(self, link: str) -> str:
        """One link of a cycle, `a.md:3` or `a.md`, as `path:3`."""
        component, colon, line = link.rpartition(":")
        return f"{self.path(component)}:{line}" if colon and line.isdigit() else self.path(link)


def _groups(report: dict[str, Any], places: _Places) -> Iterator[tuple[str, list[str]]]:
    yield "Dangling includes", [_dangling(each, places) for each in report["dangling"]]
    yield "Missing sections", [_dangling(each, places) for each in report.get("missing_sections", ())]
    yield "Cycles", [_cycle(chain, places) for chain in report["cycles"]]
    yield "Invalid components", [places.at(each) + each["message"] for each in report["errors"]]
    yield "Warnings", [places.at(each) + each["message"] for each in report["warnings"]]
    yield "Unused", [places.path(each) for each in report["unused"]]


def _dangling(entry: dict[str, Any], places: _Places) -> str:
    reason = entry.get("reason") or "missing"
    return f"{places.at(entry)}{entry['target']} ({reason})"


def _cycle(chain: list[str], places: _Places) -> str:
    return f"{places.link(chain[0])}: " + " → ".join(chain)


def _summary(report: dict[str, Any]) -> str:
    problems = sum(len(report.get(key, ())) for key in _PROBLEMS)
    sections = report.get("missing_sections", ())
    found = f"Found {output.count(problems, 'problem')}" if problems else "No problems found"
    size = f"{output.count(report['components'], 'component')}, {output.count(report['edges'], 'edge')}"
    parts = [
        output.count(len(report["dangling"]), "dangling include"),
        *([output.count(len(sections), "missing section")] if sections else []),
        output.count(len(report["cycles"]), "cycle"),
        output.count(len(report["errors"]), "invalid component"),
        output.count(len(report["warnings"]), "warning"),
        f"{len(report['unused']):,} unused",
    ]
    return f"{found} in {size}: {', '.join(parts)}."
