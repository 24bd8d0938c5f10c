"""Procedures that keep what is held equal to the disk: scans, batches of a watcher, and what is hot."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from promptd.core.library.library import Component
from promptd.core.syntax.component import Place, Reading
from promptd.engine.attempt import Attempt
from promptd.engine.procedures.effects import (
    READ_AT_ONCE,
    Compute,
    DeltaSum,
    Exists,
    Pause,
    Procedure,
    Read,
    Reconciled,
    Scan,
    applied,
)
from promptd.engine.workspace import Workspace
from promptd.errors import PromptdError
from promptd.sources.base import Listing

COUNT_AT_ONCE = 20  # texts counted in one go in the background: 10 ms, most without the interpreter lock
COMPARE_AT_ONCE = 1_000  # places that are compared or asked about in one go: half a millisecond
MAX_ADOPTION_PHASES = 64  # each phase follows directives one level out of the listing


def read(
    workspace: Workspace,
    places: tuple[Place, ...],
    attempt: Attempt | None = None,
    *,
    preload: bool = False,
    of: tuple[int, int] | None = None,
) -> Procedure[DeltaSum]:
    """Read places and apply what they hold; a request's attempt keeps the texts it caused to be read."""
    filled = frozenset(place for place in places if workspace.size_of(place))
    readings: list[Reading] = yield Read(places, filled, attempt is not None, of)
    if attempt is not None:
        attempt.take(readings)
    return (yield from applied(partial(workspace.apply, preload=preload), readings))


def reconcile(workspace: Workspace) -> Procedure[Reconciled]:
    """Scan all roots and read whatever differs from what is held; then what directives alone reach.

    An immutable source is scanned once.
    """
    if workspace.source.is_immutable and workspace.scanned.is_complete:
        return DeltaSum().total(workspace.library.revision)
    listing: Listing = yield Scan()
    differing = yield from differences(workspace, listing)
    found = DeltaSum()
    unread = yield from _recall(workspace, listing, differing, found)
    yield from _take_in(workspace, unread, found)
    suspects = yield from _unlisted(workspace, listing, [*found.ids, *(place.id for place in differing)])
    yield from _let_go(workspace, listing, suspects, found)
    workspace.note_listing(listing)
    yield from _forget(listing)
    return found.total(workspace.library.revision)


def differences(workspace: Workspace, listing: Listing) -> Procedure[list[Place]]:
    """The places a scan shows to differ from what is held: what a reconcile has to read."""
    found = listing.found
    held, known, differing = workspace.library.held(), set[Place](), list[Place]()
    while some := list(islice(held, COMPARE_AT_ONCE)):
        known.update(place for place, _ in some)
        differing += [place for place, proof in some if proof is None or found.get(place) != proof]
        yield Pause()
    listed, new = iter(found), list[Place]()
    while places := list(islice(listed, COMPARE_AT_ONCE)):
        new += [place for place in places if place not in known]
        yield Pause()
    return new + differing


def _forget(listing: Listing) -> Procedure[None]:
    """Forget a listing: at once it would take 0.2 µs a file."""
    while listing.found:
        for _ in range(min(len(listing.found), COMPARE_AT_ONCE)):
            listing.found.popitem()
        yield Pause()


def _recall(
    workspace: Workspace, listing: Listing, differing: Sequence[Place], found: DeltaSum
) -> Procedure[Sequence[Place]]:
    """Take what an earlier process knew and a signature proves; returns the places that are left to read.

    What is reached through a symlink of its own is read: it may lead elsewhere with the same signature.
    """
    index = workspace.loader.index
    if index is None:
        return differing
    found_now, links = listing.found, listing.links
    seen = ((place, found_now[place]) for place in differing if place in found_now and place not in links)
    max_bytes = workspace.config.library.max_component_bytes
    known: list[Reading] = yield Compute(partial(index.proved, seen, max_bytes, listing.order))
    found.add((yield from applied(workspace.apply, known)))
    recalled = {reading.place for reading in known}
    return [place for place in differing if place not in recalled]


def _unlisted(workspace: Workspace, listing: Listing, ids: Iterable[str]) -> Procedure[list[str]]:
    """Those of the ids of which something is held, hidden or not, that no listing shows."""
    ids, unlisted = iter(ids), list[str]()
    while some := list(islice(ids, COMPARE_AT_ONCE)):
        unlisted += [id for id in some if not listing.found.keys() >= set(workspace.library.places_of(id))]
        yield Pause()
    return unlisted


def _let_go(
    workspace: Workspace, listing: Listing, suspects: Iterable[str], found: DeltaSum
) -> Procedure[None]:
    """Forget the strays; what comes forward from a later root may be one as well, or lead to others.

    Even to one that just went; but what goes a second time stays away, or this would never end.
    """
    once, gone = set[Place](), set[Place]()
    while strays := _strays(workspace, listing, [*suspects, *found.ids]):
        workspace.apply(strays)
        places = {reading.place for reading in strays}
        gone |= places & once
        once |= places
        yield from _take_in(workspace, (), found, gone)


def _strays(workspace: Workspace, listing: Listing, ids: Iterable[str]) -> list[Reading]:
    """Readings that forget those of the ids that a scan from scratch would not know.

    What no listing shows is known for two reasons: a directive leads there, or a request named it. Without
    either it goes; so does what was only named though its suffix makes it a component, for then no listing
    looked there: behind a link that is not followed, or in an unreadable directory. Where an earlier root
    hides it, it goes in any case: it is read again when it is needed.
    """
    ids, library = list(ids), workspace.library
    held = (component for id in ids if (component := library.get(id)) is not None)
    unlisted = (component for component in held if component.place not in listing.found)
    hidden = (shadow.place for id in ids for shadow in library.shadows.of(id))
    return [
        *(Reading(each.place) for each in unlisted if _is_stray(workspace, listing, each)),
        *(Reading(place) for place in hidden if place not in listing.found),
    ]


def _is_stray(workspace: Workspace, listing: Listing, component: Component) -> bool:
    library = workspace.library
    if component.error is not None or library.names.is_component(component.id):
        above = (library.get(id) for id in library.graph.affected((component.id,)))
        return not any(each.place in listing.found for each in above if each is not None)
    if library.is_listed(component.id):
        return False
    return not any(component.id in cached.prompt.evidence.ids for _, cached in workspace.prompts.items())


def follow(workspace: Workspace, places: Iterable[Place]) -> Procedure[Reconciled]:
    """Read the places that a watcher pointed at, as far as they can be components."""
    found = DeltaSum()
    relevant = [place for place in places if workspace.library.is_relevant(place.id)]
    yield from _take_in(workspace, relevant, found)
    return found.total(workspace.library.revision)


def _take_in(
    workspace: Workspace, places: Sequence[Place], found: DeltaSum, gone: Collection[Place] = ()
) -> Procedure[None]:
    """Read places, then, but for the `gone`, whatever directives reach that no listing shows, in phases.

    A batch is one revision, unless it is so large that applying it would hold up requests.
    """
    for _ in range(MAX_ADOPTION_PHASES):
        for at in range(0, len(places), READ_AT_ONCE):
            some = tuple(places[at : at + READ_AT_ONCE])
            found.add((yield from read(workspace, some, of=(at, len(places)))))
        places = yield from _adoptable(workspace, gone)
        if not places:
            break


def _adoptable(workspace: Workspace, gone: Collection[Place]) -> Procedure[list[Place]]:
    """Places that directives look for and where something exists by now, but for those that are `gone`."""
    wanted = (place for place in workspace.library.wanted() if place not in gone)
    places: list[Place] = []
    while some := tuple(islice(wanted, COMPARE_AT_ONCE)):
        places += yield Exists(some)
    return places


def warm(workspace: Workspace) -> Procedure[int]:
    """Pin the hot set and read what of it is not in the cache; returns how many were read."""
    places = tuple(workspace.pin_hot())
    if places:
        yield from read(workspace, places, preload=True)
    return len(places)


def count_hot(workspace: Workspace) -> Procedure[None]:
    """Count the hot set's texts, some at a time, so that the first prompts made of them only add up."""
    texts = workspace.hot_texts()
    for at in range(0, len(texts), COUNT_AT_ONCE):
        yield Compute(partial(count_bodies, workspace, texts[at : at + COUNT_AT_ONCE]))


def count_bodies(workspace: Workspace, bodies: Iterable[str]) -> None:
    """Count the segments of these texts, so that the event loop only adds them up."""
    bodies = list(bodies)
    workspace.tokenizer.expect(bodies)
    for body in bodies:
        with suppress(PromptdError):  # it will be raised where it can be answered
            workspace.segments.count(body)
