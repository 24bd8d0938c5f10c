"""`assemble`: print an assembled prompt, and nothing but the prompt, on stdout."""

from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, ask, decode, json_option, source_options
from promptd.cli.exits import Exit
from promptd.cli.options import (
    arguments_option,
    complete_component,
    given,
    model_option,
    reserve_option,
    strategy_option,
    variables_option,
    warning_line,
)

FORMATS = ("anthropic", "openai")


@click.command(
    epilog="""\b
Examples:
  promptd assemble commands/review-change --variable project_name=Harbour --arguments "HEAD~1 security"
  promptd assemble agents/reviewer components/reporting/findings > prompt.md
  promptd assemble commands/review-change --variable project_name=Harbour --json | jq .tokens
  promptd assemble agents/reviewer --strategy balanced --budget 8000
  promptd assemble commands/hello --library prompts --variable name=Ada   # without a daemon"""
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_component)
@variables_option
@arguments_option
@strategy_option
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Limit the prompt to this many tokens; components are shortened, referenced or dropped to fit.",
)
@reserve_option
@model_option
@click.option("--format", type=click.Choice(FORMATS), help="Print the provider's blocks or messages as JSON.")
@click.option(
    "--stable-first/--no-stable-first",
    default=None,
    help="Move components without variables to the front for prompt caching, or keep the written order.",
)
@click.option("--strict", is_flag=True, help="Treat a warning as an error: print no prompt, exit with 65.")
@json_option
@source_options
def assemble(names: tuple[str, ...], strict: bool, as_json: bool, where: Where, **options: Any) -> None:
    """Assemble a prompt and print it.

    Several NAMEs are assembled in order into one prompt. Warnings go to stderr.
    """
    which: dict[str, Any] = {"name": names[0]} if len(names) == 1 else {"components": list(names)}
    result = ask(where, "assemble", which | given(options))
    reply = decode(result)
    for warning in reply["warnings"]:
        output.warn(warning_line(warning))
    if strict and (found := len(reply["warnings"])):
        output.fail(f"{output.count(found, 'warning')}; with --strict the prompt is not printed")
        raise SystemExit(int(Exit.DATA))
    if "progressive" in reply:
        from promptd.cli.token_tree import disclosure_lines

        output.note(f"promptd: {' '.join(disclosure_lines(reply))}")
    if as_json:
        output.emit_line(result)
    elif "text" in reply:
        output.emit_text(reply["text"])
    else:
        output.emit_json(reply["system" if "system" in reply else "messages"])
