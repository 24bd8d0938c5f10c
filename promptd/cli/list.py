"""`list`: the components of the library, as a table on a terminal and as one id a line in a pipe."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options


@click.command(
    "list",
    epilog="""\b
Examples:
  promptd list
  promptd list 'commands/**'
  promptd list 'agents/**' | xargs -n1 promptd tokens
  promptd list --json | jq -r '.components[] | "\\(.size_bytes) \\(.id)"'""",
)
@click.argument("glob", required=False)
@json_option
@source_options
def list_components(glob: str | None, as_json: bool, where: Where) -> None:
    """List the components that match GLOB (default: all).

    `*` matches within a directory, `**` across directories. In a pipe the output is one id a line.
    """
    result = ask(where, "list", {"glob": glob} if glob else {})
    if as_json:
        output.emit_line(result)
        return
    components = decode(result)["components"]
    if glob and not components:
        output.warn(f"no component matches {glob!r}; promptd list shows all")
    if output.is_terminal(sys.stdout):
        output.draw(_table(components))
    else:
        output.emit_lines(each["id"] for each in components)


def _table(components: Sequence[dict[str, Any]]) -> Any:
    table = output.table("component", ">bytes", ">dependencies", ">dependents", expand=True)
    table.add_column("description", no_wrap=True, ratio=1)  # what is left of the line
    for each in components:
        counts = (f"{each[key]:,}" for key in ("size_bytes", "dependencies", "dependents"))
        table.add_row(output.cell(each["id"]), *counts, _about(each))
    return table


def _about(component: dict[str, Any]) -> Any:
    """The error of a component, or its description."""
    if component.get("error"):
        return output.cell(component["error"], "red")
    return output.cell(component.get("description") or "", "dim")
