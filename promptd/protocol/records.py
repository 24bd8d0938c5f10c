"""The plain records of a reply: what a prompt consists of, what was removed, what was saved, what is wrong.

Pure structs that import nothing of ours. The engine fills them, the server encodes them, both clients decode
into the same classes, and JSON Schemas and docs/protocol.md are generated from them, so every field has its
sentence here. A field that is added later needs a default: an older daemon's answer lacks it, and an older
client ignores it.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

Span = tuple[int, int]  # [start, end) in code points

Reason = Literal[
    "included",
    "deduplicated",
    "referenced",
    "dropped",
    "missing",
    "optional",
    "too-deep",
    "cycle",
    "error",
    "no-section",
]
EdgeKind = Literal["includes", "reference", "requires"]
SeverityName = Literal["critical", "high", "medium", "low"]
EventName = Literal["raised", "escalated", "eased", "cleared"]
# Reasons and kinds of edges are plain text when decoded, because later versions may have more of them.
_REASONS = ", ".join(get_args(Reason))
_KINDS = "`includes` puts the text in, `reference` one line, `requires` nothing at all"

ComponentId = Annotated[str, Meta(description="id of the component: its path below the root")]
FileSpan = Annotated[tuple[int, int], Meta(description="[start, end) in code points of the component's file")]
Line = Annotated[int, Meta(description="line in the component's file, from 1; 0 if no line is meant")]
Chain = Annotated[
    tuple[str, ...],
    Meta(description="`id:line` of each directive on the way here, the outermost component first"),
]


# -- a prompt -------------------------------------------------------------------------------------


class RemovedUnit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a strategy or a budget took out of a component; `get` with its span gives it back."""

    span: FileSpan
    tokens: Annotated[int, Meta(description="tokens of what was removed")]
    kind: Annotated[str, Meta(description="kind of unit, as of the pass; `component` for all of one")]
    reason: Annotated[str, Meta(description="why it was removed")]
    duplicate_of: Annotated[
        str, Meta(description="of a repeat: id of the component in which the same is still said")
    ] = ""
    duplicate_span: Annotated[
        tuple[int, int] | None,
        Meta(
            description="of a repeat: where the file of `duplicate_of` says it, [start, end) in code points"
        ),
    ] = None
    section: Annotated[
        str, Meta(description="of a referenced section: its anchor, to be used with `get`")
    ] = ""
    digest: Annotated[
        str, Meta(description="of what is referenced: SHA-256 of the text that `get` answers with")
    ] = ""


class ManifestEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One piece of a prompt: a component, or what replaces it."""

    id: ComponentId
    digest: Annotated[str, Meta(description="SHA-256 of the file; empty for one that does not exist")]
    tokens: Annotated[int, Meta(description="tokens of the piece's span in the prompt")]
    span: Annotated[tuple[int, int], Meta(description="[start, end) in code points of the prompt's text")]
    reason: Annotated[str, Meta(description=f"what became of it, one of: {_REASONS}")]
    chain: Chain = msgspec.field(default_factory=lambda: ())  # written also when empty, for it is no constant
    line: Annotated[
        int | None, Meta(description="line of the directive; absent for a component that was asked for")
    ] = None
    target: Annotated[
        str | None, Meta(description="what the directive says, where nothing, or not all of it, was put in")
    ] = None
    variant: Annotated[
        str, Meta(description="what a strategy or a budget made of the piece; absent if nothing")
    ] = ""
    removed: Annotated[
        tuple[RemovedUnit, ...], Meta(description="everything that was taken out of the piece")
    ] = ()


class PromptWarning(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something left out, shortened or doubtful."""

    kind: Annotated[str, Meta(description="kind of warning, one word: `missing`, `too-deep`, …")]
    message: Annotated[str, Meta(description="a sentence for people")]
    id: Annotated[str, Meta(description="component in which it is written")] = ""
    line: Annotated[int, Meta(description="line in that component's file, from 1")] = 0
    target: Annotated[str, Meta(description="what the directive or the variable names")] = ""
    chain: Annotated[
        tuple[str, ...], Meta(description="`id:line` of each directive on the way there, outermost first")
    ] = ()


class Shares(msgspec.Struct, frozen=True):
    """What was kept of what there was: four figures from 0 to 1, rounded down, that are never blended."""

    literals: Annotated[
        float,
        Meta(description="distinct code, URLs, paths, numbers, placeholders, quotations, instructing words"),
    ]
    information: Annotated[
        float, Meta(description="distinct words by how rare they are (idf), and sentences, items and rows")
    ]
    instructions: Annotated[float, Meta(description="instructing sentences and items that remain")]
    structure: Annotated[
        float, Meta(description="headings, list items, rows and tags; order and place of units")
    ]


class Referenced(msgspec.Struct, frozen=True, omit_defaults=True):
    """A component or a section that a reference in the prompt stands for; `get` gives it back, exactly."""

    id: ComponentId
    section: Annotated[str, Meta(description="anchor of the section; empty for the whole component")]
    title: Annotated[str, Meta(description="its heading, or the component's description")]
    span: FileSpan
    tokens: Annotated[int, Meta(description="tokens of the text that `get` answers with (its body)")]
    digest: Annotated[str, Meta(description="SHA-256 of the text that `get` answers with")]
    line_tokens: Annotated[int, Meta(description="tokens of the line that stands for it")]
    unfilled: Annotated[
        bool, Meta(description="true: it has placeholders whose values are in the prompt, beside the line")
    ] = False


class Disclosure(msgspec.Struct, frozen=True):
    """What the strategy `progressive` put off: what is in the prompt at entry, and what can be fetched."""

    tokens_entry: Annotated[int, Meta(description="tokens of the prompt as it is")]
    tokens_all: Annotated[
        int, Meta(description="tokens of the prompt and of everything referenced, each text fetched once")
    ]
    literals: Annotated[float, Meta(description="share of the distinct literals that is in the prompt")]
    instructions: Annotated[float, Meta(description="share of the instructions that is in the prompt")]
    references: Annotated[
        tuple[Referenced, ...], Meta(description="what is referenced, in order of appearance")
    ]


class AllocationRow(msgspec.Struct, frozen=True):
    """What a budget did with one component."""

    id: ComponentId
    depth: Annotated[int, Meta(description="how deep it is included; 0 for one that was asked for")]
    priority: Annotated[float, Meta(description="weight by its author, its depth and its part in the prompt")]
    variant: Annotated[str, Meta(description="the variant chosen: `as is`, a strategy, `cut`, …")]
    tokens: Annotated[int, Meta(description="its own tokens in the prompt")]
    tokens_source: Annotated[int, Meta(description="its own tokens without strategy and budget")]
    quality: Annotated[float, Meta(description="share of its own information that was kept, 0 to 1")]
    why: Annotated[str, Meta(description="why it is not whole; empty if it is")]


class Savings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one reply saved, against a stated baseline."""

    baseline: Annotated[
        str, Meta(description="what it is compared with: the same request with this strategy")
    ]
    tokens_baseline: Annotated[
        int, Meta(description="tokens that would have been sent; at most the context limit")
    ]
    tokens_saved: Annotated[
        int, Meta(description="tokens fewer than the baseline; negative if there are more")
    ]
    model: Annotated[str | None, Meta(description="the configured model whose prices were used")] = None
    cost_saved: Annotated[
        float | None, Meta(description="cost saved, in the currency of the configured prices")
    ] = None


class Estimate(msgspec.Struct, frozen=True):
    """A model's own count of tokens, estimated: the exact count of the encoding times a calibration."""

    model: Annotated[str, Meta(description="the configured model")]
    encoding: Annotated[str, Meta(description="the encoding that was counted in")]
    tokens: Annotated[int, Meta(description="exact tokens of that encoding")]
    calibration: Annotated[float, Meta(description="tokens of the model for one of the encoding")]
    tokens_estimated: Annotated[int, Meta(description="tokens times calibration, rounded")]
    cost: Annotated[float, Meta(description="cost as uncached input, in the currency of the prices")]


# -- the library ----------------------------------------------------------------------------------


class FileDiagnostic(msgspec.Struct, frozen=True):
    """Something wrong in a file that does not stop it from being used."""

    kind: Annotated[str, Meta(description="kind of problem, one word")]
    message: Annotated[str, Meta(description="a sentence for people")]
    line: Line


class ListedComponent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One component of the library, without its text."""

    id: ComponentId
    description: Annotated[str, Meta(description="`description` of its front matter, on one line; or empty")]
    size_bytes: Annotated[int, Meta(description="size of its file")]
    digest: Annotated[str, Meta(description="SHA-256 of its file")]
    dependencies: Annotated[
        int, Meta(description="how many components it names directly, `requires` included")
    ]
    dependents: Annotated[int, Meta(description="how many components name it directly")]
    error: Annotated[str, Meta(description="why it is invalid; absent if it is not")] = ""


class GraphEdge(msgspec.Struct, frozen=True, omit_defaults=True):
    """One component that names another, in one or several directives."""

    source: Annotated[str, Meta(description="id of the component that holds the directive")]
    target: Annotated[str, Meta(description="id of the component that it names")]
    line: Line
    kind: Annotated[str, Meta(description=f"the strongest of its directives: {_KINDS}")]
    lines: Annotated[
        tuple[int, ...], Meta(description="lines of all its directives, if there are several")
    ] = ()


class TreeNode(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A component with what is below it (or, for dependents, above it)."""

    line: Annotated[int | None, Meta(description="line of the directive; absent at the root")] = None
    kind: Annotated[str | None, Meta(description=f"{_KINDS}; absent at the root")] = None
    id: ComponentId
    cycle: Annotated[bool, Meta(description="true: it is on the way to itself, and not opened again")] = False
    truncated: Annotated[bool, Meta(description="true: it has more below it than `depth` allows")] = False
    children: Annotated[
        tuple["TreeNode", ...], Meta(description="in the order in which their directives are written")
    ]


class Dangling(msgspec.Struct, frozen=True):
    """A directive whose target, or the section it names, does not exist."""

    id: ComponentId
    line: Line
    target: Annotated[str, Meta(description="what the directive names")]
    reason: Annotated[str, Meta(description="why it leads nowhere")]


class Problem(msgspec.Struct, frozen=True):
    """Something that an author should look at."""

    kind: Annotated[str, Meta(description="an error's type, or a warning's kind in one word")]
    id: Annotated[str, Meta(description="component concerned; empty if it is the library")]
    line: Line
    message: Annotated[str, Meta(description="a sentence for people")]


# -- notifications --------------------------------------------------------------------------------


class PromptFailure(msgspec.Struct, frozen=True):
    """Why a subscribed prompt cannot be assembled any more."""

    type: Annotated[str, Meta(description="type of the error, as in `error.data.type`")]
    message: Annotated[str, Meta(description="a sentence for people")]


class Changed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A subscribed prompt became different (notification `changed`)."""

    subscription: Annotated[int, Meta(description="the subscription, as `subscribe` answered")]
    name: Annotated[str, Meta(description="what was subscribed to: the names, separated by commas")] = (
        msgspec.field(default_factory=lambda: "")
    )
    digest: Annotated[
        str | None, Meta(description="SHA-256 of the new text; null if it cannot be assembled any more")
    ]
    error: Annotated[PromptFailure | None, Meta(description="why it cannot be assembled")] = None
    tokens: Annotated[int | None, Meta(description="tokens of the new text")] = None
    previous: Annotated[str | None, Meta(description="digest reported before; null if there was none")]
    clock: Annotated[str, Meta(description="state of the library in which that is so")]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A target that is missed right now."""

    id: Annotated[str, Meta(description="names this occurrence")]
    rule: Annotated[str, Meta(description="the target that is missed")]
    severity: Annotated[SeverityName, Meta(description="how bad it is")]
    first_seen_unix_s: Annotated[float, Meta(description="when it was raised, in seconds since 1970")]
    last_seen_unix_s: Annotated[float, Meta(description="when it was last seen, in seconds since 1970")]
    value: Annotated[float, Meta(description="the figure as last seen")]
    threshold: Annotated[float, Meta(description="the target that it misses")]
    unit: Annotated[str, Meta(description="unit of value and threshold")]
    sentence: Annotated[str, Meta(description="a sentence for people")]


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An alert was raised, became worse, eased, or was cleared (notification `alert`)."""

    time_unix_s: Annotated[float, Meta(description="when, in seconds since 1970")]
    event: Annotated[EventName, Meta(description="what happened to the alert")]
    id: Annotated[str, Meta(description="the alert's id")]
    rule: Annotated[str, Meta(description="the target that is or was missed")]
    severity: Annotated[
        SeverityName, Meta(description="how bad it is from now on, or was when it was cleared")
    ]
    value: Annotated[float, Meta(description="the figure as of then")]
    threshold: Annotated[float, Meta(description="the target")]
    unit: Annotated[str, Meta(description="unit of value and threshold")]
    sentence: Annotated[str, Meta(description="a sentence for people")]


# -- the protocol itself --------------------------------------------------------------------------


class MethodDescription(msgspec.Struct, frozen=True):
    """One method of the daemon, for programs."""

    name: Annotated[str, Meta(description="`method` of a request")]
    summary: Annotated[str, Meta(description="what it does, in a sentence")]
    params: Annotated[dict[str, Any], Meta(description="JSON Schema of its parameters")]
    result: Annotated[dict[str, Any], Meta(description="JSON Schema of its result")]
    errors: Annotated[tuple[str, ...], Meta(description="types of the errors that it may answer with")]
    right: Annotated[
        Literal["ask", "administer"],
        Meta(
            description="what the user must be allowed: `administer` is `serve.admin_uids`, the daemon, root"
        ),
    ]


class NotificationDescription(msgspec.Struct, frozen=True):
    """One notification that the daemon sends, for programs."""

    name: Annotated[str, Meta(description="`method` of the notification")]
    summary: Annotated[str, Meta(description="when it is sent, in a sentence")]
    params: Annotated[dict[str, Any], Meta(description="JSON Schema of its parameters")]


class ErrorDescription(msgspec.Struct, frozen=True):
    """One error that the daemon may answer with."""

    type: Annotated[str, Meta(description="`error.data.type`")]
    code: Annotated[int, Meta(description="`error.code`")]
    summary: Annotated[str, Meta(description="what it means, in a sentence")]
