"""`budget` and `tokens`: where the tokens of a prompt go, what a budget would do, and a gate for CI.

All figures come from the manifest and the allocation of an assembled prompt, so that they are those of
every other reply. Results go to stdout; what exceeds a budget makes `tokens --check` exit with 1.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import (
    Backend,
    Where,
    ask,
    decode,
    json_option,
    open_source,
    source_options,
)
from promptd.cli.completion import complete_component
from promptd.cli.exits import Exit
from promptd.cli.prompts import parse_variables, warning_line
from promptd.errors import MissingVariable, PromptdError

MAX_UNFILLED = 100  # variables of one prompt that `--check` leaves as written

variables_option = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_variables,
    help="Value of a variable. May be repeated.",
)
strategy_option = click.option("--strategy", metavar="NAME", help="Optimisation strategy.")
model_option = click.option(
    "--model", metavar="NAME", help="A configured model, for an estimate of its count."
)


@click.command(
    epilog="""\b
Examples:
  promptd budget commands/review-change --budget 4000
  promptd budget commands/review-change --budget 8000 --reserve 2000 --strategy balanced"""
)
@click.argument("name", shell_complete=complete_component)
@click.option("--budget", type=click.IntRange(min=1), required=True, metavar="TOKENS", help="Most tokens.")
@click.option("--reserve", type=click.IntRange(min=0), metavar="TOKENS", help="Of them kept for output.")
@strategy_option
@model_option
@variables_option
@click.option("--args", "arguments", metavar="TEXT", help="Arguments, as typed after the command.")
@json_option
@source_options
def budget(name: str, as_json: bool, where: Where, **options: Any) -> None:
    """Show what a budget does to each component of a prompt, and why.

    Fails if no choice would fit, and says the smallest budget that fits.
    """
    params = {"name": name} | {key: value for key, value in options.items() if value is not None}
    result = ask(where, "assemble", params)
    if as_json:
        output.emit_line(result)
        return
    reply = decode(result)
    output.draw(_allocation(reply["allocation"]))
    output.emit_line(_summary(reply))


def _allocation(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("component", overflow="fold")
    table.add_column("priority", justify="right", no_wrap=True)
    table.add_column("variant", no_wrap=True)
    for heading in ("tokens", "of", "quality"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        variant, quality = row["variant"], f"{row['quality']:.3f}"
        if not row["tokens_source"]:  # missing, or empty: there was nothing to choose
            variant = quality = "-"
        figures = (f"{row['tokens']:,}", f"{row['tokens_source']:,}", quality)
        cells = (f"{row['priority']:g}", variant, *figures, Text(row["why"], "dim"))
        table.add_row(Text("  " * row["depth"] + row["id"]), *cells)
    return table


def _summary(reply: Mapping[str, Any]) -> str:
    """Two lines below the table: the sum, and what the whole prompt kept."""
    kept = f" - {reply['reserve']:,} kept for output" if reply["reserve"] else ""
    gap = reply["allocation_gap"]
    optimal = "" if not gap else f"; no choice keeps more than {gap:.1%} more"
    quality = ", ".join(f"{name} {share:.3f}" for name, share in reply["quality"].items())
    return (
        f"\n{reply['tokens']:,} of {reply['tokens_source']:,} tokens ({reply['encoding']}), budget"
        f" {reply['budget']:,}{kept}{optimal}\nkept: {quality}"
        + "".join(f"\n{estimate}" for estimate in _estimates(reply))
    )


def _estimates(reply: Mapping[str, Any]) -> Iterator[str]:
    """What the model itself would count, with the factor that says so; nothing where no model is named."""
    if found := reply.get("estimate"):
        yield (
            f"about {found['tokens_estimated']:,} tokens of {found['model']}"
            f" = {found['tokens']:,} ({found['encoding']}) x {found['calibration']:g}"
        )


@click.command(
    epilog="""\b
Examples:
  promptd tokens commands/review-change
  promptd tokens commands/review-change --tree
  promptd tokens commands/review-change --model claude-sonnet-4-5
  promptd tokens 'commands/**' --check --budget 8000"""
)
@click.argument("name", required=False, metavar="[NAME | GLOB]", shell_complete=complete_component)
@click.option("--tree", is_flag=True, help="Draw the includes with their own and cumulative tokens.")
@click.option("--check", is_flag=True, help="Exit with 1 if a prompt that GLOB matches exceeds --budget.")
@click.option("--budget", type=click.IntRange(min=1), metavar="TOKENS", help="Most tokens, for --check.")
@strategy_option
@model_option
@variables_option
@click.option("--args", "arguments", metavar="TEXT", help="Arguments, as typed after the command.")
@json_option
@source_options
def tokens(
    name: str | None,
    tree: bool,
    check: bool,
    budget: int | None,
    as_json: bool,
    where: Where,
    **asked: Any,
) -> None:
    """Count the tokens of a prompt, exactly.

    With --check every prompt that GLOB matches (default: all) is counted; a required variable without a
    value counts as it is written.
    """
    asked = {key: value for key, value in asked.items() if value}
    if check:
        if budget is None:
            raise click.UsageError("--check needs --budget TOKENS.")
        _check(where, name or "**", budget, asked, as_json=as_json)
        return
    if name is None:
        raise click.UsageError("Name a prompt, or use --check.")
    if budget is not None:
        raise click.UsageError("--budget is for --check; `promptd budget NAME` shows what a budget does.")
    result = ask(where, "assemble", {"name": name, **asked})
    reply = decode(result)
    for warning in reply["warnings"]:
        output.warn(warning_line(warning))
    if as_json:
        output.emit_line(result)
    elif tree:
        output.draw(_tree(reply))
    else:
        output.emit_line(str(reply["tokens"]))
    for line in () if as_json else _estimates(reply):
        output.note(line)


# -- the tree -----------------------------------------------------------------------------------


def _tree(reply: Mapping[str, Any]) -> Any:
    """The include tree of a manifest, each entry with what it has itself and with all it includes."""
    from rich.tree import Tree

    whole = max(reply["tokens"], 1)
    top = Tree(f"{reply['tokens']:,} tokens ({reply['encoding']})", guide_style="dim")
    branches = [top]
    for entry, own in zip(reply["manifest"], own_tokens(reply["manifest"]), strict=True):
        del branches[len(entry["chain"]) + 1 :]
        branches.append(branches[-1].add(_label(entry, own, whole)))
    return top


def own_tokens(manifest: list[dict[str, Any]]) -> list[int]:
    """Tokens of each entry without those of the entries right below it.

    Where texts meet inside a line the difference may be a token off; sums of whole entries are exact.
    """
    own = [entry["tokens"] for entry in manifest]
    above: list[int] = []
    for index, entry in enumerate(manifest):
        del above[len(entry["chain"]) :]
        if above:
            own[above[-1]] -= entry["tokens"]
        above.append(index)
    return [max(each, 0) for each in own]


def _label(entry: Mapping[str, Any], own: int, whole: int) -> Any:
    from rich.text import Text

    label = Text(entry["id"])
    if entry["reason"] != "included":
        label.append(f" [{entry['reason']}]", "yellow")
    share = entry["tokens"] / whole
    label.append(f"  own {own:,}  all {entry['tokens']:,}  {share:.1%}", "dim")
    return label


# -- the gate -----------------------------------------------------------------------------------


def _check(where: Where, glob: str, budget: int, asked: Mapping[str, Any], *, as_json: bool) -> None:
    with open_source(where) as source:
        ids = [each["id"] for each in decode(source.call("list", {"glob": glob}))["components"]]
        counted = [_counted(source, id, asked) for id in ids]
    if not ids:
        raise click.UsageError(f"No component matches {glob!r}.")
    over = [each for each in counted if each["tokens"] is None or each["tokens"] > budget]
    if as_json:
        import msgspec

        output.emit_line(msgspec.json.encode({"budget": budget, "prompts": counted, "ok": not over}))
    else:
        output.emit("".join(f"{line}\n" for line in _lines(over, counted, budget)).encode())
    if over:
        raise SystemExit(int(Exit.FINDINGS))


def _lines(over: list[dict[str, Any]], counted: list[dict[str, Any]], budget: int) -> Iterator[str]:
    for each in sorted(over, key=lambda each: (-(each["tokens"] or 0), each["id"])):
        if each["tokens"] is None:
            yield f"{each['id']}: {each['error']}"
        else:
            yield f"{each['id']}: {each['tokens']:,} tokens, {each['tokens'] - budget:,} over {budget:,}"
    most = max((each["tokens"] or 0 for each in counted), default=0)
    all_of_them = output.count(len(counted), "prompt")
    yield f"{all_of_them}, {len(over)} over {budget:,} tokens; the largest has {most:,}."


def _counted(source: Backend, id: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One prompt's tokens, or the error that it is; variables that have to be given stay as written."""
    variables = dict(asked.get("variables", {}))
    for _ in range(MAX_UNFILLED):
        try:
            reply = decode(source.call("assemble", {"name": id, **asked, "variables": variables}))
        except MissingVariable as missing:
            variables[missing.details["name"]] = f"{{{missing.details['name']}}}"
        except PromptdError as error:
            return {"id": id, "tokens": error.details.get("tokens"), "error": error.message}
        else:
            return {"id": id, "tokens": reply["tokens"]}
    return {"id": id, "tokens": None, "error": "too many variables without a value"}
