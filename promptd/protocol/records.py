"""The plain records of a reply: what a prompt consists of, what was removed, what was saved.

Pure structs that import nothing of ours: the engine fills them, the server encodes them, both clients decode
into the same classes, and every description of the protocol is generated from them.
"""

from typing import Literal

import msgspec

Span = tuple[int, int]  # [start, end) in code points

Reason = Literal[
    "included",
    "deduplicated",
    "referenced",
    "dropped",
    "missing",
    "optional",
    "too-deep",
    "error",
    "no-section",
]


class RemovedUnit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something a strategy or a budget took out of a component: `span` is where its file has it.

    `kind` is that of the pass, or "component" for all of one. `duplicate_of` is the id of the component that
    holds the duplicate, and `duplicate_span` where its file has it.
    """

    span: Span
    tokens: int
    kind: str
    reason: str
    duplicate_of: str = ""
    duplicate_span: Span | None = None


class ManifestEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One piece of a prompt. `span` is [start, end) in code points, `tokens` those of that span.

    `variant` is what a strategy or a budget made of it, `removed` every unit that was taken out of it.
    """

    id: str
    digest: str
    tokens: int
    span: Span
    reason: str
    chain: tuple[str, ...]
    line: int | None = None
    target: str | None = None
    variant: str = ""
    removed: tuple[RemovedUnit, ...] = ()


class PromptWarning(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something left out, shortened or doubtful: where it is written and the chain that led there."""

    kind: str
    message: str
    id: str = ""
    line: int = 0
    target: str = ""
    chain: tuple[str, ...] = ()


class Shares(msgspec.Struct, frozen=True):
    """What was kept of what there was, as four figures from 0 to 1 that are never blended."""

    literals: float
    information: float
    instructions: float
    structure: float


class AllocationRow(msgspec.Struct, frozen=True):
    """One line of the account. `quality` is the share of the component's own information that stays."""

    id: str
    depth: int
    priority: float
    variant: str
    tokens: int
    tokens_source: int
    quality: float
    why: str


class Savings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one reply saved. `tokens_baseline` is what would have been sent; cost only for a known model."""

    baseline: str
    tokens_baseline: int
    tokens_saved: int
    model: str | None = None
    cost_saved: float | None = None


class Estimate(msgspec.Struct, frozen=True):
    """A model's own count, estimated: raw count x calibration, beside the encoding that was counted in."""

    model: str
    encoding: str
    tokens: int
    calibration: float
    tokens_estimated: int
    cost: float
