"""`assemble` and `get`: text out of the library, and nothing but that text on stdout."""

import json
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import (
    Where,
    ask,
    decode,
    json_option,
    source_options,
)
from promptd.cli.completion import complete_component

FORMATS = ("anthropic", "openai")


def parse_variables(_ctx: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """`("a=1", "b=")` → `{"a": "1", "b": ""}`."""
    for pair in pairs:
        if not pair.partition("=")[1] or pair.startswith("="):
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


@click.command(
    epilog="""\b
Examples:
  promptd assemble commands/review-change --var project_name=Harbour --args "HEAD~1 security"
  promptd assemble agents/reviewer components/reporting/report-format > prompt.md
  promptd assemble commands/review-change --json | jq .tokens
  promptd assemble commands/review-change --strategy balanced --budget 8000
  promptd assemble --no-daemon --library prompts commands/hello"""
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_component)
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", callback=parse_variables,
              help="Value of a variable. May be repeated.")  # fmt: skip
@click.option("--args", "arguments", metavar="TEXT", help="Arguments, as typed after the command.")
@click.option("--strategy", metavar="NAME", help="Optimisation strategy.")
@click.option("--budget", type=click.IntRange(min=1), metavar="TOKENS",
              help="Most tokens; components are shortened, referenced or dropped until it fits.")  # fmt: skip
@click.option(
    "--reserve", type=click.IntRange(min=0), metavar="TOKENS", help="Of the budget, kept for output."
)
@click.option("--model", metavar="NAME", help="A configured model, for estimates and money.")
@click.option("--format", type=click.Choice(FORMATS), help="Print a provider's blocks or messages as JSON.")
@click.option("--stable-first/--no-stable-first", default=None,
              help="Let pieces without values come first, or never, whatever authors allow.")  # fmt: skip
@json_option
@source_options
def assemble(
    names: tuple[str, ...], variables: dict[str, str], as_json: bool, where: Where, **options: Any
) -> None:
    """Print the assembled prompt, and nothing else, on stdout.

    Warnings (a missing include, a chain too deep) go to stderr. Several NAMEs are assembled in order.
    """
    params: dict[str, Any] = {"name": names[0]} if len(names) == 1 else {"components": list(names)}
    if variables:
        params["variables"] = variables
    params |= {name: value for name, value in options.items() if value is not None}
    result = ask(where, "assemble", params)
    reply = decode(result)
    for warning in reply["warnings"]:
        output.warn(warning_line(warning))
    if as_json:
        output.emit_line(result)
    elif "text" in reply:
        output.emit(reply["text"].encode())
    else:
        output.emit_line(json.dumps(reply["system" if "system" in reply else "messages"], ensure_ascii=False))


def warning_line(warning: dict[str, Any]) -> str:
    """`a.md:3: message`; the place is left out where the message names it already."""
    place = ":".join(str(warning[key]) for key in ("id", "line") if warning.get(key))
    message: str = warning["message"]
    return message if not place or place in message else f"{place}: {message}"


@click.command(
    epilog="""\b
Examples:
  promptd get components/reporting/report-format
  promptd get commands/review-change --json | jq .metadata"""
)
@click.argument("name", shell_complete=complete_component)
@click.option("--span", type=click.IntRange(min=0), nargs=2, metavar="START END",
              help="Only these characters: what a manifest says was removed.")  # fmt: skip
@json_option
@source_options
def get(name: str, span: tuple[int, int] | None, as_json: bool, where: Where) -> None:
    """Print one component as its file has it, with nothing expanded."""
    result = ask(where, "get", {"name": name} | ({"span": span} if span else {}))
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    for diagnostic in reply["diagnostics"]:
        output.warn(warning_line({"id": reply["id"], **diagnostic}))
    output.emit(reply["text"].encode())
