"""`graph`: the dependency graph as DOT, Mermaid or JSON."""

from collections.abc import Callable
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, source_options
from promptd.cli.options import complete_component
from promptd.support import escape
from promptd.support.escape import dot, mermaid

GRAPH_FORMATS = ("dot", "mermaid", "json")
# Solid: text included in the prompt. Dashed: a reference. Dotted: a dependency named in front matter only.
_DOT_STYLE = {"includes": "solid", "reference": "dashed", "requires": "dotted"}
_MERMAID_ARROW = {"includes": "-->", "reference": "-.->", "requires": "-..->"}


@click.command(
    epilog="""\b
Examples:
  promptd graph --format dot | dot -Tsvg > library.svg
  promptd graph commands/review-change --format mermaid
  promptd graph --format json | jq '.edges | length'"""
)
@click.argument("name", required=False, shell_complete=complete_component)
@click.option(
    "--format",
    "form",
    type=click.Choice(GRAPH_FORMATS),
    default="dot",
    show_default=True,
    help="Choose the output format.",
)
@source_options
def graph(name: str | None, form: str, where: Where) -> None:
    """Print the dependency graph of the library, or of NAME."""
    result = ask(where, "graph", {"name": name} if name else {})
    if form == "json":
        output.emit_line(escape.json(result.decode()).encode())
        return
    reply = decode(result)
    output.emit("".join(f"{line}\n" for line in _RENDERERS[form](reply["nodes"], reply["edges"])).encode())


def as_dot(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> list[str]:
    """The graph in Graphviz's language, one statement a line."""
    lines = ["digraph promptd {", "  rankdir=LR;", "  node [shape=box, fontname=monospace];"]
    lines += [f"  {dot(node['id'])};" for node in nodes]
    for edge in edges:
        style = _DOT_STYLE.get(edge["kind"], "solid")
        ends = f"{dot(edge['source'])} -> {dot(edge['target'])}"
        lines.append(f"  {ends} [style={style}{_line_label(edge)}];")
    return [*lines, "}"]


def _line_label(edge: dict[str, Any]) -> str:
    return f', label="{edge["line"]}"' if edge.get("line") else ""


def as_mermaid(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> list[str]:
    """The graph as a Mermaid flowchart; nodes get short names because ids hold reserved characters."""
    names = {node["id"]: f"n{number}" for number, node in enumerate(nodes)}
    for edge in edges:
        for end in ("source", "target"):
            names.setdefault(edge[end], f"n{len(names)}")
    lines = ["flowchart LR", *(f"  {name}[{mermaid(each)}]" for each, name in names.items())]
    lines += [
        f"  {names[edge['source']]} {_MERMAID_ARROW.get(edge['kind'], '-->')} {names[edge['target']]}"
        for edge in edges
    ]
    return lines


_RENDERERS: dict[str, Callable[[list[dict[str, Any]], list[dict[str, Any]]], list[str]]] = {
    "dot": as_dot,
    "mermaid": as_mermaid,
}
