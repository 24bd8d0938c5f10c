"""`reload`: make the daemon read its configuration again."""

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, daemon_options, decode, json_option


@click.command(
    epilog="""\b
Examples:
  promptd reload
  systemctl reload promptd    # the same, through systemd"""
)
@json_option
@daemon_options
def reload(as_json: bool, where: Where) -> None:
    """Reload the daemon's configuration.

    Returns when the new configuration is in effect.
    """
    result = ask(where, "reload")
    reply = decode(result)
    changed = ", ".join(reply["changed_keys"]) or "nothing changed"
    output.emit_line(result if as_json else f"reloaded: {changed} ({output.revision(reply['clock'])})")
    if later := reply.get("restart_keys"):
        output.warn(f"restart the daemon to apply: {', '.join(later)}")
