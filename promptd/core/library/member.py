"""One component as the library holds it, and its links: what each of its directives leads to.

A Component is the one mutable record of the engine: `Library` alone changes it, all others remember the
digest it had. A Link is frozen; a library that resolves it anew makes another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptd.core.syntax.component import Directive, Parsed, Reading, Signature
from promptd.core.syntax.plain_text import line_of_text
from promptd.errors import ComponentError

EMPTY = Parsed()


class Component:
    """One file of the library as last read. Mutated by `Library` alone; prompts remember its digest."""

    __slots__ = (
        "digest",
        "error",
        "id",
        "is_racy",
        "links",
        "order",
        "parsed",
        "place",
        "read_at_ns",
        "real_id",
        "signature",
    )

    def __init__(self, reading: Reading) -> None:
        self.id = reading.place.id
        self.links: tuple[Link, ...] = ()
        self.take(reading)

    def __repr__(self) -> str:
        return f"<Component {self.id} {self.digest[:8]}{' ' + self.error.type if self.error else ''}>"

    def take(self, reading: Reading) -> None:
        """Replace what is known by a newer reading of the same id."""
        self.place = reading.place
        self.signature: Signature | None = reading.signature
        self.read_at_ns = reading.read_at_ns
        self.is_racy = not reading.is_settled
        self.digest = reading.digest
        self.parsed = reading.parsed or EMPTY
        self.error: ComponentError | None = reading.error
        self.order = reading.order
        self.real_id = reading.real_id

    def confirm(self, signature: Signature, read_at_ns: int) -> None:
        """The same bytes were read again at `read_at_ns`: the signature may have aged into proof."""
        self.signature = signature
        self.read_at_ns = read_at_ns
        self.is_racy = not self.as_reading().is_settled

    def as_reading(self) -> Reading:
        """The reading this component was last made from, without its text."""
        return Reading(
            self.place,
            self.signature,
            self.read_at_ns,
            self.digest,
            None,
            self.parsed,
            self.error,
            self.order,
            real_id=self.real_id,
        )

    @property
    def root(self) -> int:
        """Index of the root the file is in."""
        return self.place.root

    @property
    def edges(self) -> Mapping[str, Sequence["Link"]]:
        """Its links that lead somewhere, by their target: one edge of the graph each, of whatever kind."""
        found: dict[str, list[Link]] = {}
        for link in self.links:
            if link.target is not None:
                found.setdefault(link.target, []).append(link)
        return found

    @property
    def is_reference(self) -> bool:
        """True if its author wants a one-line reference wherever it is pulled in (`mode: reference`)."""
        return self.parsed.metadata.get("mode") == "reference"

    @property
    def description(self) -> str:
        """`description:` of its front matter on one line, or ""."""
        return line_of_text(self.parsed.metadata.get("description"))


@dataclass(frozen=True, slots=True)
class Link:
    """One directive and what it resolves to: a target id, or the reason there is none.

    `absent` are the ids that were looked for before the target was found: negative facts. `rivals` are
    the ids that make a target ambiguous, or that `reason` names. `is_reference`: one line stands for the
    target's text, because the directive or the target's own front matter (`mode: reference`) says so.
    """

    directive: Directive
    target: str | None = None
    absent: tuple[str, ...] = ()
    reason: str = ""
    rivals: tuple[str, ...] = ()
    is_reference: bool = False

    @property
    def looked_for(self) -> tuple[str, ...]:
        """Ids whose coming or going may give this link another meaning, besides its target's."""
        return (*self.absent, *self.rivals)

    @property
    def is_hard(self) -> bool:
        """True if the target's text is pulled in here."""
        return self.target is not None and not (self.directive.is_soft or self.is_reference)

    @property
    def is_strict(self) -> bool:
        """True if a cycle of such links is refused. An import of what is being put in already is skipped."""
        return self.is_hard and not self.directive.is_import

    @property
    def is_dangling(self) -> bool:
        """True if this is a directive whose target is missing though it should not be."""
        directive = self.directive
        return self.target is None and not (
            directive.is_tentative or directive.is_optional or directive.is_soft
        )
