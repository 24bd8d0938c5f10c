"""`dependents`: the components that include or refer to a component."""

import click

from promptd.cli.backend import Where, json_option, source_options
from promptd.cli.edges import depth_option, print_edges, tree_option
from promptd.cli.options import complete_component


@click.command(
    epilog="""\b
Examples:
  promptd dependents components/reporting/findings
  promptd dependents components/review/severity --tree"""
)
@click.argument("name", shell_complete=complete_component)
@tree_option
@depth_option
@json_option
@source_options
def dependents(name: str, tree: bool, depth: int | None, as_json: bool, where: Where) -> None:
    """List the dependents of a component, direct and indirect.

    Their text changes if the component changes.
    """
    print_edges(where, "dependents", name, depth, tree=tree, as_json=as_json)
