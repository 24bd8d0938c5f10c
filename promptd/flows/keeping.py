"""Flows that keep what is held equal to the disk: scans, batches of a watcher, and what is hot."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from promptd.engine.component import Place, Reading
from promptd.engine.library import Delta
from promptd.errors import PromptdError
from promptd.flows.commands import Compute, Exists, Flow, Found, Pause, Read, Reconciled, Scan
from promptd.freshness import Attempt
from promptd.keeper import Keeper
from promptd.listing import Listing

READ_AT_ONCE = 100  # components that are applied in one go, which takes some 3 ms
COUNT_AT_ONCE = 20  # texts counted in one go in the background: 10 ms, most without the interpreter lock
COMPARE_AT_ONCE = 1_000  # places that are compared or asked about in one go: half a millisecond
MAX_ADOPTION_PHASES = 64  # each phase follows directives one level out of the listing


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
    known: list[Reading] = yield Compute(partial(index.proved, seen, keeper.files.max_bytes, listing.order))
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
        yield Compute(partial(count_bodies, keeper, texts[at : at + COUNT_AT_ONCE]))


def count_bodies(keeper: Keeper, bodies: Iterable[str]) -> None:
    """Count the segments of these texts, so that the event loop only adds them up."""
    for body in bodies:
        with suppress(PromptdError):  # it will be raised where it can be answered
            keeper.segments.count(body)
