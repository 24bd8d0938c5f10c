"""Whether what an answer rests on still holds on disk: the validation of every reply (DESIGN.md §4).

An answer remembers its facts: each component in it at a digest, and each place that was looked at in
vain. They hold if, in a sweep that began after the request arrived, every signature is the one that was
read and every empty place is still empty. A component whose signature proves nothing yet (racily clean)
has to be read again in that sweep. Reading is never done here, in the middle of a decision: `Needs` says
what somebody has to do first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.library import Component
from promptd.core.syntax.component import Place, Reading
from promptd.protocol.request import Request
from promptd.sources.worktree.files import Sweep
from promptd.sources.worktree.stat_proof import StatProof

MAX_READS_A_REQUEST = 3  # a file that changes faster than we can read it is answered as inconsistent


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be done before the request can be answered, one kind at a time.

    `paths` are to be stat-ed into the sweep, `places` to be read and the readings applied, `doubted` to be
    read into the sweep, for comparison only.
    """

    places: tuple[Place, ...] = ()
    doubted: tuple[Place, ...] = ()
    paths: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.places or self.doubted or self.paths)


@dataclass(slots=True)
class Attempt:
    """One request on its way: what it asks, how often each place was read for it, and what was read.

    The texts are kept here as well as in the cache, so that a prompt larger than the cache still comes
    together. `unsteady` are places that changed whenever they were read,
    `made` is what was computed for it in another thread.
    """

    request: Request
    reads: dict[Place, int] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    unsteady: dict[Place, None] = field(default_factory=dict)
    made: object = None

    @property
    def is_consistent(self) -> bool:
        """True if everything in the answer was so at one moment."""
        return not self.unsteady

    def take(self, readings: Iterable[Reading]) -> None:
        """Keep the texts of readings made for this request."""
        self.readings |= {reading.place.id: reading for reading in readings if reading.text is not None}

    def exhausted(self, place: Place) -> bool:
        """True if a place was read so often that its next change is no longer waited out."""
        return self.reads.get(place, 0) >= MAX_READS_A_REQUEST

    def will_read(self, places: Iterable[Place]) -> None:
        """Count a read of each of these places."""
        for place in places:
            self.reads[place] = self.reads.get(place, 0) + 1


def holds(facts: Evidence, sweep: Sweep, revision: int) -> bool:
    """True if nothing in the facts has changed on disk since it was read; `revision` is the library's.

    Asked of the disk once a sweep. What held before is looked at whole (0.4 to 1.5 µs a fact), and fact by
    fact only if something is different, or if the library is: then a component may have another digest.
    """
    if sweep.held.get(facts) == revision:
        return True
    is_proved = facts.proved_at == revision and sweep.ask(facts)
    if not is_proved and not _hold_one_by_one(facts, sweep, revision):
        return False
    sweep.held[facts] = revision
    return True


def _hold_one_by_one(facts: Evidence, sweep: Sweep, revision: int) -> bool:
    if unswept(facts, sweep) or not sweep.are_inside(facts.ways):
        return False
    seen = sweep.seen
    for component, digest, path in facts.files:
        if component.digest != digest or seen[path] != component.signature:
            return False
        if component.is_racy and not _is_confirmed(component, sweep):
            return False
    if not all(seen[path] is None for path, _ in facts.absent):
        return False
    if not any(component.is_racy for component, _, _ in facts.files):
        ways = [(path, sweep.way(path)) for path in facts.ways]
        facts.proof = StatProof([(path, seen[path]) for path in facts.paths], ways).holds
        facts.proved_at = revision
    return True


def needs(facts: Evidence, attempt: Attempt, sweep: Sweep) -> Needs:
    """What has to be done until the facts can be said to hold; nothing if they do."""
    if paths := unswept(facts, sweep):
        return Needs(paths=paths)
    stale = list(dict.fromkeys(_stale(facts, sweep)))
    attempt.unsteady |= dict.fromkeys(place for place in stale if attempt.exhausted(place))
    if places := tuple(place for place in stale if not attempt.exhausted(place)):
        return Needs(places=places)
    return Needs(doubted=tuple(_doubted(facts, attempt, sweep)))


def unswept(facts: Evidence, sweep: Sweep) -> tuple[str, ...]:
    """Sweep the paths of the facts; where a stat is slow, only say which are still to be swept."""
    if not sweep.files.is_slow:
        sweep.stat(facts.paths)
        return ()
    return tuple(sweep.unswept(facts.paths))


def _stale(facts: Evidence, sweep: Sweep) -> Iterable[Place]:
    """The places whose facts do not hold any more."""
    for component, _, path in facts.files:
        is_other = sweep.signature(path) != component.signature
        is_out = component.error is None and not sweep.are_inside(sweep.files.ways([component.place]))
        if is_other or is_out or (component.is_racy and _is_refuted(component, sweep)):
            yield component.place
    yield from (place for path, place in facts.absent if sweep.signature(path) is not None)


def _doubted(facts: Evidence, attempt: Attempt, sweep: Sweep) -> Iterable[Place]:
    """The places whose signature proves nothing and that were not read in this sweep."""
    for component, _, _ in facts.files:
        place = component.place
        if component.is_racy and sweep.looked(place) is None and not attempt.exhausted(place):
            yield place


def _is_refuted(component: Component, sweep: Sweep) -> bool:
    return sweep.looked(component.place) is not None and not _is_confirmed(component, sweep)


def _is_confirmed(component: Component, sweep: Sweep) -> bool:
    """True if the component was read in this sweep and is what it was; that is then remembered.

    The same bytes are the same component; without bytes (no digest) the failure must be the same.
    """
    look = sweep.looked(component.place)
    if look is None or look.signature is None or look.digest != component.digest:
        return False
    if not look.digest and str(look.error) != str(component.error):
        return False
    component.confirm(look.signature, look.read_at_ns)
    return True
