"""`get`: print one component exactly as its file has it."""

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options
from promptd.cli.options import complete_component, warning_line


@click.command(
    epilog="""\b
Examples:
  promptd get components/reporting/findings
  promptd get commands/review-change --json | jq .metadata
  promptd get components/review/severity --span 0 40"""
)
@click.argument("name", shell_complete=complete_component)
@click.option(
    "--span",
    type=click.IntRange(min=0),
    nargs=2,
    metavar="START END",
    help="Print only these characters, for example a span that a manifest reports as removed.",
)
@json_option
@source_options
def get(name: str, span: tuple[int, int] | None, as_json: bool, where: Where) -> None:
    """Print a component as it is on disk.

    Includes and variables are not expanded.
    """
    result = ask(where, "get", {"name": name} | ({"span": span} if span else {}))
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    for diagnostic in reply["diagnostics"]:
        output.warn(warning_line({"id": reply["id"], **diagnostic}))
    output.emit_text(reply["text"])
