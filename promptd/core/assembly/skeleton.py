"""The records between assembling and filling: parts of text and slots in order, and what they came from.

A skeleton depends on the components alone, so it is made once and filled for every set of values. Spans
are not known before the values are: a draft of a manifest entry counts parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from promptd.core.assembly.slot_layout import SlotLayout
from promptd.core.syntax.component import Variable
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import Reason, RemovedUnit

Placement = Literal["inline", "after", "marked"]


@dataclass(frozen=True, slots=True)
class ImportRules:
    """How the `@path` imports of one root's files are put in: what differs between assistants.

    `placement` of the text: `inline` in place of the word; `after` the file where the word stands inside a
    line, so that the line stays a sentence (Claude Code), else in place; `marked` in place, between two
    comments that name it (Gemini CLI). `max_hops`: how many imports lead on from one another. `is_once`: the
    same file is put in once, as for memory files in any case.
    """

    placement: Placement = "after"
    max_hops: int = 4
    is_once: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """How one library is assembled; the names are those of `[library]` in the configuration."""

    missing: Literal["warn", "error", "keep"] = "warn"
    shell: Literal["keep", "replace"] = "keep"
    once: bool = False
    max_depth: int = 64
    max_chars: int = 16_777_216
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments_base: tuple[int, ...] = (0,)  # per root: what `$N` calls the first argument
    imports: tuple[ImportRules, ...] = (ImportRules(),)  # per root

    def imports_of(self, root: int) -> ImportRules:
        """The rules of a root's imports."""
        return self.imports[root if root < len(self.imports) else 0]


class Origin(NamedTuple):
    """Parts [first, last) are text[start:end] of the file `id`, cut at its slots."""

    first: int
    last: int
    id: str
    start: int
    end: int


@dataclass(slots=True)
class Draft:
    """A manifest entry before its span is known: parts [first, last).

    `variant` names what was done to it where something was, `removed` what was taken out of it.
    """

    id: str
    digest: str
    reason: Reason
    chain: tuple[str, ...]
    first: int
    last: int
    line: int | None = None
    target: str | None = None
    variant: str = ""
    removed: tuple[RemovedUnit, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about one place in one component."""

    kind: str
    message: str
    id: str
    line: int
    target: str = ""
    chain: tuple[str, ...] = ()


@dataclass(slots=True)
class Skeleton:
    """Parts in order, what they came from, and the variables the components declare."""

    parts: list[str | Slot] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    variables: dict[str, tuple[str, Variable]] = field(default_factory=dict)  # name -> (declaring id, it)
    origins: list[Origin] = field(default_factory=list)  # in the order of parts
    _layout: SlotLayout | None = field(default=None, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        slots = sum(isinstance(part, Slot) for part in self.parts)
        return f"<Skeleton of {len(self.parts)} parts, {slots} slots, {len(self.drafts)} entries>"

    @property
    def layout(self) -> SlotLayout:
        """What stays the same whatever values go in; the parts are final once it was asked for."""
        if self._layout is None:
            self._layout = SlotLayout(self.parts)
        return self._layout
