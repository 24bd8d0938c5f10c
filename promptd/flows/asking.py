"""Flows that answer one request: read what its facts lack, until all of them hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from promptd.engine.component import Place
from promptd.engine.plan import Plan, plan
from promptd.engine.request import Prompt, Request
from promptd.engine.resolve import nearest
from promptd.errors import UnknownComponent
from promptd.files import Sweep
from promptd.flows.commands import Compute, Exists, Flow, Look, Scan
from promptd.flows.keeping import read
from promptd.flows.learning import learn
from promptd.freshness import Attempt, Needs
from promptd.keeper import Keeper
from promptd.listing import Listing
from promptd.making.fitter import Words, Work


@dataclass(frozen=True, slots=True)
class Closure:
    """A plan whose facts hold, and the first member's text if it was asked for."""

    plan: Plan
    text: str


def assemble(keeper: Keeper, request: Request, sweep: Sweep) -> Flow[Prompt]:
    """A prompt that is held if it is true, else assemble it: what is stale or missing is read in phases."""
    if held := keeper.current(request, sweep):
        return held
    attempt = Attempt(request)
    try:
        while not isinstance(step := keeper.attempt(attempt, sweep), Prompt):
            sweep = yield from _advance(keeper, step, attempt, sweep)
            if held := keeper.current(request, sweep):
                return held  # read again, and found to be what it was
    except UnknownComponent as error:
        raise (yield from _with_nearest(keeper, error)) from None
    return step


def _advance(keeper: Keeper, step: Needs | Work | Words, attempt: Attempt, sweep: Sweep) -> Flow[Sweep]:
    """Do what a prompt still needs; returns the sweep to go on with."""
    match step:
        case Needs():
            return (yield from satisfy(keeper, step, attempt, sweep))
        case Work(work, keep):
            keep((yield Compute(work)))
        case Words():
            yield from learn(keeper)
    return sweep  # what was read for these was not read for the prompt


def satisfy(keeper: Keeper, needs: Needs, attempt: Attempt, sweep: Sweep) -> Flow[Sweep]:
    """Do what is needed; returns the sweep to hold the facts against from now on.

    After a read that is a new one: everything is looked at again (the second collect).
    """
    if needs.places:
        yield from read(keeper, needs.places, attempt)
        return Sweep(keeper.files)
    yield Look(sweep, needs.paths, needs.doubted)
    return sweep


def closure(keeper: Keeper, name: str, sweep: Sweep, *, with_text: bool = False) -> Flow[Closure]:
    """Plan a name with its facts made true, without assembling it. Raises if there is no such name."""
    attempt = Attempt(Request((name,)))
    while True:
        found = plan(keeper.library, (name,))
        members = found.members[:1] if with_text and found.ids else ()
        needs = keeper.needs(keeper.facts(found), members, attempt, sweep)
        if not needs:
            break
        sweep = yield from satisfy(keeper, needs, attempt, sweep)
    if isinstance(found.refusal, UnknownComponent):
        raise (yield from _with_nearest(keeper, found.refusal))
    if not found.ids and found.refusal is not None:
        raise found.refusal
    text = keeper.text_of(found.members[0], attempt) if with_text else None
    return Closure(found, text or "")


def _with_nearest(keeper: Keeper, error: UnknownComponent) -> Flow[UnknownComponent]:
    """The error with the nearest names that exist; lists the roots if that has not happened yet.

    Of the names that are held those are offered that are there right now; a whole scan for each mistyped
    name, so as not to lack a new one, would cost more than it helps.
    """
    name = str(error.details["name"])
    if keeper.is_complete:
        found = yield Compute(partial(nearest, name, tuple(keeper.library.ids())))
        near = yield from _existing(keeper, found)
    else:
        listing: Listing = yield Scan()
        near = yield Compute(partial(nearest, name, [place.id for place in listing.found]))
    meant = f"; did you mean {', '.join(near)}?" if near else "; `promptd list` shows all names"
    return UnknownComponent(f"{error.message}{meant}", name=error.details["name"], nearest=near)


def _existing(keeper: Keeper, ids: Iterable[str]) -> Flow[list[str]]:
    """Those of the ids whose files are still there."""
    places = {component.place: id for id in ids if (component := keeper.library.get(id)) is not None}
    found: list[Place] = yield Exists(tuple(places))
    return [id for place, id in places.items() if place in found]
