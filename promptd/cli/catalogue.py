"""`list`, `changes` and `deps`: what the library holds, what became different, what pulls in what.

On a terminal a list is a table; in a pipe it is one id a line, so that it can be fed to other
programs. `--json` is the daemon's result as it is.
"""

import sys
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import (
    Where,
    ask,
    decode,
    json_option,
    source_options,
)
from promptd.cli.completion import complete_component


@click.command(
    "list",
    epilog="""\b
Examples:
  promptd list
  promptd list 'commands/**'
  promptd list 'commands/**' | xargs -n1 promptd assemble --json | jq -r '"\\(.tokens) \\(.name)"'""",
)
@click.argument("glob", required=False)
@json_option
@source_options
def list_components(glob: str | None, as_json: bool, where: Where) -> None:
    """List the components that GLOB matches (default: all).

    A table on a terminal, one id a line in a pipe. `*` stays inside a directory, `**` does not.
    """
    result = ask(where, "list", {"glob": glob} if glob else {})
    if as_json:
        output.emit_line(result)
        return
    components = decode(result)["components"]
    if output.is_terminal(sys.stdout):
        output.draw(_table(components))
    else:
        output.emit_lines(each["id"] for each in components)


def _table(components: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("component", no_wrap=True)
    for heading in ("bytes", "dependencies", "dependents"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("description", no_wrap=True, ratio=1)  # what is left of the line
    for each in components:
        counts = (f"{each[key]:,}" for key in ("size_bytes", "dependencies", "dependents"))
        table.add_row(Text(output.plain(each["id"])), *counts, _about(each))
    return table


def _about(component: dict[str, Any]) -> Any:
    """What is wrong with a component, or what it is for."""
    from rich.text import Text

    if component.get("error"):
        return Text(output.plain(component["error"]), "red")
    return Text(output.plain(component.get("description") or ""), "dim")


@click.command(
    epilog="""\b
Examples:
  promptd changes
  promptd changes --json | jq -r .clock                 what to ask with the next time
  promptd changes c:1a2b-18c9f0e1d2c3-1:42
  promptd changes "$(cat clock)" | grep -q . && echo 'something is different'"""
)
@click.argument("since", metavar="[CLOCK]", required=False)
@json_option
@source_options
def changes(since: str | None, as_json: bool, where: Where) -> None:
    """List what was added, changed or removed since CLOCK, a `clock` of an earlier answer.

    One line a component: `+` or `-` and its id. Without a CLOCK, or if it is of a daemon that was restarted
    or reloaded since, everything is listed, and stderr says so.
    """
    if since is not None and not since.startswith("c:"):
        raise click.BadParameter(
            f"{since!r} is no clock: it is the `clock` of an earlier answer, as c:1f-2a-1:7"
        )
    result = ask(where, "changes", {"since": since} if since is not None else {})
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    if since is None:
        output.note(f"everything there is, as of {reply['clock']}: ask with that the next time")
    elif reply["full_resync"]:
        output.warn(f"{since} is of another daemon or too old; this is the whole list")
    output.emit_lines([f"+ {each['id']}" for each in reply["components"]])
    output.emit_lines([f"- {id}" for id in reply["removed"]])


@click.command(
    epilog="""\b
Examples:
  promptd deps commands/review-change --tree
  promptd deps components/reporting/report-format --reverse"""
)
@click.argument("name", shell_complete=complete_component)
@click.option("--reverse", is_flag=True, help="What depends on it, in place of what it depends on.")
@click.option("--tree", is_flag=True, help="Draw the tree with the line of each directive.")
@click.option("--depth", type=click.IntRange(min=1), help="Look no deeper than this many steps.")
@json_option
@source_options
def deps(name: str, reverse: bool, tree: bool, depth: int | None, as_json: bool, where: Where) -> None:
    """List what a component pulls in, directly or through others."""
    params = {"name": name} | ({"depth": depth} if depth else {})
    result = ask(where, "dependents" if reverse else "dependencies", params)
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    if tree:
        output.draw(_tree(reply["tree"]))
    else:
        output.emit_lines(each for each in reply["ids"] if each != reply["name"])


def _tree(node: dict[str, Any]) -> Any:
    """The tree of a reply as rich draws it; iterative, because a library may be deep."""
    from rich.tree import Tree

    top = Tree(_label(node), guide_style="dim")
    todo = [(top, node)]
    while todo:
        branch, parent = todo.pop()
        todo += [(branch.add(_label(child)), child) for child in parent.get("children", ())]
    return top


def _label(node: dict[str, Any]) -> Any:
    from rich.text import Text

    label = Text(node["id"])
    marks = [node["kind"]] if node.get("kind", "includes") != "includes" else []
    marks += [mark for mark in ("cycle", "truncated") if node.get(mark)]
    label.append("".join(f" [{mark}]" for mark in marks), "yellow")
    if node.get("line"):
        label.append(f"  line {node['line']}", "dim")
    return label
