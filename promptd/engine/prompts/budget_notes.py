"""What a reply says about its budget: what was dropped, referenced or shortened, and what was left unused."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from promptd.core.assembly.skeleton import Draft, Note, Skeleton
from promptd.core.tokens.cost import TokenBudget
from promptd.engine.prompts.shared import CompiledPrompt
from promptd.protocol.request import PLAIN, Request

if TYPE_CHECKING:
    from promptd.core.optimise.budget.composing import Blocked

UNUSED = "unused-budget"
MAX_NAMES = 5
_WHAT = {
    "code": "a code block",
    "table": "a table row",
    "item": "a list item",
    "paragraph": "a sentence",
    "layout": "the layout of a passage",
    "component": "a component that may not be cut",
}


class Made(Protocol):
    """What was made to fit a budget."""

    limit: TokenBudget

    @property
    def skeleton(self) -> Skeleton:
        """What fits."""

    @property
    def tokens(self) -> int:
        """Its tokens, with values."""

    @property
    def blocked(self) -> "Blocked | None":
        """What was too large for the tokens that are left over."""

    @property
    def untried_chars(self) -> int:
        """How long the prompt is, if it is too long for strategies over the whole; else 0."""


def of(made: Made, base: Skeleton, compiled: CompiledPrompt, request: Request) -> Iterator[Note]:
    """Everything that is to be said of a budget that was kept."""
    yield from losses(base, made.skeleton, request)
    if made.untried_chars:
        yield too_long(made.untried_chars)
    yield from unused(made.tokens, made.limit, "", made.blocked, partial(_line_at, base, compiled))


def losses(base: Skeleton, made: Skeleton, request: Request) -> Iterator[Note]:
    """One note for each kind of loss, with the names and how to see why."""
    pairs = [
        (was, now) for was, now in zip(base.drafts, made.drafts, strict=True) if was.reason == "included"
    ]
    limit = (request.options or PLAIN).budget
    hint = f"; `{_command(request)}` shows why"
    for kind, sentence, ids in (
        ("dropped", "dropped", _ids(pairs, "dropped")),
        ("referenced", "replaced by a reference", _ids(pairs, "referenced")),
        ("shortened", "shortened", _ids(pairs, "included")),
    ):
        if ids:
            message = (
                f"{len(ids)} of {len(pairs)} components {sentence} to fit {limit} tokens: {_listed(ids)}"
            )
            yield Note(kind, message + hint, "", 0)


def _ids(pairs: Sequence[tuple[Draft, Draft]], reason: str) -> list[str]:
    """The pieces of which something went; a dropped one without text of its own is no loss."""
    return [now.id for was, now in pairs if now.reason == reason and len(now.removed) > len(was.removed)]


def _listed(ids: Sequence[str]) -> str:
    names = list(dict.fromkeys(ids))
    return ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")


def _command(request: Request) -> str:
    """The command that shows the allocation."""
    options = request.options or PLAIN
    words = ["promptd", "budget", *request.names, "--budget", str(options.budget)]
    if options.reserve is not None:
        words += ["--reserve", str(options.reserve)]
    if options.strategy is not None:
        words += ["--strategy", options.strategy]
    return shlex.join(words)


def unused(
    tokens: int,
    limit: TokenBudget,
    strategy: str,
    blocked: "Blocked | None" = None,
    line_of: Callable[[str, int], int] = lambda _id, _at: 0,
) -> Iterator[Note]:
    """Why more than a twentieth of a budget is left, though the prompt without a budget is larger.

    `strategy`: the one that was asked for, if the prompt fits by it alone.
    """
    if limit.is_used_up(tokens):
        return
    used = f"{tokens} of {limit.capacity} tokens are used"
    if strategy:
        message = f"{used}: strategy {strategy!r} by itself makes the prompt fit; without it more is kept"
        yield Note(UNUSED, message, "", 0)
    elif blocked is not None:
        what = _WHAT.get(blocked.what, "a unit")
        more = f" and the {blocked.more} of what it hangs on, do not" if blocked.more else ", does not"
        message = f"{used}: the next, {what} of {blocked.tokens} tokens{more} fit"
        yield Note(UNUSED, message, blocked.id, line_of(blocked.id, blocked.offset))
    else:
        yield Note(UNUSED, f"{used}: nothing of the rest can be put in by itself", "", 0)


def too_long(characters: int) -> Note:
    """Of so long a prompt no strategy over the whole is tried."""
    from promptd.core.optimise.budget.candidates import MAX_CHARS

    message = (
        f"the prompt has {characters} characters, more than {MAX_CHARS}: components were cut one by one,"
        " and no strategy over the whole was tried"
    )
    return Note("too-long", message, "", 0)


def _line_at(base: Skeleton, compiled: CompiledPrompt, id: str, at: int) -> int:
    """The line, from 1, of a place in a component's file; 0 if there is no such component."""
    member = next((each for each in compiled.members if each.id == id), None)
    if member is None:
        return 0
    position, line = member.parsed.body_start, compiled.lines.get(id, 1)
    for directive in member.parsed.directives:
        if position <= directive.end <= at:
            position, line = directive.end, directive.line + directive.is_alone
    return line + _newlines(base, id, position, at)


def _newlines(base: Skeleton, id: str, start: int, end: int) -> int:
    """How many lines end in a stretch of a file, by what a skeleton has of it."""
    from promptd.core.optimise.budget.tree import grow, raw

    node = next((each for each in grow(base).walk() if each.draft is not None and each.draft.id == id), None)
    count = 0
    for part in node.own_parts() if node is not None else ():
        source = part.source
        if source is not None and source.is_exact and source.id == id:
            text = raw(part.content)
            count += text.count("\n", max(start - source.start, 0), max(end - source.start, 0))
    return count
