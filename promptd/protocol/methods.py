"""The methods of the wire: what each takes, means and answers, in one table.

A method is its parameters and its row in METHODS here, its reply in replies.py, and its handler:
engine.handlers has what concerns the library, daemon.control what only a running daemon can. The table serves
the daemon, commands that run in process and the embedded engine; `describe` is generated from it.

Parameters are typed and bounded, and each has the sentence that documents it. A mistyped or unknown one is
refused when they are decoded, before anything is looked up. Nothing is answered in this file.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from promptd import errors
from promptd.errors import InvalidParams, PromptdError
from promptd.protocol import replies
from promptd.protocol.request import PLAIN, Options, Request, request_of

PROTOCOL = 1

ComponentName = Annotated[
    str, Meta(min_length=1, max_length=1024, description="an id, or one without its suffix")
]
Scalars = Annotated[
    dict[str, str | int | float | bool],
    Meta(max_length=1000, description="values of variables; numbers and booleans become text"),
]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class PromptParams(Params, frozen=True, dict=True):
    """Which prompt: `name`, or `components` in order, with values."""

    name: ComponentName | UnsetType = UNSET
    components: (
        Annotated[
            list[ComponentName],
            Meta(
                min_length=1, max_length=1000, description="several components, in order, instead of `name`"
            ),
        ]
        | UnsetType
    ) = UNSET
    variables: Scalars = {}
    arguments: Annotated[str, Meta(description="a Claude Code argument string")] | None = None

    def request(self) -> Request:
        """The request meant. Raises InvalidParams unless exactly one of name and components is given."""
        return self._request

    @cached_property
    def _request(self) -> Request:
        if isinstance(self.components, UnsetType):
            if isinstance(self.name, UnsetType):
                raise InvalidParams("give `name` (one component) or `components` (a list, in order)")
            return request_of((self.name,), self.variables, self.arguments, self.options())
        if not isinstance(self.name, UnsetType):
            raise InvalidParams("give either `name` or `components`, not both")
        return request_of(tuple(self.components), self.variables, self.arguments, self.options())

    def options(self) -> Options:
        """How the prompt is wanted: as configured."""
        return PLAIN


MAX_TOKENS = 1_000_000_000  # more than any model takes: a larger number is a slip


class AssembleParams(PromptParams, frozen=True):
    """A prompt, and how it is wanted."""

    strategy: (
        Annotated[
            str, Meta(description="none, conservative, balanced, aggressive, progressive or a configured one")
        ]
        | None
    ) = None
    budget: (
        Annotated[
            int, Meta(ge=1, le=MAX_TOKENS, description="most tokens; pieces are shortened until it fits")
        ]
        | None
    ) = None
    reserve: (
        Annotated[int, Meta(ge=0, le=MAX_TOKENS, description="tokens of the budget kept for output")] | None
    ) = None
    model: Annotated[str, Meta(description="a configured model, for estimates and cost")] | None = None
    format: (
        Annotated[
            Literal["anthropic", "openai"],
            Meta(description="`system` blocks with cache marks, or `messages`, in place of `text`"),
        ]
        | None
    ) = None
    stable_first: (
        Annotated[
            bool,
            Meta(
                description="true: the components asked for may change places so that those without values"
                " come first; false: nothing moves, not even where authors allow it"
            ),
        ]
        | None
    ) = None
    etag: (
        Annotated[str, Meta(description="of the answer you hold: unchanged is said in few bytes")] | None
    ) = None
    count_use: (
        Annotated[bool, Meta(description="false: the answer is only looked at; it makes no component hot")]
        | None
    ) = None

    def options(self) -> Options:
        """How it is wanted."""
        return Options(self.strategy, self.budget, self.reserve, self.model, self.format, self.stable_first)


_GET = "an id, or one without its suffix; `id#section` is a section unless a component has that very name"
_SPAN = "[start, end) in code points of the file: `text` is that stretch only"
_SECTION = "a heading, or GitHub's anchor for it: `text` is that section only"
_DIGEST = "SHA-256 of the text you want, or its first digits: another text is an error that names both"


class GetParams(Params, frozen=True):
    """One component, or a part of it: a section, or what a manifest says was removed."""

    name: Annotated[str, Meta(min_length=1, max_length=1024, description=_GET)]
    span: (
        Annotated[tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]], Meta(description=_SPAN)]
        | None
    ) = None
    section: Annotated[str, Meta(min_length=1, max_length=1024, description=_SECTION)] | None = None
    digest: Annotated[str, Meta(pattern="^[0-9a-fA-F]{8,64}$", description=_DIGEST)] | None = None


class NameParams(Params, frozen=True):
    """One component."""

    name: ComponentName


class TreeParams(NameParams, frozen=True):
    """One component, and how deep to look."""

    depth: Annotated[int, Meta(ge=1, le=64, description="most levels of the tree")] = 64


class ListParams(Params, frozen=True):
    """Which components."""

    glob: Annotated[
        str,
        Meta(min_length=1, max_length=1024, description="which ids: `**` crosses directories, `*` does not"),
    ] = "**"


class ChangesParams(Params, frozen=True):
    """Since when: a `clock` of an earlier answer."""

    since: (
        Annotated[
            str,
            Meta(
                pattern=r"^c:[^:]+:(0|[1-9][0-9]{0,17})$",
                max_length=200,
                description="the `clock` of the answer you hold; without one, all there is",
            ),
        ]
        | None
    ) = None

    def since_revision(self, instance: str) -> int | None:
        """The revision meant; None if the clock is that of another instance, or there is none."""
        _, of, revision = (self.since or "c::").split(":")
        return int(revision) if of == instance else None


class GraphParams(Params, frozen=True):
    """The whole graph, or that of one component and its dependencies."""

    name: ComponentName | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000_000, description="most nodes, and most edges")] = 50_000


class AlertsParams(Params, frozen=True):
    """What is wrong, and whether to be notified of changes."""

    subscribe: (
        Annotated[
            bool,
            Meta(
                description="true: send this connection a notification `alert` for each event; false: no more"
            ),
        ]
        | None
    ) = None


class UnsubscribeParams(Params, frozen=True):
    """A subscription of this connection."""

    subscription: Annotated[int, Meta(description="the subscription, as `subscribe` answered")]


# -- the table ------------------------------------------------------------------------------------


Right = Literal["ask", "administer"]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes, what it answers, and which errors it may answer with.

    `reply` is a struct of replies.py, or a mapping where its shape is open; `is_scan` says that answering
    it means looking at the whole library. `right` is what the user who calls it must have: to `ask` is to
    connect.
    """

    name: str
    params: type[Params]
    reply: Any
    summary: str
    errors: tuple[type[PromptdError], ...] = ()
    is_scan: bool = False
    right: Right = "ask"


_NAME_ERRORS = (errors.UnknownComponent, errors.AmbiguousName, errors.OutsideRoot)
_FILE_ERRORS = (errors.EncodingError, errors.ComponentTooLarge, errors.UnreadableComponent, errors.ParseError)
_PROMPT_ERRORS = (
    *_NAME_ERRORS,
    *_FILE_ERRORS,
    errors.CycleError,
    errors.MissingInclude,
    errors.MissingVariable,
    errors.OverBudget,
    errors.UnsupportedOption,
    errors.PromptTooLarge,
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "assemble",
            AssembleParams,
            replies.AssembleReply,
            "Assemble a prompt: includes expanded, variables filled in, tokens counted exactly; by a strategy"
            " or within a budget if asked.",
            _PROMPT_ERRORS,
        ),
        Method(
            "get",
            GetParams,
            replies.GetReply,
            "One component as it is on disk, or a part of it: what a reference in a prompt stands for.",
            (
                *_NAME_ERRORS,
                errors.UnknownSection,
                errors.DigestMismatch,
                *_FILE_ERRORS,
                errors.PromptTooLarge,
            ),
        ),
        Method(
            "list",
            ListParams,
            replies.ListReply,
            "The components whose id matches a glob.",
            is_scan=True,
        ),
        Method(
            "changes",
            ChangesParams,
            replies.ChangesReply,
            "What became different in the list since a clock. With `full_resync` true the clock is of"
            " another instance (a restart, a reload) or too old, and this is the whole list: forget yours.",
            is_scan=True,
        ),
        Method(
            "dependencies",
            TreeParams,
            replies.DependenciesReply,
            "The dependencies of a component, direct and indirect.",
            _NAME_ERRORS,
        ),
        Method(
            "dependents",
            TreeParams,
            replies.DependentsReply,
            "The dependents of a component, direct and indirect.",
            _NAME_ERRORS,
            is_scan=True,
        ),
        Method(
            "graph",
            GraphParams,
            replies.GraphReply,
            "The dependency graph, whole or below one component.",
            _NAME_ERRORS,
            is_scan=True,
        ),
        Method(
            "check",
            Params,
            replies.CheckReply,
            "What is wrong with the library: dangling references, cycles, invalid files, unused ones.",
            is_scan=True,
        ),
        Method(
            "subscribe",
            PromptParams,
            replies.SubscribeReply,
            "Subscribe this connection to notifications `changed`, sent when the digest of a prompt changes.",
            _PROMPT_ERRORS,
        ),
        Method(
            "unsubscribe",
            UnsubscribeParams,
            replies.UnsubscribeReply,
            "End a subscription of this connection.",
            (errors.UnknownSubscription,),
        ),
        Method(
            "statistics",
            Params,
            replies.StatisticsReply,
            "Counts and times of everything in the daemon.",
        ),
        Method("health", Params, replies.HealthReply, "The health snapshot as of now."),
        Method(
            "metrics",
            Params,
            replies.MetricsReply,
            "Everything that is measured, in Prometheus' text format.",
        ),
        Method(
            "configuration",
            Params,
            replies.ConfigurationReply,
            "The configuration in force, whole and as TOML.",
            (errors.PermissionDenied,),
            right="administer",
        ),
        Method(
            "alerts",
            AlertsParams,
            replies.AlertsReply,
            "Active and recent alerts; optionally subscribe this connection to notifications `alert`.",
        ),
        Method(
            "reload",
            Params,
            replies.ReloadReply,
            "Read the configuration again and wait until it is in force.",
            (errors.ConfigError, errors.PermissionDenied),
            right="administer",
        ),
        Method(
            "rescan",
            Params,
            replies.RescanReply,
            "Compare everything held with the disk now.",
            (errors.PermissionDenied,),
            is_scan=True,
            right="administer",
        ),
        Method("ping", Params, replies.PingReply, "Check that the daemon answers; waits until it is ready."),
        Method("version", Params, replies.VersionReply, "Versions of the daemon and of this protocol."),
        Method("describe", Params, replies.DescribeReply, "This list, for programs."),
    )
}


def decode_params(method: Method, raw: bytes) -> Params:
    """The parameters of a call, checked. Raises InvalidParams that names what is wrong and where."""
    try:
        return msgspec.json.decode(raw or b"{}", type=method.params)
    except msgspec.ValidationError as problem:
        known = ", ".join(method.params.__struct_fields__) or "none"
        sentence = str(problem).replace("`$.", "`").replace(" - at `$`", "")
        raise InvalidParams(
            f"{method.name}: {sentence}; its parameters: {known}", method=method.name
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise InvalidParams(
            f"{method.name}: the parameters cannot be read: {problem}", method=method.name
        ) from None
