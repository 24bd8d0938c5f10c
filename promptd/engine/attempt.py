"""One request on its way: what was read for it, and what must be done before it can be answered.

An answer is given only when all evidence it rests on holds in a check that began after the request arrived.
Reading is never done here, in the middle of a decision: `Needs` says what has to be done first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from promptd.core.assembly.evidence import Evidence
from promptd.core.syntax.component import Place, Reading
from promptd.protocol.request import Request
from promptd.sources.base import Check

MAX_READS_A_REQUEST = 3  # a file that changes faster than we can read it is answered as inconsistent


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be done before the request can be answered, one kind at a time.

    `places` are to be read and the readings applied; `look` is to be called in a thread, for it adds what it
    finds to the check.
    """

    places: tuple[Place, ...] = ()
    look: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        return bool(self.places or self.look)


@dataclass(slots=True)
class Attempt:
    """What one request asks, how often each place was read for it, and what was read.

    The texts are kept here as well as in the cache, so that a prompt larger than the cache still comes
    together. `unsteady` are places that changed whenever they were read, `made` is what was computed for it
    in another thread, `texts` are those of its components by digest, once they were asked for.
    """

    request: Request
    reads: dict[Place, int] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    unsteady: dict[Place, None] = field(default_factory=dict)
    made: object = None
    expanded: "tuple[int, object] | None" = None  # a compiled prompt, and the revision it was made at
    expansions: int = 0  # that were made elsewhere, whether they could be used or not
    rendered: dict[int, object] = field(default_factory=dict)  # by the identity of a skeleton
    texts: Mapping[str, str] | None = None

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


def needs(evidence: Evidence, attempt: Attempt, check: Check) -> Needs:
    """What has to be done until the evidence can be said to hold; nothing if it does.

    Whatever the check has `pending` of this evidence must have been done.
    """
    stale = list(dict.fromkeys(check.stale(evidence)))
    attempt.unsteady |= dict.fromkeys(place for place in stale if attempt.exhausted(place))
    if places := tuple(place for place in stale if not attempt.exhausted(place)):
        return Needs(places)
    doubted = tuple(place for place in check.doubted(evidence) if not attempt.exhausted(place))
    return Needs(look=partial(check.compare, doubted)) if doubted else Needs()
