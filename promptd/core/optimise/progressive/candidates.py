"""What of a prompt may be referenced, with the tokens and the value of either choice.

The value of text is what it is for a budget: priority x idf of its words (nats), an eighth of it where the
component is in the prompt for another time. Referenced it has the value of what stays, and a tenth of the
rest, since a model can fetch it.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from promptd.core.assembly.reference import Reference
from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.ledger import Ledger, Written
from promptd.core.optimise.budget.options import FETCHABLE, MILLINATS, SAID_AGAIN
from promptd.core.optimise.budget.tree import Node
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Page
from promptd.core.optimise.progressive.forms import Forms, Removal, stretches_of, without
from promptd.core.optimise.progressive.sections import Section, SourceFile, smallest_around, whole_of
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import Idf, words
from promptd.protocol.records import Referenced, Span

MIN_TOKENS = 60  # of what is worth a line of its own, which has about 40
MAX_SECTIONS_IN_ALL = 150  # of a long prompt: those that are shorter than this part of it are left out
MIN_SAVED = 20  # tokens that a reference saves at least
MAX_STAYING = 0.7  # where more than this share stays, all of it does
MAX_TERMS = 4
_TERM = re.compile(r"[^\W\d_][\w.-]*\w")
_PLAIN = AuthorHints()


@dataclass(slots=True)
class Referable:
    """A component or a section of one: as it is, or referenced; without `edits` only what is below it may be.

    `own` figures are those without the candidates below, `entry` figures those of all of it when referenced.
    `depth` is how deep it is in its component, `size` how many candidates it is with those below.
    """

    node: Node
    reference: Reference
    span: Span
    depth: int
    tokens: int
    own_tokens: int
    own_value: int
    value: int = 0
    edits: Sequence[Removal] = ()
    entry_tokens: int = 0
    entry_value: int = 0
    going: int = 0  # tokens of what gives way to the line
    size: int = 1
    line: str = ""

    def record(self, count: Callable[[str], int]) -> Referenced:
        """As the reply shows it."""
        reference = self.reference
        return Referenced(
            reference.id,
            reference.section,
            reference.title,
            self.span,
            reference.tokens,
            reference.digest,
            count(self.line),
            reference.is_unfilled,
        )


def candidates(
    root: Node,
    page: Page,
    values: Sequence[Span],
    tools: Tools,
    strategy: Strategy,
    hints: Mapping[str, AuthorHints],
    sources: Mapping[str, SourceFile],
) -> list[Referable]:
    """Everything that may be referenced, component by component, each in preorder."""
    finder = _CandidateFinder(page, values, tools, sources)
    written: dict[Node, list[Written]] = {}
    for each in Ledger.of(root).spans(0, len(page.text)):
        written.setdefault(each.node, []).append(each)
    seen: set[str] = set()
    for node in root.walk():
        draft = node.draft
        if draft is None or draft.reason != "included":
            continue
        hint = hints.get(draft.id, _PLAIN)
        weight = hint.priority / (SAID_AGAIN if draft.id in seen else 1)
        seen.add(draft.id)
        if draft.chain and node in written and _may_be(hint, strategy, tools) and draft.id in sources:
            finder.component(node, written[node], weight)
    return finder.found


def _may_be(hint: AuthorHints, strategy: Strategy, tools: Tools) -> bool:
    """False for what its author keeps from being referenced."""
    if hint.is_kept or hint.min_tokens or hint.limit == NEVER:
        return False
    if hint.limit is None or hint.limit == strategy.name:
        return True
    limit = tools.strategies.get(hint.limit)
    return limit is not None and limit.has_references


class _CandidateFinder:
    def __init__(
        self, page: Page, values: Sequence[Span], tools: Tools, sources: Mapping[str, SourceFile]
    ) -> None:
        self.page, self.values, self.tools, self.sources = page, values, tools, sources
        self.forms = Forms(page, values)
        self.found: list[Referable] = []
        self.min_section = max(MIN_TOKENS, tools.count(page.text) // MAX_SECTIONS_IN_ALL)
        self._wholes: dict[str, Section] = {}

    def takes_value(self, stretches: Sequence[Span]) -> bool:
        """True if a value goes in there."""
        return any(
            bisect_left(self.values, (start,)) < bisect_left(self.values, (end,)) for start, end in stretches
        )

    def component(self, node: Node, written: Sequence[Written], weight: float) -> None:
        """The candidates of one component."""
        assert node.draft is not None
        id = node.draft.id
        is_exact = all(
            each.id == id and each.span[1] - each.span[0] == each.at[1] - each.at[0] for each in written
        )
        if not is_exact:
            return
        source = self.sources[id]
        if id not in self._wholes:
            self._wholes[id] = whole_of(source)
        section = smallest_around(self._wholes[id], [each.span for each in written])
        _Component(self, node, source, written, weight).add(section, 0)


class _Component:
    """The candidates of one component, found from the inside out and listed from the outside in."""

    def __init__(
        self,
        finder: _CandidateFinder,
        node: Node,
        source: SourceFile,
        written: Sequence[Written],
        weight: float,
    ) -> None:
        self.finder, self.node, self.source, self.written = finder, node, source, written
        self.weight = weight

    def add(self, section: Section, depth: int) -> Referable | None:
        """Add a section and those below it, if it is long enough. They nest no deeper than MAX_DEPTH."""
        stretches = self.stretches(section.span)
        tokens = sum(map(self.finder.tools.count, self.texts(stretches)))
        if tokens < (self.finder.min_section if depth else MIN_TOKENS):
            return None
        at = len(self.finder.found)
        candidate = Referable(self.node, self.reference(section), section.span, depth, tokens, tokens, 0)
        self.finder.found.append(candidate)
        own, value = stretches, 0
        for each in section.below:
            if below := self.add(each, depth + 1):
                candidate.own_tokens -= below.tokens
                value += below.value
                own = without(own, self.stretches(each.span))
        candidate.size = len(self.finder.found) - at
        candidate.own_value = self.value(self.texts(own))
        candidate.value = candidate.own_value + value
        self._reference(candidate, stretches)
        return candidate

    def texts(self, spans: Sequence[Span]) -> list[str]:
        """What is written there."""
        return [self.finder.page.text[start:end] for start, end in spans]

    def value(self, texts: Sequence[str]) -> int:
        """That of texts as they are."""
        idf = self.finder.tools.idf
        return round(self.weight * idf.sum(set(words("\n".join(texts)))) * MILLINATS)

    def stretches(self, span: Span) -> list[Span]:
        """Where in the prompt a span of the file is, as far as the component wrote it."""
        found = []
        for each in self.written:
            first, last = max(span[0], each.span[0]), min(span[1], each.span[1])
            if first < last:
                begin = each.at[0] - each.span[0]
                found.append((begin + first, begin + last))
        return stretches_of(found)

    def reference(self, section: Section) -> Reference:
        source = self.source
        fetched = source.text[slice(*section.span)]
        digest = source.digest if section.is_whole else sha256(fetched.encode()).hexdigest()
        assert self.node.draft is not None
        tokens = self.finder.tools.count(fetched)
        span = None if section.is_whole or section.anchor else section.span
        return Reference(self.node.draft.id, section.title, (), tokens, section.anchor, span, digest)

    def _reference(self, candidate: Referable, stretches: Sequence[Span]) -> None:
        """Give a candidate its referenced form, if it has one that is worth it."""
        finder, count = self.finder, self.finder.tools.count
        edits = finder.forms.of(stretches)
        if not edits:
            return
        gone = self.texts([(edit.start, edit.end) for edit in edits])
        candidate.going = sum(map(count, gone))
        if candidate.going < candidate.tokens * (1 - MAX_STAYING):
            return
        told = _with_terms(candidate.reference, "\n".join(gone), finder.tools.idf)
        candidate.reference = replace(told, is_unfilled=finder.takes_value(stretches))
        candidate.line = candidate.reference.line
        tokens = candidate.tokens - candidate.going + sum(count(edit.text(candidate.line)) for edit in edits)
        if candidate.tokens - tokens < MIN_SAVED:
            return
        left = without(stretches, [(edit.start, edit.end) for edit in edits])
        stays = min(self.value(self.texts(left)), candidate.value)
        candidate.edits, candidate.entry_tokens = edits, max(tokens, 0)
        candidate.entry_value = stays + (candidate.value - stays) // FETCHABLE


def _with_terms(reference: Reference, text: str, idf: Idf) -> Reference:
    """The reference with the terms that tell most about a text: rare in the library, and said in it often."""
    known = set(words(f"{reference.title} {reference.id}"))
    counts: dict[str, int] = {}
    shown: dict[str, str] = {}
    for match in _TERM.finditer(text):
        word = match[0]
        key = word.casefold()
        counts[key] = counts.get(key, 0) + 1
        shown.setdefault(key, word)
    told = {
        key: min(count, 4) * idf.of(key)
        for key, count in counts.items()
        if 3 < len(key) <= 24 and not known.intersection(words(key)) and not is_instructing(key)
    }
    order = {key: at for at, key in enumerate(counts)}
    best = sorted(told, key=lambda key: (-told[key], order[key]))[:MAX_TERMS]
    terms = tuple(shown[key] for key in sorted(best, key=order.__getitem__))
    return replace(reference, terms=terms)
