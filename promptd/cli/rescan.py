"""`rescan`: make the daemon compare its library with the disk now."""

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, daemon_options, decode, json_option


@click.command(
    epilog="""\b
Examples:
  promptd rescan
  promptd rescan --json | jq .changed"""
)
@json_option
@daemon_options
def rescan(as_json: bool, where: Where) -> None:
    """Rescan the library now.

    The daemon does this by itself at intervals and after file events. Returns when every change is applied.
    """
    result = ask(where, "rescan")
    reply = decode(result)
    counts = ", ".join(f"{reply[key]} {key}" for key in ("changed", "added", "removed"))
    output.emit_line(result if as_json else f"rescanned: {counts} ({output.revision(reply['clock'])})")
