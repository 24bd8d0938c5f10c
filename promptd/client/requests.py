"""What can be asked of a daemon: one function a method, from arguments to a Question.

A Question is a method, its parameters as they go on the wire, and what its answer is decoded as: the type
that protocol.methods names for it. Both clients ask the same questions; only how they wait differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypedDict

from promptd.client.wire import Answer
from promptd.protocol.records import Changed
from promptd.protocol.replies import AssembleReply, SubscribeReply

NameOrNames = str | Sequence[str]
Variables = Mapping[str, str | int | float | bool]


class AssembleOptions(TypedDict, total=False):
    """How a prompt is wanted; what is absent is as the daemon is configured.

    `strategy`: none, conservative, balanced, aggressive, progressive or a configured one. `budget` and
    `reserve`: most tokens, and how many of them are kept for output. `model`: a configured one, for estimates
    and cost. `format`: "anthropic" or "openai". `stable_first`: whether pieces without values may come first.
    `etag`: of the answer you hold, so that an unchanged one is answered without its text. `count_use`: False
    if the prompt is only looked at, so that it makes no component hot.
    """

    strategy: str | None
    budget: int | None
    reserve: int | None
    model: str | None
    format: Literal["anthropic", "openai"] | None
    stable_first: bool | None
    etag: str | None
    count_use: bool | None


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """A method, its parameters, and the type of its answer."""

    method: str
    params: dict[str, Any]
    kind: type[Answer]


def plain(kind: type[Answer], method: str, **params: Any) -> Question[Answer]:
    """A question that is answered by a `kind`; parameters that are None are not sent."""
    return Question(method, _given(params), kind)


def assemble(
    name: NameOrNames, variables: Variables | None, arguments: str | None, options: AssembleOptions
) -> Question[AssembleReply]:
    """A prompt of one component, or of several in order."""
    return Question("assemble", _prompt(name, variables, arguments) | _given(dict(options)), AssembleReply)


def subscribe(
    name: NameOrNames, variables: Variables | None, arguments: str | None
) -> Question[SubscribeReply]:
    """Subscribe to changes of that prompt."""
    return Question("subscribe", _prompt(name, variables, arguments), SubscribeReply)


def changed_since(previous: str | None, made: SubscribeReply) -> Changed:
    """The change that a subscription reports if it was made again and finds another prompt than before."""
    return Changed(
        subscription=made.subscription,
        name=made.name,
        digest=made.digest,
        previous=previous,
        clock=made.clock,
    )


def _prompt(name: NameOrNames, variables: Variables | None, arguments: str | None) -> dict[str, Any]:
    which = {"name": name} if isinstance(name, str) else {"components": list(name)}
    return which | _given({"variables": dict(variables) if variables else None, "arguments": arguments})


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}
