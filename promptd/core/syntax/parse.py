"""One file's text to its parse: front matter, directives, declarations, diagnostics.

Pure and per file: replacing one component re-parses that file alone. A dialect is asked only when its
hint occurs in the text at all, and the Markdown scan runs only when a dialect found something.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from promptd.core.syntax import front_matter as frontmatter
from promptd.core.syntax.component import Diagnostic, Directive, Parsed
from promptd.core.syntax.cutter import placeholders
from promptd.core.syntax.dialects import DIALECTS
from promptd.core.syntax.dialects.base import Dialect
from promptd.core.syntax.literal import lines_unified
from promptd.core.syntax.markdown import Body

MAX_DIRECTIVES = 1_000  # a file with more is data, not a prompt; each takes 700 bytes


def parse(text: str, dialects: Sequence[str]) -> Parsed:
    """Parse a file's text with the named dialects, in their order. Never raises on any text.

    Offsets in the result are code points into `text`; directives are sorted and do not overlap.
    """
    text = lines_unified(text)
    front = frontmatter.split(text)
    declared, problems = frontmatter.variables(text, front)
    body = Body(text, front.body_start)
    directives, remarks = _found(body, front, [DIALECTS[name] for name in dialects])
    inline, bare = placeholders(body)
    return Parsed(
        body_start=front.body_start,
        metadata=front.metadata,
        variables=(*declared, *inline),
        arguments=frontmatter.argument_names(front.metadata),
        directives=directives,
        diagnostics=(
            *front.diagnostics,
            *frontmatter.mistyped(text, front),
            *frontmatter.misvalued(text, front),
            *problems,
            *remarks,
            *body.diagnostics(),
        ),
        placeholders=bare,
        key_lines=frontmatter.hint_lines(text, front),
    )


def _found(
    body: Body, front: frontmatter.FrontMatter, dialects: Iterable[Dialect]
) -> tuple[tuple[Directive, ...], list[Diagnostic]]:
    directives: list[Directive] = []
    diagnostics: list[Diagnostic] = []
    for dialect in dialects:
        if dialect.hint in body.text:
            for found in islice(dialect.find(body, front.metadata), MAX_DIRECTIVES + 1):
                if isinstance(found, Directive):
                    directives.append(found)
                else:
                    diagnostics.append(found)
    kept = _disjoint(directives)
    if len(kept) > MAX_DIRECTIVES:
        message = f"more than {MAX_DIRECTIVES} directives: the rest stay literal"
        diagnostics.append(Diagnostic("too-many-directives", message, kept[MAX_DIRECTIVES].line))
    return tuple(kept[:MAX_DIRECTIVES]), diagnostics


def _disjoint(directives: list[Directive]) -> list[Directive]:
    """Front matter's first, as it is written, then by place; where two claim the same text the first wins."""
    kept: list[Directive] = []
    for directive in sorted(directives, key=lambda item: (not item.is_prepended, item.start)):
        if not kept or directive.is_prepended or directive.start >= kept[-1].end:
            kept.append(directive)
    return kept
