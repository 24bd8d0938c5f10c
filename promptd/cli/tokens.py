"""`tokens`: count the tokens of a prompt, show where they come from, and check many prompts in CI.

All figures come from the manifest of an assembled prompt, so they are those of every other reply. `--check`
exits with 1 if a prompt exceeds the budget.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from promptd.cli import output
from promptd.cli.backend import Backend, Where, ask, decode, json_option, open_backend, source_options
from promptd.cli.exits import Exit
from promptd.cli.options import (
    arguments_option,
    complete_component,
    given,
    model_option,
    strategy_option,
    variables_option,
    warning_line,
)
from promptd.cli.token_tree import assemble_unfilled, disclosure_lines, estimate_lines, own_tokens
from promptd.errors import PromptdError

Counted = Mapping[str, Any]  # {"id", "tokens"}; and "error" if the prompt cannot be assembled


@click.command(
    epilog="""\b
Examples:
  promptd tokens agents/reviewer
  promptd tokens agents/reviewer --tree
  promptd tokens commands/review-change --variable project_name=Harbour --strategy balanced
  promptd tokens 'commands/**' --check --budget 8000    # for CI"""
)
@click.argument("name", required=False, metavar="[NAME | GLOB]", shell_complete=complete_component)
@click.option("--tree", is_flag=True, help="Draw the includes with own tokens, total tokens and share.")
@click.option("--check", is_flag=True, help="Exit with 1 if a prompt that GLOB matches exceeds --budget.")
@click.option("--budget", type=click.IntRange(min=1), metavar="TOKENS", help="Set the limit for --check.")
@strategy_option
@model_option
@variables_option
@arguments_option
@json_option
@source_options
def tokens(
    name: str | None,
    tree: bool,
    check: bool,
    budget: int | None,
    as_json: bool,
    where: Where,
    **options: Any,
) -> None:
    """Count the tokens of a prompt, exactly.

    With --check, count every prompt that GLOB matches (default: all); a required variable without a value
    counts as it is written.
    """
    params = given(options)
    if check:
        if budget is None:
            raise click.UsageError("--check needs --budget TOKENS.")
        _check(where, name or "**", budget, params, as_json=as_json)
        return
    if name is None:
        raise click.UsageError("NAME is missing; to count every prompt, use --check.")
    if budget is not None:
        raise click.UsageError("--budget needs --check; to see what a budget does, use promptd budget NAME.")
    _count(where, {"name": name, **params}, tree=tree, as_json=as_json)


def _count(where: Where, params: Mapping[str, Any], *, tree: bool, as_json: bool) -> None:
    result = ask(where, "assemble", params)
    reply = decode(result)
    for warning in reply["warnings"]:
        output.warn(warning_line(warning))
    if as_json:
        output.emit_line(result)
        return
    if tree:
        output.draw(_tree(reply))
    else:
        output.emit_line(str(reply["tokens"]))
    for line in (*disclosure_lines(reply), *estimate_lines(reply)):
        output.note(line)


# -- the tree -----------------------------------------------------------------------------------


def _tree(reply: Mapping[str, Any]) -> Any:
    """The include tree of a manifest, each entry with its own tokens and those with all its includes."""
    from rich.tree import Tree

    whole = max(reply["tokens"], 1)
    top = Tree(f"{reply['tokens']:,} tokens ({reply['encoding']})", guide_style="dim")
    branches = [top]
    for entry, own in zip(reply["manifest"], own_tokens(reply["manifest"]), strict=True):
        del branches[len(entry["chain"]) + 1 :]
        branches.append(branches[-1].add(_label(entry, own, whole)))
    return top


def _label(entry: Mapping[str, Any], own: int, whole: int) -> Any:
    label = output.cell(entry["id"])
    if entry["reason"] != "included":
        label.append(f" [{entry['reason']}]", "yellow")
    share = entry["tokens"] / whole
    label.append(f"  own {own:,}  total {entry['tokens']:,}  {share:.1%}", "dim")
    return label


# -- the check ----------------------------------------------------------------------------------


def _check(where: Where, glob: str, budget: int, params: Mapping[str, Any], *, as_json: bool) -> None:
    with open_backend(where) as backend:
        ids = [each["id"] for each in decode(backend.call("list", {"glob": glob}))["components"]]
        counted = [_counted(backend, {"name": id, **params}) for id in ids]
    if not ids:
        raise click.UsageError(f"no component matches {glob!r}.")
    over = [each for each in counted if (each["tokens"] or 0) > budget]
    failed = [each for each in counted if "error" in each and (each["tokens"] or 0) <= budget]
    is_ok = not over and not failed
    if as_json:
        lists = {"over": [each["id"] for each in over], "failed": [each["id"] for each in failed]}
        output.emit_json({"budget": budget, "prompts": counted, **lists, "ok": is_ok})
    else:
        output.emit_lines(_lines(over, failed, counted, budget))
    if not is_ok:
        raise SystemExit(int(Exit.FINDINGS))


def _counted(backend: Backend, params: Mapping[str, Any]) -> Counted:
    """One prompt's tokens, or its error; to check a prompt is not to use it."""
    id = params["name"]
    try:
        reply = decode(assemble_unfilled(backend.call, {**params, "count_use": False}))
    except PromptdError as error:
        return {"id": id, "tokens": error.details.get("tokens"), "error": error.message}
    return {"id": id, "tokens": reply["tokens"]}


def _lines(
    over: Sequence[Counted], failed: Sequence[Counted], counted: Sequence[Counted], budget: int
) -> Iterator[str]:
    """The prompts over the budget, largest first, those that cannot be counted, and a summary."""
    for each in sorted(over, key=lambda each: (-each["tokens"], each["id"])):
        yield f"{each['id']}: {each['tokens']:,} tokens, {each['tokens'] - budget:,} over the budget"
    for each in failed:
        yield f"{each['id']}: cannot be counted: {each['error']}"
    found = f"Found {output.count(len(over), 'prompt')}" if over else "No prompts"
    uncounted = f", {output.count(len(failed), 'prompt')} cannot be counted" if failed else ""
    yield (
        f"{found} over {budget:,} tokens{uncounted}"
        f" ({output.count(len(counted), 'prompt')} checked{_largest(counted)})."
    )


def _largest(counted: Sequence[Counted]) -> str:
    known = [each for each in counted if each["tokens"] is not None]
    if not known:
        return ""
    most = max(known, key=lambda each: each["tokens"])
    return f"; the largest, {most['id']}, has {most['tokens']:,}"
