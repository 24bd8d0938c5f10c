"""The parameters of the wire's methods: typed, bounded, each with the sentence that documents it.

A mistyped or unknown parameter is refused when these are decoded, before anything is looked up. What is
decoded for a prompt turns into a Request here; nothing is answered in this file.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from promptd.errors import InvalidParams
from promptd.protocol.request import PLAIN, Options, Request, request_of

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
    components: Annotated[list[ComponentName], Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
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
        Annotated[str, Meta(description="none, conservative, balanced, aggressive or a configured one")]
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
    model: Annotated[str, Meta(description="a configured model, for estimates and money")] | None = None
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

    def options(self) -> Options:
        """How it is wanted."""
        return Options(self.strategy, self.budget, self.reserve, self.model, self.format, self.stable_first)


class GetParams(Params, frozen=True):
    """One component, or a stretch of it: what a manifest says was removed."""

    name: ComponentName
    span: (
        Annotated[
            tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]],
            Meta(description="[start, end) in code points of the file: `text` is that stretch only"),
        ]
        | None
    ) = None


class NameParams(Params, frozen=True):
    """One component."""

    name: ComponentName


class TreeParams(NameParams, frozen=True):
    """One component, and how deep to look."""

    depth: Annotated[int, Meta(ge=1, le=64)] = 64


class ListParams(Params, frozen=True):
    """Which components: `**` crosses directories, `*` does not."""

    glob: Annotated[str, Meta(min_length=1, max_length=1024)] = "**"


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
    """The whole graph, or what one component needs."""

    name: ComponentName | None = None


class AlertsParams(Params, frozen=True):
    """What is wrong, and whether to be told of changes."""

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

    subscription: int
