"""`socket`: print the path of the socket that every command connects to."""

import click

from promptd.cli import output
from promptd.cli.backend import Where, daemon_options


@click.command(
    epilog="""\b
Examples:
  promptd socket
  socat - "UNIX-CONNECT:$(promptd socket)" """
)
@daemon_options
def socket(where: Where) -> None:
    """Print the path of the daemon's socket.

    The first of these that is set: --socket, $PROMPTD_SOCKET, serve.socket in the configuration. Otherwise
    the first that exists: $XDG_RUNTIME_DIR/promptd/promptd.sock, /run/promptd/promptd.sock.
    """
    output.emit_line(where.socket_path())
