"""Commands that tell a running daemon to do something, and the one that says where it listens."""

import click

from promptd.cli import output
from promptd.cli.backend import (
    Where,
    ask,
    config_option,
    decode,
    json_option,
    socket_option,
)


@click.command(
    epilog="""\b
Examples:
  promptd reload
  systemctl reload promptd        the same, through systemd"""
)
@json_option
@socket_option
@config_option
def reload(as_json: bool, socket: str | None, config_path: str | None) -> None:
    """Make the daemon read its configuration again.

    Returns when the daemon answers by it.
    """
    result = ask(Where(socket=socket, config_path=config_path), "reload")
    reply = decode(result)
    changed = ", ".join(reply["changed_keys"]) or "nothing changed"
    output.emit_line(result if as_json else f"reloaded: {changed} ({_revision(reply)})")
    if later := reply.get("restart_keys"):
        output.warn(f"these take effect at the next start: {', '.join(later)}")


@click.command(epilog="\b\nExamples:\n  promptd reconcile")
@json_option
@socket_option
@config_option
def reconcile(as_json: bool, socket: str | None, config_path: str | None) -> None:
    """Make the daemon compare what it holds with the disk.

    Returns when the differences, if any, are applied.
    """
    result = ask(Where(socket=socket, config_path=config_path), "rescan")
    reply = decode(result)
    counts = ", ".join(f"{reply[key]} {key}" for key in ("changed", "added", "removed"))
    output.emit_line(result if as_json else f"reconciled: {counts} ({_revision(reply)})")


def _revision(reply: dict[str, str]) -> str:
    """The last part of the clock, which counts the changes that were applied."""
    return f"revision {reply['clock'].rpartition(':')[2]}"


@click.command(
    epilog="""\b
Examples:
  promptd sockname
  socat - "UNIX-CONNECT:$(promptd sockname)" """
)
@socket_option
@config_option
def sockname(socket: str | None, config_path: str | None) -> None:
    """Print the path of the daemon's socket.

    That is the first of --socket, $PROMPTD_SOCKET, the configuration, and of
    $XDG_RUNTIME_DIR/promptd/promptd.sock and /run/promptd/promptd.sock the first that exists.
    """
    output.emit_line(Where(socket=socket, config_path=config_path).socket_path())
