"""What crosses the wire, taken apart but not yet understood: Call, Refusal, and the id of any line.

Here are the records that jsonrpc.py and strict.py share, and the one way to an id. Raw JSON stays raw: an id
is echoed byte for byte, parameters are decoded where the method is known.
"""

import re
from typing import Literal

import msgspec

from promptd.errors import PromptdError

NULL = b"null"

_ID_STARTS = b'"-0123456789n'
HEAD_BYTES = 256  # as much of a line that cannot be decoded as is looked at for its id
_HEAD_ID = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(-?\d{1,20}|"[\x20\x21\x23-\x5b\x5d-\x7e]*")\s*,'
)


class Call(msgspec.Struct, gc=False):
    """One request: `id` and `params` are raw JSON, `id` None for a notification, `params` b"" if absent.

    `is_answered` belongs to the Peer that writes the reply: one call, one answer.
    """

    id: bytes | None
    method: str
    params: bytes = b""
    is_answered: bool = False


class Refusal(msgspec.Struct):
    """A line that is no request: the raw JSON id to answer under (`null` if unreadable) and why."""

    id: bytes
    error: PromptdError


Event = Call | Refusal


class Frame(msgspec.Struct, gc=False):
    """The outermost object of a request, its id and parameters still raw JSON (empty if absent)."""

    jsonrpc: Literal["2.0"]
    method: str
    id: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


class _Identity(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw()


read_frame = msgspec.json.Decoder(Frame).decode
_read_identity = msgspec.json.Decoder(_Identity).decode
# What msgspec raises for a line it cannot take; RecursionError means some 1,000 levels.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def is_id(raw: bytes) -> bool:
    """True if the raw JSON value may be an id: a string, a number or null."""
    return bool(raw) and raw[:1] in _ID_STARTS


def salvage_id(line: bytes) -> bytes:
    """The raw id of a line that will be refused, `null` where none can be read with certainty."""
    try:
        raw = bytes(_read_identity(line).id)
    except UNREADABLE:
        head = _HEAD_ID.match(line[:HEAD_BYTES])
        raw = head[1] if head else NULL
    return raw if is_id(raw) and _is_utf8(raw) else NULL


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
