"""Procedures that answer one request: read what its evidence lacks, until all of it holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from promptd.core.assembly.prompt import Prompt
from promptd.core.library.plan import Plan, plan
from promptd.core.library.resolve import nearest
from promptd.core.syntax.component import Place
from promptd.engine.attempt import Attempt, Needs
from promptd.engine.procedures.effects import (
    Compute,
    Exists,
    Look,
    Procedure,
    Reconcile,
    Reserve,
    Scan,
)
from promptd.engine.procedures.sync import read
from promptd.engine.procedures.vocabulary import learn
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.shared import Texts, Words, Work
from promptd.engine.workspace import Workspace
from promptd.errors import UnknownComponent
from promptd.protocol.request import Request
from promptd.sources.base import Check, Listing

LARGE_BYTES = 32_768  # of files that are read for one request: beyond it memory is set aside for them first
NEAREST = 3  # names that are offered in place of one that does not exist


@dataclass(frozen=True, slots=True)
class Closure:
    """A plan whose evidence holds, and the first member's text if it was asked for."""

    plan: Plan
    text: str


def assemble(workspace: Workspace, request: Request, check: Check) -> Procedure[Prompt]:
    """The prompt of a request, cached or made."""
    return (yield from cached_prompt(workspace, request, check)).prompt


def cached_prompt(workspace: Workspace, request: Request, check: Check) -> Procedure[CachedPrompt]:
    """A prompt that is held if it is true, else assemble it: what is stale or missing is read in phases.

    This counts as one use of it.
    """
    if held := workspace.current(request, check):
        return held
    try:
        return (yield from _made(workspace, request, check))
    except UnknownComponent as error:
        if not (yield from _is_named_by_now(workspace, request.names)):
            raise (yield from _with_nearest(workspace, error)) from None
    return (yield from _made(workspace, request, workspace.source.check()))


def _made(workspace: Workspace, request: Request, check: Check) -> Procedure[CachedPrompt]:
    attempt = Attempt(request)
    while not isinstance(step := workspace.attempt(attempt, check), CachedPrompt):
        check = yield from _advance(workspace, step, attempt, check)
        if held := workspace.current(request, check):
            return held  # read again, and found to be what it was
    return step


def _advance(
    workspace: Workspace, step: Needs | Work | Words | Texts, attempt: Attempt, check: Check
) -> Procedure[Check]:
    """Do what a prompt still needs; returns the check to go on with."""
    match step:
        case Needs():
            return (yield from satisfy(workspace, step, attempt, check))
        case Texts(members):
            if places := tuple(workspace.without_text(members, attempt)):
                return (yield from satisfy(workspace, Needs(places), attempt, check))
            attempt.texts = {each.digest: workspace.text_of(each, attempt) or "" for each in members}
        case Work(work, keep):
            keep((yield Compute(work)))
        case Words():
            yield from learn(workspace)
    return check  # what was read for these was not read for the prompt


def satisfy(workspace: Workspace, needs: Needs, attempt: Attempt, check: Check) -> Procedure[Check]:
    """Do what is needed; returns the check to hold the evidence against from now on.

    After a read that is a new one: everything is looked at again (the second collect).
    """
    if needs.places:
        size_bytes = sum(map(workspace.size_of, needs.places))
        if size_bytes > LARGE_BYTES and (yield Reserve(size_bytes)):
            return workspace.source.check()  # it may have been read meanwhile
        attempt.will_read(needs.places)
        yield from read(workspace, needs.places, attempt)
        return workspace.source.check()
    if needs.look is not None:
        yield Look(needs.look)
    return check


def closure(workspace: Workspace, name: str, check: Check, *, with_text: bool = False) -> Procedure[Closure]:
    """Plan a name with its evidence made true, without assembling it. Raises if there is no such name."""
    found, text = yield from _planned(workspace, name, check, with_text)
    if isinstance(found.refusal, UnknownComponent) and (yield from _is_named_by_now(workspace, (name,))):
        found, text = yield from _planned(workspace, name, workspace.source.check(), with_text)
    if isinstance(found.refusal, UnknownComponent):
        raise (yield from _with_nearest(workspace, found.refusal))
    if not found.ids and found.refusal is not None:
        raise found.refusal
    return Closure(found, text or "")


def _planned(
    workspace: Workspace, name: str, check: Check, with_text: bool
) -> Procedure[tuple[Plan, str | None]]:
    attempt = Attempt(Request((name,)))
    while True:
        found = plan(workspace.library, (name,))
        members = found.members[:1] if with_text and found.ids else ()
        needs = workspace.needs(workspace.evidence(found), members, attempt, check)
        if not needs:
            text = workspace.text_of(found.members[0], attempt) if members else None
            return found, text
        check = yield from satisfy(workspace, needs, attempt, check)


def _is_named_by_now(workspace: Workspace, names: Iterable[str]) -> Procedure[bool]:
    """True if a file that only a directive can make a component is one, as the whole library shows."""
    library = workspace.library
    ids = [id for name in names for id in library.names.unlike(name) if not library.is_served(id)]
    places = tuple(Place(root, id) for id in ids for root in range(library.roots))
    if not places or not (yield Exists(places)):
        return False
    yield Reconcile()
    return any(map(library.is_served, ids))


def _with_nearest(workspace: Workspace, error: UnknownComponent) -> Procedure[UnknownComponent]:
    """The error with the nearest names that exist; lists the roots if that has not happened yet.

    Of the names that are held those are offered that are there right now; a whole scan for each mistyped
    name, so as not to lack a new one, would cost more than it helps.
    """
    name = str(error.details["name"])
    if workspace.scanned.is_complete:
        found = yield Compute(partial(nearest, name, tuple(workspace.library.ids()), 4 * NEAREST))
        near = (yield from _existing(workspace, found))[:NEAREST]
    else:
        listing: Listing = yield Scan()
        near = yield Compute(partial(nearest, name, {place.id: None for place in listing.found}, NEAREST))
    meant = f"; did you mean {', '.join(near)}?" if near else "; `promptd list` shows all names"
    return UnknownComponent(f"{error.message}{meant}", name=error.details["name"], nearest=near)


def _existing(workspace: Workspace, ids: Sequence[str]) -> Procedure[list[str]]:
    """Those of the ids whose files are still there."""
    found: list[Place] = yield Exists(tuple(place for id in ids for place in workspace.library.places_of(id)))
    there = {place.id for place in found}
    return [id for id in ids if id in there]
