"""The records of fitting: what can be done with one component, and a prompt that a strategy made fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.tree import Content, Node, raw
from promptd.core.optimise.records import Optimised, Quality
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import Referenced, RemovedUnit

AS_IS, FOLDED, CUT, REFERENCE, DROPPED = "as is", "folded", "cut", "reference", "dropped"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to write a component's own text. `kept` is the share of its information, 0 to 1.

    `tokens` are those of its chunks, each counted alone; None where they depend on values.
    """

    name: str
    chunks: tuple[tuple[Content, ...], ...]
    tokens: int | None
    units: tuple[RemovedUnit, ...] = ()
    kept: float = 1.0


@dataclass(frozen=True, slots=True)
class Variants:
    """All variants of one component, the first as it is; `idf` is its information in nats.

    `skipped`: the passes that raised, each with the sentence that says so.
    """

    all: tuple[Variant, ...]
    idf: float
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep them."""
        parts = (part for variant in self.all for chunk in variant.chunks for part in chunk)
        units = sum(len(variant.units) for variant in self.all)
        return 500 + 300 * units + sum(80 + 2 * len(raw(part)) for part in parts)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A skeleton that fits what was asked, what the whole of it kept, and passes that were skipped.

    `result` is what the strategy made of the written text, `undo` what can be taken back of it, once asked.
    `references`: what is referenced in it, None unless the strategy does that; `tokens_fetched`: of all that.
    """

    skeleton: Skeleton
    quality: Quality
    skipped: tuple[str, ...] = ()
    result: Optimised | None = None
    undo: object = None  # an `undo.Undo`, which imports these records
    references: tuple[Referenced, ...] | None = None
    tokens_fetched: int = 0


def as_it_is(node: Node, count: Callable[[str], int]) -> Variant:
    """The variant that changes nothing."""
    chunks = tuple(tuple(part.content for part in chunk) for chunk in node.chunks)
    return Variant(AS_IS, chunks, tokens_of(chunks, count))


def tokens_of(chunks: Sequence[Sequence[Content]], count: Callable[[str], int]) -> int | None:
    """Tokens of chunks, each counted alone; None if a value goes into one of them."""
    if any(isinstance(part, Slot) for chunk in chunks for part in chunk):
        return None
    return sum(count("".join(map(raw, chunk))) for chunk in chunks if chunk)
