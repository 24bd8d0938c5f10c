"""`report`, the command: write the snapshot and the history of a daemon as one HTML file."""

from pathlib import Path

import click

from promptd.cli import output
from promptd.cli.backend import config_option
from promptd.cli.health import FILE_NAME, read, snapshot_path
from promptd.errors import Unavailable


@click.command(
    epilog="""\b
Examples:
  promptd report --html report.html
  promptd report --html - --state state > report.html"""
)
@click.option(
    "--html", "target", required=True, metavar="FILE", help='Write the page to FILE; "-" is stdout.'
)
@click.option(
    "--state",
    "state",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Read health.json and history.jsonl from this state directory (default: as configured).",
)
@config_option
def report(target: str, state: str | None, config_path: str | None) -> None:
    """Write a self-contained HTML page: charts, targets, alerts.

    It is made from the daemon's state files and works when the daemon is down.
    """
    from promptd.cli.report.page import page
    from promptd.monitor.history import read as read_history

    path = Path(state) / FILE_NAME if state else snapshot_path(config_path)
    try:
        text = page(read(path), read_history(path.parent))
    except (OSError, ValueError) as problem:
        raise Unavailable(
            f"cannot read the health snapshot: {problem}; name the daemon's state directory with --state DIR"
        ) from None
    if target == "-":
        output.emit(text.encode())
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.FileError(target, problem.strerror or str(problem)) from None
    output.note(f"wrote {target}")
