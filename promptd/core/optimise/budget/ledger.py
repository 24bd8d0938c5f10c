"""Which piece wrote which characters of a text, and so where in its file a removed unit can be had back."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from promptd.core.optimise.budget.tree import Node, Part, raw
from promptd.core.optimise.records import Removed
from promptd.protocol.records import RemovedUnit, Span


class Written(NamedTuple):
    """A stretch of text that one piece wrote: the span in the file `id`, and where it is in the text."""

    node: Node
    id: str
    span: Span
    at: Span


class Ledger:
    """Which piece wrote which characters of a text, and where in its file they are."""

    def __init__(self, entries: Sequence[tuple[int, Node, Part]]) -> None:
        self._entries = entries  # (where the part begins, whose it is, the part)
        self._starts = [start for start, _, _ in entries]

    def __repr__(self) -> str:
        return f"<Ledger of {len(self._entries)} parts>"

    @classmethod
    def of(cls, root: Node) -> "Ledger":
        """The ledger of a whole tree's written text."""
        entries = []
        position = 0
        stack: list[tuple[Node, Node | list[Part]]] = [(root, root)]
        while stack:
            owner, item = stack.pop()
            if isinstance(item, Node):
                stack += [(item, each) for each in reversed(list(item.items()))]
                continue
            for part in item:
                entries.append((position, owner, part))
                position += len(raw(part.content))
        return cls(entries)

    def spans(self, start: int, end: int) -> Iterator["Written"]:
        """Who wrote [start, end), piece by piece; what follows on in the same file is one."""
        pending: Written | None = None
        for at, node, part in self._between(start, end):
            if part.source is None:
                continue
            first, last = max(start, at), min(end, at + len(raw(part.content)))
            span = part.source.part(first - at, last - at)
            if pending is not None and pending.node is node and pending.span[1] == span[0]:
                pending = pending._replace(span=(pending.span[0], span[1]), at=(pending.at[0], last))
                continue
            if pending is not None:
                yield pending
            pending = Written(node, part.source.id, span, (first, last))
        if pending is not None:
            yield pending

    def _between(self, start: int, end: int) -> Iterator[tuple[int, Node, Part]]:
        index = max(bisect_right(self._starts, start) - 1, 0)
        for at, node, part in self._entries[index:]:
            if at >= end:
                return
            if at + len(raw(part.content)) > start:
                yield at, node, part


def units_of(
    removed: Removed, ledger: Ledger, text: str, count: Callable[[str], int]
) -> Iterator[tuple[Node, RemovedUnit]]:
    """What was removed, piece by piece, each with the place in its file where it can be had back."""
    original = next(ledger.spans(*removed.duplicate_of), None) if removed.duplicate_of is not None else None
    written = list(ledger.spans(*removed.at))
    for node, _, span, at in written:
        tokens = removed.tokens if len(written) == 1 else count(text[slice(*at)])
        if original is None:
            yield node, RemovedUnit(span, tokens, removed.kind, removed.reason)
        else:
            reason = removed.reason.replace("duplicate", f"duplicate of {original.id}", 1)
            yield node, RemovedUnit(span, tokens, removed.kind, reason, original.id, original.span)
