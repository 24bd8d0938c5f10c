"""What the daemon answers, typed: the records of an assembled prompt and of a notification.

Members that a newer daemon may add are ignored; those that an answer may lack have a default. Answers whose
shape is open (graphs, statistics, …) stay dictionaries.
"""

from typing import Any

import msgspec


class RemovedUnit(msgspec.Struct, frozen=True):
    """Something that was taken out of a component: `get` with its id and this `span` gives it back.

    `twin` and `twin_span`: where the same is still said, for repeats.
    """

    span: tuple[int, int]
    tokens: int
    kind: str
    reason: str
    twin: str = ""
    twin_span: tuple[int, int] | None = None


class Quality(msgspec.Struct, frozen=True):
    """Four shares of what there was that were kept, from 0 to 1."""

    anchors: float = 1.0
    information: float = 1.0
    instructions: float = 1.0
    structure: float = 1.0


class ManifestEntry(msgspec.Struct, frozen=True):
    """One piece of a prompt. `span` is [start, end) in code points of its text, `tokens` those of the span.

    `variant` is what a strategy or a budget made of it, `removed` all that was taken out of it.

    `reason`: included, deduplicated, referenced, dropped, missing or cycle; `chain` holds `file:line` from
    the outermost component to the directive that led here.
    """

    id: str
    digest: str
    tokens: int
    span: tuple[int, int]
    reason: str
    chain: tuple[str, ...] = ()
    line: int | None = None
    target: str | None = None
    variant: str = ""
    removed: tuple[RemovedUnit, ...] = ()


class PromptWarning(msgspec.Struct, frozen=True):
    """Something left out, shortened or doubtful: where it is written and the chain that led there."""

    kind: str
    message: str
    id: str = ""
    line: int = 0
    target: str = ""
    chain: tuple[str, ...] = ()


class Assembled(msgspec.Struct, frozen=True):
    """An assembled prompt. `unchanged`: it equals the one whose `etag` was sent, and `text` is not repeated.

    `tokens` counts the text exactly, in `encoding`; `consistent` is False if files changed while they were
    read. `clock` names the state of the library that the prompt was assembled from. `tokens_source` are those
    of the same request with strategy `none` and no budget; `savings`, `allocation` and `estimate` are there
    where a strategy, a budget or a model was asked for, `system` or `messages` in place of `text` where
    `format` was.
    """

    tokens: int
    digest: str
    etag: str
    clock: str
    consistent: bool = True
    text: str = ""
    tokens_source: int = 0
    encoding: str = ""
    name: str = ""
    metadata: dict[str, Any] = {}
    manifest: tuple[ManifestEntry, ...] = ()
    warnings: tuple[PromptWarning, ...] = ()
    unchanged: bool = False
    stable_prefix_tokens: int = 0
    strategy: str = "none"
    quality: Quality = Quality()
    savings: dict[str, Any] = {}
    budget: int | None = None
    reserve: int = 0
    allocation: tuple[dict[str, Any], ...] | None = None
    allocation_gap: float = 0.0
    estimate: dict[str, Any] | None = None
    system: tuple[dict[str, Any], ...] = ()
    messages: tuple[dict[str, Any], ...] = ()


class Subscribed(msgspec.Struct, frozen=True):
    """The answer to `subscribe`: what the prompt is now."""

    subscription: int
    digest: str | None
    clock: str
    name: str = ""


class Changed(msgspec.Struct, frozen=True):
    """A subscribed prompt became different; `digest` is None, and `error` says why, if it has none any more.

    `error` holds `type` (a leaf of promptd.errors) and `message`.
    """

    subscription: int
    digest: str | None
    previous: str | None
    clock: str
    name: str = ""
    error: dict[str, Any] | None = None
