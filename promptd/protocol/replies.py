"""The result of each method as a type: what the engine fills, the server encodes and a client decodes.

`methods.METHODS` names the one that belongs to a method; `describe`, docs/protocol.md and the clients follow
from them. Fields are encoded in the order in which they are written here.

A reply may hold less than its type: `partial` makes one of the given fields only, and the others are left
out of its encoding. A client that decodes it gets their defaults. What was in every answer from the beginning
needs no default; a field that is added later does, for an older daemon's answer lacks it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta

from promptd.protocol.records import (
    Alert,
    AlertEvent,
    AllocationRow,
    ComponentId,
    Dangling,
    Disclosure,
    ErrorDescription,
    Estimate,
    FileDiagnostic,
    FileSpan,
    GraphEdge,
    ListedComponent,
    ManifestEntry,
    MethodDescription,
    NotificationDescription,
    Problem,
    PromptWarning,
    Savings,
    Shares,
    TreeNode,
)

Clock = Annotated[
    str,
    Meta(description="names the state of the library that the answer is of, as `c:<instance>:<revision>`"),
]
Digest = Annotated[str, Meta(description="SHA-256 of the text, in hexadecimal digits")]
_WHOLE = Shares(1.0, 1.0, 1.0, 1.0)


class AssembleReply(msgspec.Struct, frozen=True, kw_only=True):
    """An assembled prompt.

    What no strategy, budget, model or format was asked for is absent; to a client `strategy` is then "none",
    `quality` whole, and `savings`, `budget`, `allocation`, `progressive` and `estimate` are None.
    """

    unchanged: Annotated[
        bool,
        Meta(
            description="true: the prompt is the one whose `etag` was sent, and nothing is in the answer but"
            " tokens, digest, etag, clock and consistent"
        ),
    ] = False
    text: Annotated[str, Meta(description="the text; absent where `format` asked for another form")] = ""
    messages: Annotated[
        tuple[dict[str, Any], ...], Meta(description="with `format` openai: the text as OpenAI's messages")
    ] = ()
    system: Annotated[
        tuple[dict[str, Any], ...],
        Meta(description="with `format` anthropic: the text as Anthropic's system blocks, with cache marks"),
    ] = ()
    tokens: Annotated[int, Meta(description="exact tokens of the text in `encoding`")]
    tokens_source: Annotated[
        int, Meta(description="tokens of the same request with strategy none and no budget")
    ] = 0
    encoding: Annotated[str, Meta(description="the encoding that tokens are counted in")] = ""
    stable_prefix_tokens: Annotated[
        int, Meta(description="tokens before the first variable's value: what a provider can cache")
    ] = 0
    strategy: Annotated[
        str, Meta(description="with a strategy or a budget: the strategy that was applied")
    ] = "none"
    quality: Annotated[Shares, Meta(description="with a strategy or a budget: what was kept")] = _WHOLE
    savings: Annotated[Savings | None, Meta(description="with a strategy or a budget: what was saved")] = None
    budget: Annotated[int | None, Meta(description="with a budget: most tokens, `reserve` included")] = None
    reserve: Annotated[int, Meta(description="with a budget: tokens of it that are kept for output")] = 0
    allocation: Annotated[
        tuple[AllocationRow, ...] | None, Meta(description="with a budget: what it did with each component")
    ] = None
    allocation_gap: Annotated[
        float,
        Meta(
            description="with a budget: how much better an allocation might at most be, as a share of value"
        ),
    ] = 0.0
    progressive: Annotated[
        Disclosure | None,
        Meta(description="with a strategy that references: what is at entry, and what can be fetched"),
    ] = None
    estimate: Annotated[
        Estimate | None, Meta(description="with a model: its own count and the cost, estimated")
    ] = None
    digest: Digest
    etag: Annotated[
        str,
        Meta(description="identifies all of the reply: send it to get only `unchanged` if nothing differs"),
    ]
    name: Annotated[str, Meta(description="id of the component asked for; empty if there were several")] = ""
    metadata: Annotated[
        Mapping[str, Any], Meta(description="front matter of the first component that was asked for")
    ] = msgspec.field(default_factory=dict)
    manifest: Annotated[
        tuple[ManifestEntry, ...], Meta(description="every piece of the prompt, in order of appearance")
    ] = ()
    warnings: Annotated[
        tuple[PromptWarning, ...], Meta(description="everything that was left out, shortened or is doubtful")
    ] = ()
    clock: Clock
    consistent: Annotated[
        bool, Meta(description="false: files changed while they were read, each time they were read")
    ] = True


class GetReply(msgspec.Struct, frozen=True, kw_only=True):
    """One component as it is on disk; with `section` or `span` a stretch of its file."""

    id: ComponentId
    digest: Annotated[str, Meta(description="SHA-256 of the file")]
    span: Annotated[
        FileSpan | None,
        Meta(
            description="the stretch asked for, by `span` or `section`; then body, metadata, size_bytes and"
            " dependencies are absent"
        ),
    ] = None
    section: Annotated[str, Meta(description="the section asked for; absent if none was")] = ""
    text_digest: Annotated[
        str, Meta(description="SHA-256 of `text`, if it is a stretch; of a whole file `digest` is")
    ] = ""
    text: Annotated[str, Meta(description="the file's text, front matter included; or the stretch of it")]
    body: Annotated[str, Meta(description="the text without front matter")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="its front matter")] = {}
    tokens: Annotated[int, Meta(description="tokens of `body`, or of the stretch")]
    size_bytes: Annotated[int, Meta(description="size of the file")] = 0
    dependencies: Annotated[
        tuple[str, ...], Meta(description="ids of the components it names directly, `requires` included")
    ] = ()
    diagnostics: Annotated[
        tuple[FileDiagnostic, ...], Meta(description="what is wrong in the file and does not make it invalid")
    ]
    clock: Clock


class ListReply(msgspec.Struct, frozen=True):
    """Components of the library, by id."""

    components: Annotated[tuple[ListedComponent, ...], Meta(description="those that match, sorted by id")]
    total: Annotated[int, Meta(description="how many components the whole library has")]
    clock: Clock


class ChangesReply(msgspec.Struct, frozen=True):
    """What became different in the list since a clock."""

    full_resync: Annotated[
        bool,
        Meta(
            description="true: the clock is of another instance, or too old, and this is the whole list:"
            " forget yours (watchman's is_fresh_instance)"
        ),
    ]
    components: Annotated[
        tuple[ListedComponent, ...], Meta(description="those that were added or are different, sorted by id")
    ]
    removed: Annotated[tuple[str, ...], Meta(description="ids that are no longer listed")]
    total: Annotated[int, Meta(description="how many components the whole library has")]
    clock: Clock


class DependenciesReply(msgspec.Struct, frozen=True):
    """What a component depends on, directly and indirectly."""

    name: ComponentId
    ids: Annotated[tuple[str, ...], Meta(description="ids of all dependencies, in order of first use")]
    tree: Annotated[TreeNode, Meta(description="the component with its dependencies below it")]
    clock: Clock


class DependentsReply(msgspec.Struct, frozen=True):
    """What depends on a component, directly and indirectly."""

    name: ComponentId
    ids: Annotated[tuple[str, ...], Meta(description="ids of all dependents, sorted")]
    tree: Annotated[TreeNode, Meta(description="the component with its dependents below it")]
    clock: Clock


class GraphReply(msgspec.Struct, frozen=True):
    """The dependency graph, of the library or of one component."""

    nodes: Annotated[tuple[ListedComponent, ...], Meta(description="the components")]
    edges: Annotated[
        tuple[GraphEdge, ...], Meta(description="pairs of components of which one names the other")
    ]
    clock: Clock
    truncated: Annotated[bool, Meta(description="true: there are more nodes or edges than `limit`")] = False


class CheckReply(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the library."""

    roots: Annotated[tuple[str, ...], Meta(description="directories of the library, in order of precedence")]
    components: Annotated[int, Meta(description="how many components there are")]
    edges: Annotated[
        int, Meta(description="how many pairs of components of which one names the other: those of `graph`")
    ]
    directives: Annotated[int, Meta(description="how many directives there are, without `requires`")]
    dangling: Annotated[
        tuple[Dangling, ...], Meta(description="directives whose target does not exist, though it should")
    ]
    missing_sections: Annotated[
        tuple[Dangling, ...], Meta(description="directives whose target exists without the section they name")
    ] = ()
    cycles: Annotated[
        tuple[tuple[str, ...], ...],
        Meta(description="components that include each other: `id:line` of each step, ending where it began"),
    ]
    unused: Annotated[tuple[str, ...], Meta(description="ids that no prompt reaches (`library.prompts`)")]
    errors: Annotated[tuple[Problem, ...], Meta(description="invalid components")]
    warnings: Annotated[tuple[Problem, ...], Meta(description="what deserves a look and breaks nothing")]
    ok: Annotated[
        bool, Meta(description="true: nothing is dangling, cyclic or invalid, and no section is missing")
    ]
    clock: Clock


class RescanReply(msgspec.Struct, frozen=True):
    """How the disk differed from what was held."""

    added: Annotated[int, Meta(description="components that were new")]
    changed: Annotated[int, Meta(description="components that were different")]
    removed: Annotated[int, Meta(description="components that were gone")]
    clock: Clock


class SubscribeReply(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription, and what the prompt is now."""

    subscription: Annotated[int, Meta(description="names the subscription on this connection")]
    name: Annotated[str, Meta(description="what was subscribed to: the names, separated by commas")] = ""
    digest: Annotated[str | None, Meta(description="SHA-256 of the text as it is now")]
    clock: Clock


class UnsubscribeReply(msgspec.Struct, frozen=True):
    """A subscription ended."""

    subscription: Annotated[int, Meta(description="the subscription")]
    active: Annotated[bool, Meta(description="false: it sends no more notifications")]


# Both are open mappings on purpose. What `statistics` holds are the counters of the daemon's parts, which
# come and go with the code: a program reads `health` or `metrics`. The snapshot has a schema and a version of
# its own, promptd/monitor/health-1.schema.json, for it is a file as well.
StatisticsReply = Annotated[
    dict[str, Any], Meta(description="one object for each part of the daemon, with its counters as of now")
]
HealthReply = Annotated[
    dict[str, Any], Meta(description="the snapshot of health.json as of now; it has a JSON Schema of its own")
]


class MetricsReply(msgspec.Struct, frozen=True):
    """Everything that is measured, in Prometheus' text format."""

    content_type: Annotated[str, Meta(description="media type of the text")]
    text: Annotated[str, Meta(description="the exposition")]


class ConfigurationReply(msgspec.Struct, frozen=True):
    """The configuration in force."""

    toml: Annotated[str, Meta(description="every key with its value, as TOML")]


class AlertsReply(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong now and what was."""

    active: Annotated[tuple[Alert, ...], Meta(description="what is wrong now, worst first")]
    history: Annotated[tuple[AlertEvent, ...], Meta(description="what happened, oldest first")]
    raised_total: Annotated[dict[str, int], Meta(description="alerts raised since the start, by severity")]
    cleared_total: Annotated[int, Meta(description="alerts cleared since the start")]
    subscribed: Annotated[bool, Meta(description="true: this connection receives alerts")]


class ReloadReply(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration was read again."""

    reloaded: Annotated[bool, Meta(description="true: it is in force")]
    changed_keys: Annotated[tuple[str, ...], Meta(description="keys that are different now")]
    restart_keys: Annotated[
        tuple[str, ...], Meta(description="those of them that are in force only after a restart")
    ]
    revision: Annotated[int, Meta(description="revision of the library as it is read now")]
    clock: Clock


class PingReply(msgspec.Struct, frozen=True):
    """A daemon is there, and its library is read."""

    pong: Annotated[bool, Meta(description="true")]
    pid: Annotated[int, Meta(description="process id of the daemon")]
    uptime_s: Annotated[float, Meta(description="seconds since it began to start")]


class VersionReply(msgspec.Struct, frozen=True):
    """Versions of the daemon and of its protocol."""

    version: Annotated[str, Meta(description="version of promptd")]
    protocol: Annotated[int, Meta(description="version of this protocol")]
    python: Annotated[str, Meta(description="version of Python")]
    pid: Annotated[int, Meta(description="process id of the daemon")]


class DescribeReply(msgspec.Struct, frozen=True):
    """The protocol, for programs."""

    protocol: Annotated[int, Meta(description="version of this protocol")]
    methods: Annotated[tuple[MethodDescription, ...], Meta(description="all methods")]
    errors: Annotated[tuple[ErrorDescription, ...], Meta(description="all errors")]
    limits: Annotated[dict[str, int | float], Meta(description="limits of the connection, as configured")]
    notifications: Annotated[
        tuple[NotificationDescription, ...],
        Meta(description="what is sent to a connection that asked for it"),
    ] = ()


ReplyType = TypeVar("ReplyType", bound=msgspec.Struct)


def partial(kind: type[ReplyType], **fields: Any) -> ReplyType:
    """A reply of these fields only, to be encoded: the others are left out of it."""
    return kind(**{**dict.fromkeys(kind.__struct_fields__, UNSET), **fields})
