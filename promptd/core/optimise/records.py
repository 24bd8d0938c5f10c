"""The records that strategies, passes and budgets hand to one another: pure data, imported by all of them.

What needs the words of a library is not here: starting the engine imports this file.
"""

import msgspec

from promptd.protocol.records import Span


class Aims(msgspec.Struct, frozen=True):
    """What lossy passes aim at. Shares of 1: `reduction` of tokens, `information` that must be kept.

    `min_words` is the fewest words a section or element must have to be worth removing as a repeat.
    """

    reduction: float = 0.45
    information: float = 0.95
    min_words: int = 4


class Pass(msgspec.Struct, frozen=True):
    """A pass by name. `is_lossless` ones are held to the CommonMark tree, `edits_code` may edit inside code.

    `needs_fresh` ones look at the text as a whole, so that no edit may be pending when they run. Those that
    `drops` remove what is said nowhere else, and so never what a removed repeat repeats.
    """

    name: str
    summary: str
    is_lossless: bool = False
    edits_code: bool = False
    needs_fresh: bool = False
    drops: bool = False


class Piece(msgspec.Struct, frozen=True):
    """One entry of a manifest: the id of a component and the span of its contribution, in code points.

    `limit` is its `optimise:` front matter: "never", or the name of the strongest strategy for it. An entry
    is a component that was asked for, and not included by another.
    """

    id: str
    span: Span
    limit: str | None = None
    is_entry: bool = False


class Removed(msgspec.Struct, frozen=True):
    """One removed unit. `text[at]` of the prompt with strategy `none` gives it back.

    `span` is the same place inside the contribution of `id`, the smallest piece that holds all of it; for
    repeats `duplicate_of` is where the prompt with `none` has the duplicate that stays. `kind`: repeat,
    drop, comment, markup. `tokens` are those of the unit alone.
    """

    id: str
    span: Span
    reason: str
    tokens: int
    kind: str
    at: Span
    duplicate_of: Span | None = None


class Share(msgspec.Struct, frozen=True):
    """How much of something was kept."""

    kept: float
    had: float

    @property
    def ratio(self) -> float:
        """`kept / had`; 1 where there was nothing to keep."""
        return self.kept / self.had if self.had else 1.0


class Quality(msgspec.Struct, frozen=True):
    """The four figures of what an optimisation kept."""

    literals: Share
    information: Share
    instructions: Share
    structure: Share


class Optimised(msgspec.Struct, frozen=True):
    """The result. `spans` are those of the pieces, in their order, in the new text.

    `skipped` names the passes that raised, `warnings` says so, one sentence each. `runs` are the stretches
    (where in the text, where in the source, characters) that were copied from the source, in order.
    """

    text: str
    spans: tuple[Span, ...]
    removed: tuple[Removed, ...]
    quality: Quality
    tokens: int
    tokens_source: int
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    runs: tuple[tuple[int, int, int], ...] = ()

    @property
    def reduction(self) -> float:
        """The share of tokens saved against `none`; below 0 if there are more of them."""
        return 1 - self.tokens / self.tokens_source if self.tokens_source else 0.0
