"""The strategy `progressive`: included components and sections become one-line references up to a target.

Every included component, and every section in it that can be fetched by itself, may stay or be referenced.
The knapsack of the budgets chooses, so that most priority-weighted information stays within the tokens that
the target leaves; it spends what is left, so no more is referenced than the target asks for. Components that
were asked for stay as they are, and so does what `staying` says of the others. The text as written decides:
values go in afterwards, and the choice is the same for all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.blocks import read
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.knapsack import Choice, Item, smallest, solve
from promptd.core.optimise.budget.tree import Node, Part, flatten, grow, raw, text_of
from promptd.core.optimise.progressive.candidates import Referable, candidates
from promptd.core.optimise.progressive.forms import Removal
from promptd.core.optimise.progressive.sections import SourceFile
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import Referenced, RemovedUnit

MAX_REPAIRS = 8


@dataclass(frozen=True, slots=True)
class Referred:
    """A skeleton with references in it (parts that are a `ReferenceLine`), and what is referenced.

    `tokens_fetched` are those of everything that is referenced, each text once.
    """

    skeleton: Skeleton
    references: tuple[Referenced, ...]
    tokens_fetched: int


class ReferenceLine(str):
    """The text of a reference, with the line endings around it."""

    __slots__ = ()


def refer(
    skeleton: Skeleton,
    strategy: Strategy,
    tools: Tools,
    hints: Mapping[str, AuthorHints],
    sources: Mapping[str, SourceFile],
    is_live: Callable[[Slot], bool],
    over: int = 0,
) -> Referred:
    """Reference what the target asks for. Deterministic; never raises for any text.

    `sources`: of every component, `is_live`: whether a slot takes a value, `over`: tokens that are to be
    saved at least.
    """
    root = grow(skeleton)
    text, offsets = text_of(skeleton.parts)
    values = [
        (offsets[index], offsets[index + 1])
        for index, part in enumerate(skeleton.parts)
        if isinstance(part, Slot) and is_live(part)
    ]
    found = candidates(root, read(text), values, tools, strategy, hints, sources)
    whole = tools.count(text)
    target = min(int(whole * (1 - strategy.aims.reduction)), whole - over)
    chosen = _ReferenceChoice(text, found, tools.count, whole).within(target)
    return _built(skeleton, root, text, chosen, tools)


# -- the choice -----------------------------------------------------------------------------------


class _ReferenceChoice:
    """Which candidates are referenced. They are in preorder, component by component."""

    def __init__(
        self, text: str, found: Sequence[Referable], count: Callable[[str], int], whole: int
    ) -> None:
        self.text, self.found, self.count, self.whole = text, found, count, whole
        self.items = [_item(candidate) for candidate in found]

    def within(self, target: int) -> list[Referable]:
        """The fewest tokens if the target cannot be met."""
        if self.whole <= target or not self.items:
            return []
        left = target - (self.whole - sum(each.tokens for each in self.found if not each.depth))
        least = smallest(self.items)
        for _ in range(MAX_REPAIRS):
            solution = solve(self.items, left) if least.tokens <= left else None
            if solution is None:
                break
            chosen = self.referenced(solution.picks)
            tokens = self.count(_entry(self.text, chosen))
            if tokens <= target:
                return self.undone(chosen, tokens, target)
            left -= tokens - target
        return self.referenced(least.picks)

    def undone(self, chosen: Sequence[Referable], tokens: int, target: int) -> list[Referable]:
        """Without what the target does not need: a search that had to stop early may leave some."""
        left = list(chosen)
        for candidate in sorted(chosen, key=lambda each: (each.entry_value - each.value, each.span)):
            if tokens + candidate.tokens - candidate.entry_tokens <= target:
                fewer = [each for each in left if each is not candidate]
                count = self.count(_entry(self.text, fewer))
                if count <= target:
                    left, tokens = fewer, count
        return left

    def referenced(self, picks: Sequence[int | None]) -> list[Referable]:
        return [each for each, pick in zip(self.found, picks, strict=True) if pick == 1]


def _item(candidate: Referable) -> Item:
    choices = [Choice(candidate.own_tokens, candidate.own_value)]
    if candidate.edits:
        choices.append(Choice(candidate.entry_tokens, candidate.entry_value, True))
    return Item(candidate.size, tuple(choices))


def _entry(text: str, chosen: Sequence[Referable]) -> str:
    """The text at entry."""
    written: list[str] = []
    position = 0
    for edit, candidate in _in_order(chosen):
        written += text[position : edit.start], edit.text(candidate.line)
        position = edit.end
    return "".join((*written, text[position:]))


def _in_order(chosen: Sequence[Referable]) -> list[tuple[Removal, Referable]]:
    edits = [(edit, candidate) for candidate in chosen for edit in candidate.edits]
    return sorted(edits, key=lambda each: each[0].start)


# -- the result -----------------------------------------------------------------------------------


def _built(skeleton: Skeleton, root: Node, text: str, chosen: Sequence[Referable], tools: Tools) -> Referred:
    builder = _TreeEditor(_in_order(chosen))
    built = builder.node(root)
    by_node: dict[Node, list[Referable]] = {}
    for candidate in chosen:
        by_node.setdefault(candidate.node, []).append(candidate)
    for old, new in zip(root.walk(), built.walk(), strict=True):
        if new.draft is not None and old in by_node:
            units = [_unit(candidate) for candidate in by_node[old]]
            is_whole = not by_node[old][0].depth
            new.draft = replace(
                new.draft,
                reason="referenced" if is_whole else "included",
                variant="references",
                removed=tuple(units),
            )
    references = tuple(candidate.record(tools.count) for candidate in chosen)
    fetched = {(each.id, each.span): each.tokens for each in references}
    return Referred(flatten(built, skeleton), references, sum(fetched.values()))


def _unit(candidate: Referable) -> RemovedUnit:
    reference = candidate.reference
    kind = "section" if reference.section else "passage" if reference.span else "component"
    return RemovedUnit(
        candidate.span,
        candidate.going,
        kind,
        "replaced by a reference",
        section=reference.section,
        digest=reference.digest,
    )


class _TreeEditor:
    """The tree with its parts cut at the edits and the lines put in. Nodes are visited as the text runs."""

    def __init__(self, edits: Sequence[tuple[Removal, Referable]]) -> None:
        self.edits = edits
        self.index = 0
        self.position = 0  # in the source text
        self.until = 0  # what is before this goes

    def node(self, root: Node) -> Node:
        top = Node(root.draft, [[]])
        stack: list[tuple[Node, Iterator[Node | list[Part]]]] = [(top, root.items())]
        while stack:
            new, items = stack[-1]
            item = next(items, None)
            if item is None:
                stack.pop()
            elif isinstance(item, Node):
                child = Node(item.draft, [[]])
                new.put(child)
                stack.append((child, item.items()))
            else:
                new.chunks[-1] = [each for part in item for each in self.part(part)]
        return top

    def part(self, part: Part) -> Iterator[Part]:
        start, end = self.position, self.position + len(raw(part.content))
        self.position = end
        at = start
        while at < end:
            if at < self.until:
                at = min(self.until, end)
                continue
            following = self.edits[self.index] if self.index < len(self.edits) else None
            upto = min(following[0].start, end) if following is not None else end
            if upto > at:
                yield _slice(part, at - start, upto - start)
                at = upto
            if following is not None and following[0].start < end and at == following[0].start:
                edit, candidate = following
                if line := edit.text(candidate.line):
                    yield Part(ReferenceLine(line))
                self.until = edit.end
                self.index += 1


def _slice(part: Part, first: int, last: int) -> Part:
    content, source = part
    if isinstance(content, Slot) or (first == 0 and last == len(content)):
        return part
    if source is not None and source.is_exact:
        source = source._replace(start=source.start + first, end=source.start + last)
    return Part(content[first:last], source)
