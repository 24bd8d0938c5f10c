"""`changes`: what was added, changed or removed since the `clock` of an earlier response."""

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options


@click.command(
    epilog="""\b
Examples:
  promptd changes
  promptd changes --json | jq -r .clock > clock    # the clock to ask with next time
  promptd changes "$(cat clock)"
  promptd changes c:1f-2a-1:7"""
)
@click.argument("since", metavar="[CLOCK]", required=False)
@json_option
@source_options
def changes(since: str | None, as_json: bool, where: Where) -> None:
    """List the components that changed since CLOCK.

    CLOCK is the `clock` of an earlier response. Each line is `+` (added or changed) or `-` (removed) and an
    id. Without a CLOCK, or if the daemon was restarted or reloaded since, the whole list is printed and
    stderr says so.
    """
    if since is not None and not since.startswith("c:"):
        raise click.UsageError(
            f"not a clock: {since!r}; use the `clock` of an earlier response, for example c:1f-2a-1:7"
        )
    result = ask(where, "changes", {"since": since} if since is not None else {})
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    if since is None:
        output.note(f"whole list; for changes from now on: promptd changes {reply['clock']}")
    elif reply["full_resync"]:
        output.warn(f"full resync: {since} is too old or from another daemon; this is the whole list")
    output.emit_lines([f"+ {each['id']}" for each in reply["components"]])
    output.emit_lines([f"- {id}" for id in reply["removed"]])
