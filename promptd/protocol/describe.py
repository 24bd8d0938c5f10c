"""The protocol described for programs: each method with JSON Schemas of its parameters and of its result.

Everything is generated from the table of methods and from the types of parameters, replies and records, so
that nothing is written twice. docs/protocol.md is made from this description (cli.protocol_page).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from promptd import errors
from promptd.protocol.methods import METHODS, PROTOCOL, Method
from promptd.protocol.records import (
    AlertEvent,
    Changed,
    ErrorDescription,
    MethodDescription,
    NotificationDescription,
)
from promptd.protocol.replies import DescribeReply

NOTIFICATIONS = {
    "changed": (Changed, "A prompt that this connection subscribed to became different."),
    "alert": (AlertEvent, "An alert was raised, became worse, eased or was cleared."),
}


def describe(limits: Mapping[str, int | float]) -> DescribeReply:
    """What `describe` answers: methods with JSON Schemas, all errors with their codes, limits."""
    return DescribeReply(
        protocol=PROTOCOL,
        methods=tuple(_method(method) for method in METHODS.values()),
        errors=tuple(
            ErrorDescription(_type_of(leaf), leaf.code, (leaf.__doc__ or "").strip())
            for leaf in errors.leaves()
        ),
        limits=dict(limits),
        notifications=tuple(
            NotificationDescription(name, summary, schema_of(kind))
            for name, (kind, summary) in NOTIFICATIONS.items()
        ),
    )


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a type: an object at the top, the records that it consists of in `$defs`."""
    (schema,), records = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    name = getattr(kind, "__name__", "")
    if name in records:
        schema = records.pop(name)
    return {**schema, "$defs": records} if records else schema


@cache  # the schemas of all methods take 30 ms, and the daemon is asked on its event loop
def _method(method: Method) -> MethodDescription:
    return MethodDescription(
        method.name,
        method.summary,
        schema_of(method.params),
        schema_of(method.reply),
        tuple(_type_of(leaf) for leaf in method.errors),
        method.right,
    )


def _type_of(leaf: type[errors.PromptdError]) -> str:
    return f"promptd.{leaf.__name__}"
