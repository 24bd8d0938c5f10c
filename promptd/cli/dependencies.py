"""`dependencies`: the components that a component includes or refers to; `deps` is a short name for it."""

import click

from promptd.cli.backend import Where, json_option, source_options
from promptd.cli.edges import depth_option, print_edges, tree_option
from promptd.cli.options import complete_component


@click.command(
    epilog="""\b
Examples:
  promptd dependencies commands/review-change
  promptd dependencies commands/review-change --tree
  promptd dependencies agents/reviewer --depth 1 --json | jq .ids"""
)
@click.argument("name", shell_complete=complete_component)
@tree_option
@depth_option
@json_option
@source_options
def dependencies(name: str, tree: bool, depth: int | None, as_json: bool, where: Where) -> None:
    """List the dependencies of a component, direct and indirect."""
    print_edges(where, "dependencies", name, depth, tree=tree, as_json=as_json)


@click.command(
    hidden=True,
    epilog="""\b
Examples:
  promptd deps commands/review-change
  promptd deps components/reporting/findings --reverse""",
)
@click.argument("name", shell_complete=complete_component)
@click.option("--reverse", is_flag=True, help="List dependents instead.")
@tree_option
@depth_option
@json_option
@source_options
def deps(name: str, reverse: bool, tree: bool, depth: int | None, as_json: bool, where: Where) -> None:
    """List the dependencies of a component; short for `promptd dependencies`."""
    method = "dependents" if reverse else "dependencies"
    print_edges(where, method, name, depth, tree=tree, as_json=as_json)
