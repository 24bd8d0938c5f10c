"""An assembled prompt: its text, its account, and the manifest made from a filled skeleton."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.protocol.records import (
    AllocationRow,
    Disclosure,
    Estimate,
    ManifestEntry,
    PromptWarning,
    Savings,
    Shares,
)
from promptd.protocol.request import Request


@dataclass(frozen=True, slots=True)
class Fit:
    """How a prompt was made to fit.

    `allocation` says for each piece what a budget did with it; `gap` is the share of value that a better
    allocation might still have; `disclosure` says what is referenced, if the strategy does that.
    """

    strategy: str
    quality: Shares
    savings: Savings
    budget: int | None = None
    reserve: int = 0
    allocation: tuple[AllocationRow, ...] | None = None
    gap: float = 0.0
    disclosure: Disclosure | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """An assembled prompt: a plain record, compared by identity.

    `ids` are those of the components that were asked for, `name` is the id if it was one. `tokens_source` are
    those of the same request with the strategy `none` and no budget; `stable_end` is where the prefix without
    values ends, in code points. `fit` is None where nothing was asked to be saved, `idf_version` that of the
    inverse document frequencies it rests on, -1 if on none.
    """

    request: Request
    name: str
    text: str
    tokens: int
    encoding: str
    digest: str
    etag: str
    manifest: tuple[ManifestEntry, ...]
    warnings: tuple[PromptWarning, ...]
    metadata: Mapping[str, Any]
    evidence: Evidence
    tokens_source: int
    stable_end: int
    stable_prefix_tokens: int
    fit: Fit | None = None
    estimate: Estimate | None = None
    idf_version: int = -1
    is_consistent: bool = True
    ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Prompt {self.name} {self.tokens} tokens {self.digest[:8]}>"

    @property
    def size_bytes(self) -> int:
        """What it costs to keep: text twice (as text and encoded) and about 300 bytes an entry."""
        units = sum(len(entry.removed) for entry in self.manifest)
        return 2 * len(self.text.encode(errors="replace")) + 300 * (len(self.manifest) + units) + 1000


def entries(
    skeleton: Skeleton,
    filled: Filled,
    count: Callable[[int, int], int],
    constant: dict[int, int] | None = None,
) -> tuple[ManifestEntry, ...]:
    """The manifest: one entry for each piece, in the order it was met. `count`: tokens of a span.

    `constant` remembers, for this very skeleton, the tokens of entries that no value can change.
    """
    known = {} if constant is None else constant
    starts, run_of, within = filled.starts, filled.layout.run_of, filled.layout.within
    found: list[ManifestEntry] = []
    for index, draft in enumerate(skeleton.drafts):
        first, last = draft.first, draft.last
        start, end = starts[run_of[first]] + within[first], starts[run_of[last]] + within[last]
        tokens = known.get(index)
        if tokens is None:
            tokens = count(start, end) if end > start else 0
            if filled.layout.is_constant(first, last):
                known[index] = tokens
        found.append(
            ManifestEntry(
                draft.id,
                draft.digest,
                tokens,
                (start, end),
                draft.reason,
                draft.chain,
                draft.line,
                draft.target,
                draft.variant,
                draft.removed,
            )
        )
    return tuple(found)


def warnings(*notes: Note) -> tuple[PromptWarning, ...]:
    """Notes as they are shown, each once."""
    shown = (
        PromptWarning(note.kind, note.message, note.id, note.line, note.target, note.chain) for note in notes
    )
    return tuple(dict.fromkeys(shown))
