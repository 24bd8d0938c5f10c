"""What `dependencies` and `dependents` share: their options, and the reply as a list or a tree."""

from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode

tree_option = click.option("--tree", is_flag=True, help="Draw a tree with the line of each directive.")
depth_option = click.option("--depth", type=click.IntRange(min=1), help="Stop after this many steps.")


def print_edges(
    where: Where, method: str, name: str, depth: int | None, *, tree: bool, as_json: bool
) -> None:
    """Ask for the edges in one direction and print them: ids, a tree, or the result as it is."""
    result = ask(where, method, {"name": name} | ({"depth": depth} if depth else {}))
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
    label = output.cell(node["id"])
    marks = [node["kind"]] if node.get("kind", "includes") != "includes" else []
    marks += [mark for mark in ("cycle", "truncated") if node.get(mark)]
    label.append("".join(f" [{mark}]" for mark in marks), "yellow")
    if node.get("line"):
        label.append(f"  line {node['line']}", "dim")
    return label
