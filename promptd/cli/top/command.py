"""`top`, the command: ask the daemon, draw, wait for a key, repeat."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, daemon_options, decode
from promptd.cli.token_tree import assemble_unfilled
from promptd.cli.top.state import TopState
from promptd.errors import PromptdError, Unavailable

if TYPE_CHECKING:
    from promptd.client import Client

PIPE_WIDTH, PIPE_HEIGHT = 80, 24


@click.command(
    epilog="""\b
Examples:
  promptd top
  promptd top --interval 5    # ask less often
  promptd top --once          # print one page, for a pipe or a log

Keys: arrows or j k select, Enter opens the token tree of a prompt, s changes the sort column, / filters, Esc
goes back, q quits. Set NO_COLOR to turn colour off."""
)
@click.option("--once", is_flag=True, help="Print one page and exit (default if stdout is not a terminal).")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Ask the daemon this often.",
)
@daemon_options
def top(once: bool, interval_s: float, where: Where) -> None:
    """Watch latency, cache hit ratio, prompts and alerts live."""
    from promptd.client import Client

    with Client(where.socket_path()) as client:
        state = TopState()
        state.take(_health(client))
        if once or not (output.is_terminal(sys.stdout) and output.is_terminal(sys.stdin)):
            _print(state)
        else:
            _live(client, state, interval_s)


def _health(client: "Client") -> dict[str, Any]:
    found: dict[str, Any] = decode(client.call("health", {}))
    return found


def _print(state: TopState) -> None:
    """One page as high as it needs to be, at the terminal's width or 80."""
    from rich.text import Text

    from promptd.cli.top.screen import frame

    is_terminal = output.is_terminal(sys.stdout)
    width = output.console().width if is_terminal else PIPE_WIDTH
    height = max(PIPE_HEIGHT, len(state.rows()) + 12)
    lines = frame(state, width, height)[:-1]  # without the keys
    shown = [line for line in lines if line.plain.strip()]
    output.draw(Text("\n").join(shown))


def _live(client: "Client", state: TopState, interval_s: float) -> None:
    """Draw until `q`, Ctrl-C or the end of the terminal; if the daemon goes away, wait for it."""
    from rich.console import Group

    from promptd.cli.top.keyboard import raw_keys, wait_for_keys
    from promptd.cli.top.screen import frame

    console = output.console()
    due_s = time.monotonic() + interval_s
    with raw_keys() as keyboard, console.screen(hide_cursor=True) as screen:
        while True:
            screen.update(output.Safe(Group(*frame(state, *console.size))))
            try:
                keys = wait_for_keys(keyboard, max(due_s - time.monotonic(), 0.0))
            except (EOFError, OSError, KeyboardInterrupt):
                return
            for key in keys:
                action = state.press(key)
                if action == "quit":
                    return
                if action == "open":
                    _open(client, state)
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + interval_s
                _refresh(client, state)


def _refresh(client: "Client", state: TopState) -> None:
    try:
        state.take(_health(client))
    except Unavailable:
        state.trouble = "the daemon does not answer; waiting for it"
    except PromptdError as error:
        state.trouble = error.message


def _open(client: "Client", state: TopState) -> None:
    """Assemble the selected prompt and show its tree; required variables stay as written."""
    row = state.selected()
    if row is None:
        return
    try:
        state.open(decode(assemble_unfilled(client.call, {"name": row["name"]})))
    except PromptdError as error:
        state.trouble = error.message
