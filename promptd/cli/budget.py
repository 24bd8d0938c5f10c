"""`budget`: what a token budget does to each component of a prompt, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options
from promptd.cli.options import (
    arguments_option,
    complete_component,
    given,
    model_option,
    reserve_option,
    strategy_option,
    variables_option,
)
from promptd.cli.token_tree import estimate_lines


@click.command(
    epilog="""\b
Examples:
  promptd budget agents/reviewer --budget 400
  promptd budget commands/review-change --variable project_name=Harbour --budget 8000 --reserve 2000
  promptd budget agents/reviewer --budget 800 --strategy balanced --json | jq .allocation"""
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_component)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    required=True,
    metavar="TOKENS",
    help="Limit the prompt to this many tokens.",
)
@reserve_option
@strategy_option
@model_option
@variables_option
@arguments_option
@json_option
@source_options
def budget(names: tuple[str, ...], as_json: bool, where: Where, **options: Any) -> None:
    """Show how a budget changes each component of a prompt.

    Several NAMEs are one prompt, as in `assemble`. The last column says why. Fails with the smallest possible
    budget if nothing fits.
    """
    which: dict[str, Any] = {"name": names[0]} if len(names) == 1 else {"components": list(names)}
    result = ask(where, "assemble", which | given(options))
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    output.draw(_allocation(reply["allocation"]))
    output.emit_lines(_summary(reply))


def _allocation(rows: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("component", overflow="fold")
    table.add_column("priority", justify="right", no_wrap=True)
    table.add_column("variant", no_wrap=True)
    for heading in ("tokens", "of", "quality"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        cells = (*map(output.cell, _choice(row)), output.cell(row["why"], "dim"))
        table.add_row(output.cell("  " * row["depth"] + row["id"]), f"{row['priority']:g}", *cells)
    return table


def _choice(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Variant, tokens, tokens before and quality; dashes if the component has no text to choose from."""
    figures = (f"{row['tokens']:,}", f"{row['tokens_source']:,}")
    if not row["tokens_source"]:
        return ("-", *figures, "-")
    return (row["variant"], *figures, f"{row['quality']:.3f}")


def _summary(reply: Mapping[str, Any]) -> list[str]:
    """The lines below the table: the sum, what the whole prompt kept, and the model's estimate."""
    reserved = f" - {reply['reserve']:,} reserved for the output" if reply["reserve"] else ""
    gap = reply["allocation_gap"]
    bound = f"; the best choice keeps at most {gap:.1%} more" if gap else ""
    kept = ", ".join(f"{name} {share:.3f}" for name, share in reply["quality"].items())
    return [
        "",
        f"{reply['tokens']:,} of {reply['tokens_source']:,} tokens ({reply['encoding']}),"
        f" budget {reply['budget']:,}{reserved}{bound}",
        f"kept: {kept}",
        *estimate_lines(reply),
    ]
