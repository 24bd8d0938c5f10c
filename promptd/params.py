"""The parameters of the wire's methods: typed, bounded, each with the sentence that documents it.

A mistyped or unknown parameter is refused when these are decoded, before anything is looked up. What is
decoded for a prompt turns into a Request here; nothing is answered in this file.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from promptd.engine.request import Request, request_of
from promptd.errors import InvalidParams, UnsupportedOption

Name = Annotated[str, Meta(min_length=1, max_length=1024, description="an id, or one without its suffix")]
Scalars = Annotated[
    dict[str, str | int | float | bool],
    Meta(max_length=1000, description="values of variables; numbers and booleans become text"),
]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class PromptParams(Params, frozen=True):
    """Which prompt: `name`, or `components` in order, with values."""

    name: Name | UnsetType = UNSET
    components: Annotated[list[Name], Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    variables: Scalars = {}
    arguments: Annotated[str, Meta(description="a Claude Code argument string")] | None = None

    def request(self) -> Request:
        """The request meant. Raises InvalidParams unless exactly one of name and components is given."""
        if isinstance(self.components, UnsetType):
            if isinstance(self.name, UnsetType):
                raise InvalidParams("give `name` (one component) or `components` (a list, in order)")
            return request_of((self.name,), self.variables, self.arguments)
        if not isinstance(self.name, UnsetType):
            raise InvalidParams("give either `name` or `components`, not both")
        return request_of(tuple(self.components), self.variables, self.arguments)


class AssembleParams(PromptParams, frozen=True):
    """A prompt, and how it is wanted."""

    strategy: str | None = None
    budget: int | None = None
    etag: (
        Annotated[str, Meta(description="of the answer you hold: unchanged is said in few bytes")] | None
    ) = None

    def request(self) -> Request:
        """The request meant. Raises UnsupportedOption for options this version does not have."""
        if self.strategy not in (None, "none"):
            raise UnsupportedOption(
                f"strategy {self.strategy!r} is not available: this version has `none` only",
                option="strategy",
            )
        if self.budget is not None:
            raise UnsupportedOption("`budget` is not available in this version", option="budget")
        return super().request()


class NameParams(Params, frozen=True):
    """One component."""

    name: Name


class TreeParams(NameParams, frozen=True):
    """One component, and how deep to look."""

    depth: Annotated[int, Meta(ge=1, le=64)] = 64


class ListParams(Params, frozen=True):
    """Which components: `**` crosses directories, `*` does not."""

    glob: Annotated[str, Meta(min_length=1, max_length=1024)] = "**"


class GraphParams(Params, frozen=True):
    """The whole graph, or what one component needs."""

    name: Name | None = None


class UnsubscribeParams(Params, frozen=True):
    """A subscription of this connection."""

    subscription: int
