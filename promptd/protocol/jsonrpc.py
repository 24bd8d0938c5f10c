"""The wire as a pure automaton: bytes in, events out; values in, bytes out.

Newline-delimited JSON-RPC 2.0. A Decoder is fed whatever the socket gave and answers with Calls and
Refusals; the encode functions splice bodies that are JSON already. There is no socket, clock or loop here
and nothing here ever raises for what a peer sent.

How it is fast: a request seen before is recognised by its raw bytes. A line that differs from a vetted one
in nothing but the digits of its id is known by all that follows the id (`recall`). Else `_recognise`
decodes only the outermost object, looks the parameters up among those vetted earlier, and proves by
arithmetic that the line holds nothing besides. Every other line goes to strict.py, which reads it whole and
names what is wrong with it.
"""

from typing import Any

import msgspec

from promptd.errors import FrameTooLarge, MalformedFrame, PromptdError
from promptd.protocol import strict
from promptd.protocol.calls import (
    HEAD_BYTES,
    NULL,
    UNREADABLE,
    Call,
    Event,
    Refusal,
    is_id,
    read_frame,
    salvage_id,
)

__all__ = [
    "Call",
    "Decoder",
    "Event",
    "Refusal",
    "encode_error",
    "encode_notification",
    "encode_result",
    "result_head",
]

RESULT_TAIL = b"}\n"

_START = b'{"jsonrpc":"2.0","id":'  # as our clients and most JSON writers put it
_START_BYTES = len(_START)
_MAX_DIGITS = 19
_BARE_BYTES = len(b'{"jsonrpc":"2.0","id":,"method":"","params":}')
_SPACED_START = b'{"jsonrpc": "2.0", "id": '  # as Python's json.dumps writes it
_SPACED_EXTRA_BYTES = 7  # its four colons and three commas
# Bounds of the memory behind the fast path, shared by all connections: 1,024 of 4 KiB, twice, are 8 MiB.
_VETTED_ENTRIES = 1024
_VETTED_MAX_BYTES = 4096


class Vetted:
    """A memory of what was found good: parameters, and calls by all of their line that follows the id."""

    __slots__ = ("calls", "params")

    def __init__(self) -> None:
        self.params: dict[bytes, bytes] = {}
        self.calls: dict[bytes, Call] = {}

    def __repr__(self) -> str:
        return f"<Vetted {len(self.params)} parameters, {len(self.calls)} lines>"

    def keep_params(self, params: bytes) -> None:
        """Remember good parameters, unless they are long."""
        if 0 < len(params) <= _VETTED_MAX_BYTES:
            if len(self.params) >= _VETTED_ENTRIES:
                self.params.clear()
            self.params[params] = params

    def keep_call(self, line: bytes, call: Call, identity: bytes) -> None:
        """Remember a good line by what follows its id, if the id is a number and stands where it should."""
        head = _START + identity + b","
        if line.startswith(head) and _is_number(identity):
            if len(self.calls) >= _VETTED_ENTRIES:
                self.calls.clear()
            self.calls[line[len(head) - 1 :] + b"\n"] = call


class Decoder:
    """Turns the bytes of one connection into Calls and Refusals, whatever the chunks they come in.

    `vetted` is to be shared by the connections of one listener (all of which must have the same `max_depth`).
    """

    __slots__ = ("_is_discarding", "_max_depth", "_max_line_bytes", "_partial", "_vetted", "lines")

    def __init__(
        self, max_line_bytes: int = 1_048_576, max_depth: int = 64, vetted: Vetted | None = None
    ) -> None:
        self._max_line_bytes = max_line_bytes
        self._max_depth = max_depth
        self._vetted = vetted or Vetted()
        self._partial = bytearray()
        self._is_discarding = False
        self.lines = 0  # completed lines: tells a slow sender of one line from a busy one of many

    def __repr__(self) -> str:
        state = "discarding" if self._is_discarding else f"{len(self._partial)} bytes of a line"
        return f"<Decoder {self.lines} lines, {state}>"

    @property
    def is_mid_line(self) -> bool:
        """True if a line was begun and its end has not come yet."""
        return self._is_discarding or bool(self._partial)

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order. Never raises."""
        call = self.recall(data)
        if call is not None:
            return [call]
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and (self._partial or self._is_discarding):
            lines[0] = self._complete(lines[0])
        self.lines += len(lines)
        events = [event for line in lines if (event := self._read(line)) is not None]
        if rest:
            events += self._keep(rest)
        return events

    def recall(self, data: bytes) -> Call | None:
        """The Call, if `data` is one line that differs in nothing but the digits of its id from a vetted one.

        None says nothing: `feed` is to be asked then.
        """
        comma = data.find(b",", _START_BYTES, _START_BYTES + _MAX_DIGITS + 1)
        call = self._vetted.calls.get(data[comma:]) if comma > 0 else None
        if call is None or self._partial or self._is_discarding or not data.startswith(_START):
            return None
        identity = data[_START_BYTES:comma]
        if not identity.isdigit() or (identity.startswith(b"0") and identity != b"0"):
            return None
        self.lines += 1
        return Call(identity, call.method, call.params)

    def end(self) -> list[Event]:
        """The peer sends no more: a line without its end is refused, for it may have been cut short."""
        is_cut = bool(self._partial)
        self._partial = bytearray()
        self._is_discarding = False
        error = MalformedFrame("the connection ended inside a line: end each request with a newline")
        return [Refusal(NULL, error)] if is_cut else []

    def _complete(self, tail: bytes) -> bytes:
        """The line whose last bytes are `tail`; empty if the line was refused before its end came."""
        line = b"" if self._is_discarding else bytes(self._partial + tail)
        self._partial = bytearray()
        self._is_discarding = False
        return line

    def _keep(self, rest: bytes) -> list[Event]:
        """Hold the beginning of a line, or refuse it as soon as it is too long."""
        if self._is_discarding:
            return []
        self._partial += rest
        if len(self._partial) <= self._max_line_bytes:
            return []
        refusal = self._too_large(bytes(self._partial[:HEAD_BYTES]))
        self._partial = bytearray()
        self._is_discarding = True
        return [refusal]

    def _too_large(self, line: bytes) -> Refusal:
        limit = self._max_line_bytes
        error = FrameTooLarge(f"the request line is longer than {limit} bytes", max_request_bytes=limit)
        head = line[: min(limit, HEAD_BYTES)]  # the same bytes however the line was cut into chunks
        return Refusal(salvage_id(head), error)

    def _read(self, line: bytes) -> Event | None:
        if len(line) > self._max_line_bytes:
            return self._too_large(line)
        call = self._recognise(line)
        if call is not None:
            return call
        return None if not line or line.isspace() else self._read_strictly(line)

    def _recognise(self, line: bytes) -> Call | None:
        """The Call, if the line is plainly written and its parameters were vetted before.

        Plainly written: each of the four members once and nothing else, which is so when their lengths
        and the least punctuation add up to the line's, or when json.dumps' spaces are the only difference
        (the start rules out a further member in those 7 bytes: the least, `"":1,`, needs 5 of 4 left).
        """
        try:
            frame = read_frame(line)
        except UNREADABLE:
            return None
        params = self._vetted.params.get(bytes(frame.params))
        if params is None:
            return None
        identity = bytes(frame.id)
        extra = len(line) - _BARE_BYTES - len(identity) - len(frame.method) - len(params)
        if extra and not (extra == _SPACED_EXTRA_BYTES and line.startswith(_SPACED_START)):
            return None
        if not (is_id(identity) and identity.isascii()):
            return None
        call = Call(identity, frame.method, params)
        self._vetted.keep_call(line, call, identity)
        return call

    def _read_strictly(self, line: bytes) -> Event:
        event = strict.read_plain(line, self._max_depth) or strict.read(line, self._max_depth)
        if isinstance(event, Call):
            self._vetted.keep_params(event.params)
        return event


def _is_number(identity: bytes) -> bool:
    """True for digits as JSON writes them, not too many."""
    return identity.isdigit() and len(identity) <= _MAX_DIGITS and (identity[:1] != b"0" or identity == b"0")


def result_head(identity: bytes) -> bytes:
    """What stands before the body of a result; RESULT_TAIL stands after it."""
    return b'{"jsonrpc":"2.0","id":' + identity + b',"result":'


def encode_result(identity: bytes, body: bytes) -> bytes:
    """One reply line around a body that is JSON already."""
    return b'{"jsonrpc":"2.0","id":' + identity + b',"result":' + body + RESULT_TAIL


def encode_notification(method: str, params: bytes) -> bytes:
    """One notification line around parameters that are JSON already."""
    return b'{"jsonrpc":"2.0","method":' + msgspec.json.encode(method) + b',"params":' + params + RESULT_TAIL


def encode_error(identity: bytes, error: PromptdError) -> bytes:
    """One error line: code, message, and the error's details beside its type in `data`. Never raises."""
    shape = {
        "code": error.code,
        "message": error.message,
        "data": {**error.details, "type": error.type},
    }
    return b'{"jsonrpc":"2.0","id":' + identity + b',"error":' + _encode_any(shape) + RESULT_TAIL


def _encode_any(value: Any) -> bytes:
    """JSON of whatever stands in an error's details; what JSON cannot hold is shown as text."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return msgspec.json.encode(_legible(value, 8))


def _legible(value: Any, depth: int) -> Any:
    """The value with lone surrogates (undecodable file names have them) shown as `?`."""
    if depth and isinstance(value, dict):
        return {_legible(str(key), 1): _legible(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_legible(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode(errors="replace").decode()
