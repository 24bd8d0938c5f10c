"""What takes several steps, written once: generators that yield what must be done in the world.

A flow decides and yields commands (read these places, scan the roots); a driver does them, in this
thread (`run`, the embedded engine) or off the event loop (`drive`, the daemon), and sends the outcome
back in. So the daemon, `--no-daemon` and the embedded engine run the very same decisions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from promptd.commands import (
    Command,
    Compute,
    Exists,
    Flow,
    Found,
    Look,
    Pause,
    Read,
    Reconcile,
    Reconciled,
    Result,
    Scan,
)
from promptd.engine.component import Place, Reading
from promptd.engine.library import Delta
from promptd.engine.plan import Plan, plan
from promptd.engine.request import Prompt, Request
from promptd.engine.resolve import nearest
from promptd.errors import PromptdError, UnknownComponent
from promptd.files import Sweep
from promptd.freshness import Attempt, Needs
from promptd.keeper import Keeper
from promptd.learning import learn
from promptd.listing import Listing
from promptd.loading import Progress
from promptd.making.fitter import Words, Work

__all__ = [
    "Closure",
    "Command",
    "Compute",
    "Exists",
    "Flow",
    "Look",
    "Pause",
    "Read",
    "Reconcile",
    "Reconciled",
    "Scan",
    "assemble",
    "closure",
    "count_hot",
    "differences",
    "drive",
    "follow",
    "perform",
    "read",
    "reconcile",
    "run",
    "satisfy",
    "warm",
]
READ_AT_ONCE = 100  # components that are applied in one go, which takes some 3 ms
COUNT_AT_ONCE = (
    20  # texts that are counted in one go in the background: 10 ms, most without the interpreter lock
)
COMPARE_AT_ONCE = 1_000  # places that are compared or asked about in one go: half a millisecond
MAX_ADOPTION_PHASES = 64  # each phase follows directives one level out of the listing


@dataclass(frozen=True, slots=True)
class Closure:
    """A plan whose facts hold, and the first member's text if it was asked for."""

    plan: Plan
    text: str


# -- flows ------------------------------------------------------------------------------------


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


def read(
    keeper: Keeper,
    places: tuple[Place, ...],
    attempt: Attempt | None = None,
    *,
    preload: bool = False,
    of: tuple[int, int] | None = None,
) -> Flow[Delta]:
    """Read places and apply what they hold; a request's attempt keeps the texts it caused to be read."""
    filled = frozenset(place for place in places if keeper.is_filled(place))
    readings: list[Reading] = yield Read(places, filled, attempt is not None, of)
    if attempt is not None:
        attempt.take(readings)
    return keeper.apply(readings, preload=preload)


def _with_nearest(keeper: Keeper, error: UnknownComponent) -> Flow[UnknownComponent]:
    """The error with the nearest names that exist; lists the roots if that has not happened yet.

    Of the names that are held those are offered that are there right now; a whole scan for each mistyped
    name, so as not to lack a new one, would cost more than it helps.
    """
    name = str(error.details["name"])
    if keeper.is_complete:
        near = yield from _existing(keeper, nearest(name, keeper.library.ids()))
    else:
        listing: Listing = yield Scan()
        near = nearest(name, [place.id for place in listing.found])
    meant = f"; did you mean {', '.join(near)}?" if near else "; `promptd list` shows all names"
    return UnknownComponent(f"{error.message}{meant}", name=error.details["name"], nearest=near)


def _existing(keeper: Keeper, ids: Iterable[str]) -> Flow[list[str]]:
    """Those of the ids whose files are still there."""
    places = {component.place: id for id in ids if (component := keeper.library.get(id)) is not None}
    found: list[Place] = yield Exists(tuple(places))
    return [id for place, id in places.items() if place in found]


def reconcile(keeper: Keeper) -> Flow[Reconciled]:
    """Scan all roots and read whatever differs from what is held; then what directives alone reach."""
    listing: Listing = yield Scan()
    differing = yield from differences(keeper, listing)
    found = Found()
    unread = yield from _recall(keeper, listing, differing, found)
    yield from _take_in(keeper, unread, found)
    suspects = yield from _unlisted(keeper, listing, [*found.ids, *(place.id for place in differing)])
    yield from _let_go(keeper, listing, suspects, found)
    keeper.note_listing(listing)
    yield from _forget(listing)
    return found.total(keeper.library.revision)


def differences(keeper: Keeper, listing: Listing) -> Flow[list[Place]]:
    """The places a scan shows to differ from what is held: what a reconcile has to read."""
    found = listing.found
    held, known, differing = keeper.library.held(), set[Place](), list[Place]()
    while some := list(islice(held, COMPARE_AT_ONCE)):
        known.update(place for place, _ in some)
        differing += [place for place, proof in some if proof is None or found.get(place) != proof]
        yield Pause()
    listed, new = iter(found), list[Place]()
    while places := list(islice(listed, COMPARE_AT_ONCE)):
        new += [place for place in places if place not in known]
        yield Pause()
    return new + differing


def _forget(listing: Listing) -> Flow[None]:
    """Forget a listing: at once it would take 0.2 µs a file."""
    while listing.found:
        for _ in range(min(len(listing.found), COMPARE_AT_ONCE)):
            listing.found.popitem()
        yield Pause()


def _recall(
    keeper: Keeper, listing: Listing, differing: Sequence[Place], found: Found
) -> Flow[Sequence[Place]]:
    """Take what an earlier process knew and a signature proves; returns the places that are left to read.

    What is reached through a symlink of its own is read: it may lead elsewhere with the same signature.
    """
    index = keeper.loader.index
    if index is None:
        return differing
    found_now, links = listing.found, listing.links
    seen = ((place, found_now[place]) for place in differing if place in found_now and place not in links)
    known: list[Reading] = yield Compute(partial(index.proved, seen, keeper.files.max_bytes))
    for at in range(0, len(known), READ_AT_ONCE):
        found.take(keeper.apply(known[at : at + READ_AT_ONCE]))
        yield Pause()
    recalled = {reading.place for reading in known}
    return [place for place in differing if place not in recalled]


def _unlisted(keeper: Keeper, listing: Listing, ids: Iterable[str]) -> Flow[list[str]]:
    """Those of the ids of which something is held, hidden or not, that no listing shows."""
    ids, unlisted = iter(ids), list[str]()
    while some := list(islice(ids, COMPARE_AT_ONCE)):
        unlisted += [id for id in some if not listing.found.keys() >= set(keeper.library.places_of(id))]
        yield Pause()
    return unlisted


def _let_go(keeper: Keeper, listing: Listing, suspects: Iterable[str], found: Found) -> Flow[None]:
    """Forget the strays; what comes forward from a later root may be one as well, or lead to others.

    Even to one that just went; but what goes a second time stays away, or this would never end.
    """
    once, gone = set[Place](), set[Place]()
    while strays := keeper.strays(listing, [*suspects, *found.ids]):
        keeper.apply(strays)
        places = {reading.place for reading in strays}
        gone |= places & once
        once |= places
        yield from _take_in(keeper, (), found, gone)


def follow(keeper: Keeper, paths: Iterable[str]) -> Flow[Reconciled]:
    """Read what a watcher pointed at, as far as it can be a component."""
    places = (place for path in sorted(paths) for place in keeper.files.places(path))
    found = Found()
    yield from _take_in(keeper, [place for place in places if keeper.library.is_relevant(place.id)], found)
    return found.total(keeper.library.revision)


def _take_in(
    keeper: Keeper, places: Sequence[Place], found: Found, gone: Collection[Place] = ()
) -> Flow[None]:
    """Read places, then, but for the `gone`, whatever directives reach that no listing shows, in phases.

    A batch is one revision, unless it is so large that applying it would hold up requests.
    """
    for _ in range(MAX_ADOPTION_PHASES):
        for at in range(0, len(places), READ_AT_ONCE):
            some = tuple(places[at : at + READ_AT_ONCE])
            found.take((yield from read(keeper, some, of=(at, len(places)))))
        places = yield from _adoptable(keeper, gone)
        if not places:
            break


def _adoptable(keeper: Keeper, gone: Collection[Place]) -> Flow[list[Place]]:
    """Places that directives look for and where something stands by now, but for those that are `gone`."""
    wanted = (place for place in keeper.library.wanted() if place not in gone)
    places: list[Place] = []
    while some := tuple(islice(wanted, COMPARE_AT_ONCE)):
        places += yield Exists(some)
    return places


def warm(keeper: Keeper) -> Flow[int]:
    """Pin the hot set and read what of it is not in the cache; returns how many were read."""
    places = tuple(keeper.pin_hot())
    if places:
        yield from read(keeper, places, preload=True)
    return len(places)


def count_hot(keeper: Keeper) -> Flow[None]:
    """Count the hot set's texts, some at a time, so that the first prompts made of them only add up."""
    texts = keeper.hot_texts()
    for at in range(0, len(texts), COUNT_AT_ONCE):
        yield Compute(partial(_count, keeper, texts[at : at + COUNT_AT_ONCE]))


# -- drivers ----------------------------------------------------------------------------------


def perform(keeper: Keeper, command: Command, progress: Progress | None = None) -> Any:
    """Do one command in this thread."""
    match command:
        case Read(places, filled, is_wanted, of):
            readings = keeper.loader.load_now(places, filled, _part_of(progress, of))
            if is_wanted:
                _count_ahead(keeper, readings)
            return readings
        case Look(sweep, paths, places):
            sweep.stat(paths)
            sweep.read(places)
            return None
        case Scan():
            return keeper.files.scan()
        case Exists(places):
            return keeper.files.exists(places)
        case Reconcile():
            return run(keeper, reconcile(keeper), progress)
        case Compute(work):
            return work()
        case Pause():
            return None


def _part_of(progress: Progress | None, of: tuple[int, int] | None) -> Progress | None:
    """Progress of a whole phase from that of one part of it."""
    if progress is None or of is None:
        return progress
    before, total = of
    return lambda done, _: progress(before + done, total)


def _count_ahead(keeper: Keeper, readings: Iterable[Reading]) -> None:
    """Count the segments of these texts, so that the event loop only adds them up."""
    _count(
        keeper,
        [
            reading.text[reading.parsed.body_start :]
            for reading in readings
            if reading.text and reading.parsed
        ],
    )


def _count(keeper: Keeper, bodies: Iterable[str]) -> None:
    for body in bodies:
        with suppress(PromptdError):  # it will be raised where it can be answered
            keeper.segments.count(body)


def run(keeper: Keeper, flow: Flow[Result], progress: Progress | None = None) -> Result:
    """Drive a flow to its end in this thread."""
    outcome: Any = None
    while True:
        try:
            command = flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        outcome = perform(keeper, command, progress)


async def drive(
    keeper: Keeper,
    flow: Flow[Result],
    command: Command | None = None,
    reconciled: Callable[[Keeper], Awaitable[Reconciled]] | None = None,
) -> Result:
    """Drive a flow to its end with its commands in threads; `command` if it has been started already.

    `reconciled` does a Reconcile that is shared with others; it must have begun after it was asked for.
    """
    outcome: Any = None
    while True:
        try:
            command = command or flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        if isinstance(command, Pause):
            await asyncio.sleep(0)
            outcome = None
        elif not isinstance(command, Reconcile):
            outcome = await asyncio.to_thread(perform, keeper, command)
        elif reconciled is not None:
            outcome = await reconciled(keeper)
        else:
            outcome = await drive(keeper, reconcile(keeper))
        command = None
