"""One prompt through one strategy: passes in order, round by round, until nothing changes any more.

Passes propose edits; here they are checked against what is protected, in a lossless strategy against the
CommonMark tree as well, applied, traced and reported. Edits of neighbouring passes that do not touch each
other are applied together, so that the text is read again only when it has to be. That the rounds end where
nothing changes is what makes optimising twice the same as optimising once.

A pass that raises is skipped for the prompt at hand and named in `warnings`; the others go on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Edit, Trace, ordered
from promptd.core.optimise.intact import intact
from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.quality import (
    Inventory,
    code_of,
    compare,
    inventory,
    inventory_of,
)
from promptd.core.optimise.records import Optimised, Pass, Piece, Removed
from promptd.core.optimise.strategies import PASSES, Strategy, pass_functions
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.trees import MAX_TREE_CHARS, code_spans, is_readable, provable, tree
from promptd.protocol.records import Span

MAX_ROUNDS = 8  # seen: 3. Each round only removes, so that they end in any case; this bounds the time


def optimise(
    text: str, pieces: Sequence[Piece], strategy: Strategy, tools: Tools, frozen: Sequence[Span] = ()
) -> Optimised:
    """Optimise an assembled prompt. Pure, deterministic, idempotent.

    `frozen` are further spans to leave as they are, such as values of variables. Never raises for any text.
    """
    tokens = tools.count(text)
    if not strategy.passes:
        source = inventory(text)
        quality = compare(source, source, tools.idf)
        spans, runs = tuple(piece.span for piece in pieces), Trace.of(text).runs
        return Optimised(text, spans, (), quality, tokens, tokens, runs=runs)
    run = _Run(text, pieces, strategy, tools, frozen, tokens)
    run.all_rounds()
    result = run.result()
    return result if result.tokens < tokens or not tokens else run.unchanged(result)


class _Run:
    def __init__(
        self,
        text: str,
        pieces: Sequence[Piece],
        strategy: Strategy,
        tools: Tools,
        frozen: Sequence[Span],
        tokens: int,
    ) -> None:
        self.text, self.pieces, self.strategy, self.tools = text, pieces, strategy, tools
        self.frozen = frozen
        self.trace = Trace.of(text)
        self.pages: dict[tuple[tuple[Span, ...], bool], Page] = {}  # of the current text, by what is frozen
        self.source: Inventory = inventory_of(self.page(()))
        self.context = Context(tools.count, tools.idf, strategy.aims, self.source, tokens)
        self.removed: list[tuple[Span, Edit, Span | None]] = []
        self.pending: list[Edit] = []
        self.latest: Page | None = None  # the last text that was read to check it
        self.skipped: dict[str, str] = {}

    # -- rounds -------------------------------------------------------------------------------

    def all_rounds(self) -> None:
        for _ in range(MAX_ROUNDS):
            before = self.trace.text
            for name in self.strategy.passes:
                self.one(PASSES[name])
            self.flush()
            if self.trace.text == before:
                return

    def one(self, each: Pass) -> None:
        """One pass: its edits become pending, together with those that they do not touch."""
        if self.pending and each.needs_fresh:
            self.flush()
        edits = self.edits(each)
        if edits and self.pending and _touch(self.pending, edits):
            self.flush()
            edits = self.edits(each)
        if edits:
            self.pending = ordered([*self.pending, *edits])

    def edits(self, each: Pass) -> list[Edit]:
        if each.name in self.skipped:
            return []
        page = self.page(self.frozen_for(each), is_strict=self.strategy.is_lossless)
        try:
            proposed = ordered(pass_functions()[each.name](page, self.context_for(each)))
        except Exception as error:  # the prompt must be answered whatever a pass meets
            self.skipped[each.name] = f"pass {each.name!r} was skipped: {type(error).__name__}: {error}"
            return []
        return intact(page, [edit for edit in proposed if is_allowed(page, each, edit)])

    def context_for(self, each: Pass) -> Context:
        """What a pass that looks at the text as a whole is told of its parts and of what was removed."""
        if not each.needs_fresh:
            return self.context
        components = {self.trace.current_span(*piece.span): piece.id for piece in self.pieces}
        entries, has_originals = tuple(self.entries()), bool(self.originals())
        return replace(self.context, entries=entries, components=components, has_originals=has_originals)

    def flush(self) -> None:
        """Apply what is pending; in a lossless strategy only as far as the CommonMark tree stays."""
        edits: Sequence[Edit] = self.pending
        self.pending = []
        if edits:
            edits = provable(self.trace, edits, self.invariant())
        if not edits:
            return
        for edit in edits:
            if edit.kind != "space":
                original = self.trace.source_span(*edit.duplicate_of) if edit.duplicate_of else None
                self.removed.append((self.trace.source_span(edit.start, edit.end), edit, original))
        self.trace = self.trace.apply(edits)
        is_read = self.latest is not None and self.latest.text == self.trace.text
        self.pages = {((), False): self.latest} if self.latest is not None and is_read else {}

    def invariant(self) -> Callable[[str], bool]:
        """What must hold after edits: the CommonMark tree in a lossless strategy, else that code is code."""
        if self.strategy.is_lossless:
            expected = tree(self.trace.text)
            return lambda text: tree(text) == expected
        code = code_of(self.page(()))

        def keeps_code(text: str) -> bool:
            self.latest = read(text)
            return code_of(self.latest) == code

        return keeps_code

    # -- what is frozen -----------------------------------------------------------------------

    def page(self, frozen: tuple[Span, ...], *, is_strict: bool = False) -> Page:
        """The current text, read; strict: what CommonMark takes for code by its indentation is frozen."""
        key = (frozen, is_strict)
        found = self.pages.get(key)
        if found is None:
            spans = (*frozen, *code_spans(self.trace.text)) if is_strict else frozen
            found = self.pages[key] = read(self.trace.text, spans)
        return found

    def frozen_for(self, each: Pass) -> tuple[Span, ...]:
        """Where this pass may change nothing, in the current text."""
        spans = [*self.frozen, *(piece.span for piece in self.pieces if not self.allows(piece, each))]
        if each.drops:
            spans += self.originals()
        return tuple(sorted({self.trace.current_span(*span) for span in spans}))

    def entries(self) -> Iterable[list[Span]]:
        """The stretches of the current text that are an entry component's own, for each of them."""
        included = [piece.span for piece in self.pieces if piece.id and not piece.is_entry]
        for piece in self.pieces:
            if piece.is_entry:
                own = _without(piece.span, included)
                yield [self.trace.current_span(*span) for span in own]

    def originals(self) -> list[Span]:
        """What vouches for repeats that were removed: it has to be there in the end."""
        return [original for _, _, original in self.removed if original is not None]

    def allows(self, piece: Piece, each: Pass) -> bool:
        if piece.limit is None or piece.limit == self.strategy.name:
            return True
        limit = self.tools.strategies.get(piece.limit)
        return limit is not None and each.name in limit.passes

    # -- the answer ---------------------------------------------------------------------------

    def result(self) -> Optimised:
        text = self.trace.text
        return Optimised(
            text,
            tuple(self.trace.current_span(*piece.span) for piece in self.pieces),
            tuple(self.report()),
            compare(self.source, inventory_of(self.page(())), self.tools.idf),
            self.tools.count(text),
            self.context.tokens,
            tuple(self.warnings()),
            tuple(self.skipped),
            self.trace.runs,
        )

    def warnings(self) -> Iterable[str]:
        """Why something was not done."""
        yield from self.skipped.values()
        if self.strategy.is_lossless and not is_readable(self.text):
            yield (
                f"strategy {self.strategy.name!r} changed nothing: no edit of more than {MAX_TREE_CHARS}"
                " characters is held to the CommonMark tree"
            )

    def unchanged(self, result: Optimised) -> Optimised:
        """The source as it was: what saves no token is not worth a change."""
        spans = tuple(piece.span for piece in self.pieces)
        quality = compare(self.source, self.source, self.tools.idf)
        tokens = self.context.tokens
        warnings, skipped, runs = result.warnings, result.skipped, Trace.of(self.text).runs
        return Optimised(self.text, spans, (), quality, tokens, tokens, warnings, skipped, runs)

    def report(self) -> Iterable[Removed]:
        """Every unit that went, once: what went inside a unit that went later is part of it."""
        order = sorted(self.removed, key=lambda item: (item[0][0], -item[0][1]))
        holders = _Holders(self.text, self.pieces)
        end = -1
        for at, edit, original in order:
            if at[1] <= end or at[0] == at[1]:
                continue
            end = at[1]
            piece = holders.of(at)
            span = (at[0] - piece.span[0], at[1] - piece.span[0])
            tokens = self.tools.count(self.text[at[0] : at[1]])
            yield Removed(piece.id, span, edit.reason, tokens, edit.kind, at, original)


class _Holders:
    """Which piece holds a span, asked in order of the text: pieces are nested, so open ones are a stack."""

    def __init__(self, text: str, pieces: Sequence[Piece]) -> None:
        self.whole = Piece("", (0, len(text)))
        places = sorted(range(len(pieces)), key=lambda at: (-pieces[at].span[0], pieces[at].span[1], at))
        self.coming = [pieces[at] for at in places]  # the next one last; of equal ones the first innermost
        self.open: list[Piece] = []

    def of(self, at: Span) -> Piece:
        """The smallest piece that holds a span; the whole prompt if none does."""
        while self.coming and self.coming[-1].span[0] <= at[0]:
            self.enter(self.coming.pop())
        while self.open and self.open[-1].span[1] < at[1]:
            self.open.pop()
        return self.open[-1] if self.open else self.whole

    def enter(self, piece: Piece) -> None:
        while self.open and self.open[-1].span[1] <= piece.span[0]:
            self.open.pop()
        self.open.append(piece)


def is_allowed(page: Page, each: Pass, edit: Edit) -> bool:
    """True unless an edit touches a keep region, or code that it does not remove with its whole block."""
    for anchor in page.anchors_in(edit.start, edit.end):
        is_whole = edit.start <= anchor.start and anchor.end <= edit.end and not edit.text
        if anchor.kind == "keep" or (anchor.kind == "code" and not (is_whole or each.edits_code)):
            return False
    return True


def _without(span: Span, others: Iterable[Span]) -> list[Span]:
    """What is left of a span outside of others."""
    found: list[Span] = []
    position = span[0]
    for start, end in sorted(others):
        if start > position and start < span[1]:
            found.append((position, start))
        position = max(position, end)
    return [*found, (position, span[1])] if position < span[1] else found


def _touch(pending: Sequence[Edit], edits: Sequence[Edit]) -> bool:
    """True if two sorted lists of edits overlap anywhere or meet."""
    both = sorted([(edit.start, edit.end) for edit in (*pending, *edits)])
    return any(before[1] >= after[0] for before, after in pairwise(both))
