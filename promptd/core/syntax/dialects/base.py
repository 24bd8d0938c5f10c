"""What a dialect is: a name, a hint to look for first, and a pure function that finds directives.

A dialect sees one body at a time and knows no files: it says what is written, `resolve` says what is
meant. Everything a dialect does not claim stays literal, byte for byte; what only looks like a mistake
it may report as a diagnostic.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from promptd.core.syntax.component import Base, Diagnostic, Directive
from promptd.core.syntax.markdown import Body

Finder = Callable[[Body, Mapping[str, Any]], Iterable[Directive | Diagnostic]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`hint` is a string every text with a directive of this dialect contains ("" for front matter).

    `find` takes a body and its front matter and gives what it finds in the order of the text.
    """

    name: str
    hint: str
    find: Finder


class WrittenTarget(NamedTuple):
    """A written target taken apart: `?path` is optional, `&path` a reference, `path#heading` a section."""

    path: str
    section: str | None
    is_optional: bool
    is_reference: bool


def split_target(written: str) -> WrittenTarget:
    """Take `?`, `&` and `#section` off a written target, in either order of the two marks."""
    path = written.strip()
    marks = ""
    while path[:1] in ("?", "&") and path[:1] not in marks:
        marks += path[0]
        path = path[1:].lstrip()
    path, _, section = path.partition("#")
    return WrittenTarget(path.strip(), section.strip() or None, "?" in marks, "&" in marks)


def directive_at(
    body: Body,
    dialect: str,
    start: int,
    end: int,
    target: WrittenTarget,
    *,
    base: Base,
    is_tentative: bool = False,
) -> Directive:
    """The directive that stands at [start, end) of a body, widened to its line where it stands alone."""
    line = body.line_of(start)
    start, end, is_alone = body.widen(start, end)
    return Directive(
        dialect=dialect,
        target=target.path,
        start=start,
        end=end,
        line=line,
        section=target.section,
        base=base,
        is_alone=is_alone,
        is_optional=target.is_optional,
        is_reference=target.is_reference,
        is_tentative=is_tentative,
    )
