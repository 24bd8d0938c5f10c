"""Reading a request line whole and naming what is wrong with it.

It reads every line that jsonrpc.py does not recognise at a glance: the first of each kind, those written
unusually, and the bad ones. It is stricter than JSON asks: a key may occur once in an object and text must
be Unicode (I-JSON, RFC 7493), for a request that two readers could understand differently is refused.

No objects are built before the depth is known, and none are kept after: numbers become 0 and the parameters
go on as raw bytes.
"""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from promptd.errors import (
    InvalidParams,
    InvalidRequest,
    MalformedFrame,
    PromptdError,
)
from promptd.protocol.calls import (
    NULL,
    UNREADABLE,
    Call,
    Refusal,
    is_id,
    read_frame,
    salvage_id,
)

_SHOWN = 40  # characters of a peer's own text in a message
_MEMBERS = frozenset(("jsonrpc", "id", "method", "params"))
_encode = msgspec.json.Encoder().encode
# A string, ended or not; possessive, so that it takes time in proportion to the line.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_plain(line: bytes, max_depth: int) -> Call | None:
    """The one request that the line holds, if reading and writing it again gives the very same bytes.

    Then nothing is hidden in it: a key that appears twice, white space, a number or an escape written in
    another way would not come back. None says nothing: `read` is to be asked then, which takes 8 µs, not 1.
    """
    if line.count(b"[") + line.count(b"{") > max_depth:
        return None
    try:
        request = msgspec.json.decode(line)
    except UNREADABLE:
        return None
    if type(request) is not dict or _encode(request) != line or not _MEMBERS.issuperset(request):
        return None
    identity, method, params = request.get("id", False), request.get("method"), request.get("params")
    if type(method) is not str or type(params) is not dict or type(identity) not in (int, str):
        return None
    if request.get("jsonrpc") != "2.0":
        return None
    return Call(_encode(identity), method, _encode(params))


def read(line: bytes, max_depth: int) -> Call | Refusal:
    """The one request that the line holds, or a refusal that says what is wrong. Never raises."""
    try:
        _check_members(_parse(_text(line, max_depth)))
        return _call(line)
    except PromptdError as error:
        # JSON-RPC 2.0 §5: where the line is no JSON, or the id is not known for sure, the id is null.
        is_unsure = isinstance(error, MalformedFrame) or error.details.get("key") == "id"
        return Refusal(NULL if is_unsure else salvage_id(line), error.with_traceback(None))


def depth_of(line: bytes) -> int:
    """How deep brackets nest outside strings, in time proportional to the line and without objects."""
    brackets = _STRING.sub(b"", line).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def _text(line: bytes, max_depth: int) -> str:
    # The count is an upper bound of the depth: most lines need no closer look.
    if line.count(b"[") + line.count(b"{") > max_depth and depth_of(line) > max_depth:
        raise InvalidRequest(f"the request nests deeper than {max_depth} levels", max_json_depth=max_depth)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise MalformedFrame(
            f"the line is not UTF-8 text: {error.reason} at byte {error.start}", byte=error.start
        ) from None


def _parse(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise MalformedFrame(
            "the line begins with a byte order mark (BOM): send UTF-8 without one", character=1
        )
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedFrame(
            f"the line is not JSON: {error.msg} at character {error.pos + 1}", character=error.pos + 1
        ) from None
    except RecursionError:  # only with a configured depth beyond what the interpreter can do
        raise InvalidRequest("the request nests deeper than the interpreter can follow") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = _first_repeated(name for name, _ in pairs)
        raise InvalidRequest(f"the key {_shown(twice)} appears twice in one object", key=twice[:_SHOWN])
    return members


def _first_repeated(names: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _constant(name: str) -> NoReturn:
    raise MalformedFrame(f"the line is not JSON: {name} is no JSON number", constant=name)


def _number(_: str) -> int:
    return 0


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_number, parse_float=_number
)


def _check_members(request: Any) -> None:
    """Raise unless the value is a request object; the checks a client gets wrong most often come first."""
    if isinstance(request, list):
        raise InvalidRequest("batches are not supported: send one request object per line")
    if not isinstance(request, dict):
        raise InvalidRequest(f"a request is an object, not {_kind(request)}")
    if request.get("jsonrpc") != "2.0":
        raise InvalidRequest('the member "jsonrpc" must be "2.0"')
    _check_id(request.get("id"))
    if not isinstance(request.get("method"), str):
        raise InvalidRequest('the member "method" must be a string: the name of a method')
    unknown = sorted(request.keys() - _MEMBERS)
    if unknown:
        raise InvalidRequest(f"a request has no member {_shown(unknown[0])}", member=_shown(unknown[0]))
    if not isinstance(request.get("params", {}), dict):
        kind = _kind(request["params"])
        raise InvalidParams(f"params are given by name: they must be an object, not {kind}", given=kind)


def _check_id(identity: object) -> None:
    if isinstance(identity, bool | list | dict):
        raise InvalidRequest(f"an id is a string, a number or null, not {_kind(identity)}")


def _call(line: bytes) -> Call:
    try:
        frame = read_frame(line)
    except UNREADABLE as error:
        # Everything else was ruled out above: json takes half of a surrogate pair, msgspec does not.
        raise InvalidRequest(
            r"a string contains a lone surrogate (\ud800 to \udfff without its other half): that is no text"
        ) from error
    identity = bytes(frame.id)
    return Call(identity if is_id(identity) else None, frame.method, bytes(frame.params))


def _kind(value: object) -> str:
    names = {list: "an array", dict: "an object", str: "a string", int: "a number", bool: "a boolean"}
    return names.get(type(value), "null")


def _shown(name: str) -> str:
    """The name as JSON, shortened, so that whatever a peer sent fits into a message."""
    return json.dumps(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
