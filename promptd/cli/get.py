"""`get`: print one component exactly as its file has it."""

from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options
from promptd.cli.options import complete_component, given, warning_line


@click.command(
    epilog="""\b
Examples:
  promptd get components/reporting/findings
  promptd get commands/review-change --json | jq .metadata
  promptd get components/review/severity --span 0 40
  promptd get 'components/incident/levels#after-it'"""
)
@click.argument("name", shell_complete=complete_component)
@click.option(
    "--span",
    type=click.IntRange(min=0),
    nargs=2,
    metavar="START END",
    help="Print only these characters, for example a span that a manifest reports as removed.",
)
@click.option(
    "--section",
    metavar="NAME",
    help="Print only this section: a heading, or GitHub's anchor for it. NAME#SECTION means the same.",
)
@click.option(
    "--digest",
    metavar="SHA256",
    help="Fail if the text has changed: this is its SHA-256, or the first digits, as in a reference.",
)
@json_option
@source_options
def get(name: str, as_json: bool, where: Where, **options: Any) -> None:
    """Print a component as it is on disk.

    Includes and variables are not expanded.
    """
    result = ask(where, "get", {"name": name} | given(options))
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    for diagnostic in reply["diagnostics"]:
        output.warn(warning_line({"id": reply["id"], **diagnostic}))
    output.emit_text(reply["text"])
