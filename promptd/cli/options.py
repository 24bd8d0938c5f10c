"""Options and small functions that several commands share: values, arguments, strategy, names, warnings.

An option is declared here once, so that it has one name and one help text in every command. What says which
daemon or library answers is in `backend`.
"""

from collections.abc import Mapping
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode
from promptd.errors import PromptdError


def parse_variables(_ctx: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """`("a=1", "b=")` → `{"a": "1", "b": ""}`."""
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, _) in zip(pairs, split, strict=True):
        if not name or not equals:
            raise click.BadParameter(f"expected NAME=VALUE, got {pair!r}.")
    return {name: value for name, _, value in split}


def complete_component(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids that begin with what was typed, from a running daemon; none without one.

    A key press must neither start a scan nor print an error. What holds a line break or anything else that
    cannot be seen is not offered, nor what would be taken for an option.
    """
    where = Where(socket=ctx.params.get("socket"), config_path=ctx.params.get("config_path"))
    try:
        found = decode(ask(where, "list"))["components"]
    except (PromptdError, OSError):
        return []
    ids = [each["id"] for each in found if each["id"].startswith(incomplete)]
    return [id for id in ids if output.plain(id) == id and not id.startswith(("-", "~"))]


variables_option = click.option(
    "--variable",
    "--var",
    "-v",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_variables,
    help="Set a variable. Repeat for more.",
)
arguments_option = click.option(
    "--arguments",
    "--args",
    "arguments",
    metavar="TEXT",
    help="Set $ARGUMENTS: the text a user types after the command.",
)
strategy_option = click.option(
    "--strategy",
    metavar="NAME",
    help="Optimise (compress): none, conservative, balanced, aggressive, progressive or a configured one.",
)
model_option = click.option(
    "--model", metavar="NAME", help="Estimate tokens and cost for this configured model."
)
reserve_option = click.option(
    "--reserve",
    type=click.IntRange(min=0),
    metavar="TOKENS",
    help="Keep this much of the budget free for the output.",
)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given: what is None or empty is not sent."""
    return {name: value for name, value in options.items() if value is not None and value != {}}


def warning_line(warning: Mapping[str, Any]) -> str:
    """`a.md:3: message`; the place is left out if the message contains it already."""
    place = ":".join(str(warning[key]) for key in ("id", "line") if warning.get(key))
    message: str = warning["message"]
    return message if not place or place in message else f"{place}: {message}"
