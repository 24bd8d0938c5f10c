"""One file's text to its parse: front matter, directives, declarations, diagnostics.

Pure and per file: replacing one component re-parses that file alone. A dialect is asked only when its
hint occurs in the text at all, and the Markdown scan runs only when a dialect found something.
"""

from collections.abc import Iterable, Sequence

from promptd.engine import frontmatter
from promptd.engine.component import Diagnostic, Directive, Parsed
from promptd.engine.dialects import DIALECTS
from promptd.engine.dialects.base import Dialect
from promptd.engine.markdown import Body

MAX_DIRECTIVES = 10_000  # a file with more is data, not a prompt


def parse(text: str, dialects: Sequence[str]) -> Parsed:
    """Parse a file's text with the named dialects, in their order. Never raises on any text.

    Offsets in the result are code points into `text`; directives are sorted and do not overlap.
    """
    front = frontmatter.split(text)
    declared, problems = frontmatter.variables(text, front)
    body = Body(text, front.body_start)
    directives = _directives(body, front, [DIALECTS[name] for name in dialects])
    diagnostics = [*front.diagnostics, *problems]
    if directives:
        diagnostics += body.diagnostics
    if len(directives) > MAX_DIRECTIVES:
        message = f"more than {MAX_DIRECTIVES} directives: the rest stay literal"
        diagnostics.append(Diagnostic("too-many-directives", message, directives[MAX_DIRECTIVES].line))
    return Parsed(
        body_start=front.body_start,
        metadata=front.metadata,
        variables=declared,
        arguments=frontmatter.argument_names(front.metadata),
        directives=tuple(directives[:MAX_DIRECTIVES]),
        diagnostics=tuple(diagnostics),
    )


def _directives(body: Body, front: frontmatter.FrontMatter, dialects: Iterable[Dialect]) -> list[Directive]:
    found: list[Directive] = []
    for dialect in dialects:
        if dialect.hint in body.text:
            found += dialect.find(body, front.metadata)
    return _disjoint(found)


def _disjoint(directives: list[Directive]) -> list[Directive]:
    """Sorted by place; where two claim the same text the first dialect's claim stands.

    A line that holds several directives is no longer one that a directive stands on alone, and front
    matter keeps the order it is written in.
    """
    kept: list[Directive] = []
    for directive in sorted(directives, key=lambda item: (not item.is_prepended, item.start)):
        if not kept or directive.is_prepended or directive.start >= kept[-1].end:
            kept.append(directive)
    return kept
