"""JSON-RPC 2.0, one request a line, as a pure automaton: bytes in, events out; values in, bytes out.

A JsonRpcCodec (the Codec of protocol.peers) is fed whatever the socket gave and answers with Calls and
Refusals; replies are spliced around bodies that are JSON already. There is no socket, clock or loop here and
nothing here ever raises for what a peer sent.

How it is fast: a request seen before is recognised by its raw bytes. A line that differs from a known good
one in nothing but the digits of its id is known by all that follows the id (`recall`). Else `_recognise`
decodes only the outermost object, looks the parameters up among those known to be good, and proves by
arithmetic that the line holds nothing besides. Every other line goes to strict.py, which reads it whole and
names what is wrong with it.
"""

from collections.abc import Sequence
from functools import partial
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
from promptd.protocol.peers import CodecFactory

MAX_LINE_BYTES = 1_048_576
MAX_DEPTH = 64

_START = b'{"jsonrpc":"2.0","id":'  # as our clients and most JSON writers put it
_START_BYTES = len(_START)
_MAX_DIGITS = 19
_ZERO = ord("0")
_BARE_BYTES = len(b'{"jsonrpc":"2.0","id":,"method":"","params":}')
_SPACED_START = b'{"jsonrpc": "2.0", "id": '  # as Python's json.dumps writes it
_SPACED_EXTRA_BYTES = 7  # its four colons and three commas
# Bounds of the memory behind the fast path, shared by all connections: 1,024 of 4 KiB, twice, are 8 MiB.
_KNOWN_ENTRIES = 1024
_KNOWN_MAX_BYTES = 4096
_TAIL = b"}\n"
_COPIED_BYTES = 32_768  # a body larger than this is a piece of its own rather than copied into its line


class KnownGood:
    """A memory of what was found good: parameters, and calls by what follows the id in their line."""

    __slots__ = ("calls", "params")

    def __init__(self) -> None:
        self.params: dict[bytes, bytes] = {}
        self.calls: dict[bytes, Call] = {}

    def __repr__(self) -> str:
        return f"<KnownGood {len(self.params)} parameters, {len(self.calls)} lines>"

    def keep_params(self, params: bytes) -> None:
        """Remember good parameters, unless they are long."""
        if 0 < len(params) <= _KNOWN_MAX_BYTES:
            if len(self.params) >= _KNOWN_ENTRIES:
                self.params.clear()
            self.params[params] = params

    def keep_call(self, line: bytes, call: Call, identity: bytes) -> None:
        """Remember a good line by what follows its id, if the id is a number and is where it should be."""
        head = _START + identity + b","
        if line.startswith(head) and _is_number(identity):
            if len(self.calls) >= _KNOWN_ENTRIES:
                self.calls.clear()
            self.calls[line[len(head) - 1 :] + b"\n"] = call


class JsonRpcCodec:
    """One connection's lines: bytes become Calls and Refusals whatever the chunks, answers become lines.

    `known` is to be shared by the connections of one listener (all of which must have the same `max_depth`);
    `codec_factory` sees to that.
    """

    __slots__ = ("_is_discarding", "_known", "_max_depth", "_max_line_bytes", "_partial", "frames")

    def __init__(
        self,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_depth: int = MAX_DEPTH,
        known: KnownGood | None = None,
    ) -> None:
        self._max_line_bytes = max_line_bytes
        self._max_depth = max_depth
        self._known = known or KnownGood()
        self._partial = bytearray()
        self._is_discarding = False
        self.frames = 0  # completed lines: tells a slow sender of one line from a busy one of many

    def __repr__(self) -> str:
        state = "discarding" if self._is_discarding else f"{len(self._partial)} bytes of a line"
        return f"<JsonRpcCodec {self.frames} lines, {state}>"

    # -- reading --------------------------------------------------------------------------------

    @property
    def is_mid_frame(self) -> bool:
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
        self.frames += len(lines)
        events = [event for line in lines if line and (event := self._read(line)) is not None]
        if rest:
            events += self._keep(rest)
        return events

    def recall(self, data: bytes) -> Call | None:
        """The Call, if `data` is one known good line but for the digits of its id.

        None says nothing: `feed` is to be asked then.
        """
        comma = data.find(b",", _START_BYTES, _START_BYTES + _MAX_DIGITS + 1)
        call = self._known.calls.get(data[comma:]) if comma > 0 else None
        if call is None or self._partial or self._is_discarding or not data.startswith(_START):
            return None
        identity = data[_START_BYTES:comma]
        if not identity.isdigit() or (identity[0] == _ZERO and identity != b"0"):
            return None
        self.frames += 1
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
        return None if line.isspace() else self._read_strictly(line)

    def _recognise(self, line: bytes) -> Call | None:
        """The Call, if the line is plainly written and its parameters are known to be good.

        Plainly written: each of the four members once and nothing else, which is so when their lengths
        and the least punctuation add up to the line's, or when json.dumps' spaces are the only difference
        (the start rules out a further member in those 7 bytes: the least, `"":1,`, needs 5 of 4 left).
        """
        try:
            frame = read_frame(line)
        except UNREADABLE:
            return None
        params = self._known.params.get(bytes(frame.params))
        if params is None:
            return None
        identity = bytes(frame.id)
        extra = len(line) - _BARE_BYTES - len(identity) - len(frame.method) - len(params)
        if extra and not (extra == _SPACED_EXTRA_BYTES and line.startswith(_SPACED_START)):
            return None
        if not (is_id(identity) and identity.isascii()):
            return None
        call = Call(identity, frame.method, params)
        self._known.keep_call(line, call, identity)
        return call

    def _read_strictly(self, line: bytes) -> Event:
        event = strict.read_plain(line, self._max_depth) or strict.read(line, self._max_depth)
        if isinstance(event, Call):
            self._known.keep_params(event.params)
        return event

    # -- writing --------------------------------------------------------------------------------

    def result(self, call: Call, body: bytes) -> Sequence[bytes]:
        """One reply line around a body that is JSON already, in one piece or, if it is large, in three."""
        head = b'{"jsonrpc":"2.0","id":' + (call.id or NULL) + b',"result":'
        return (head + body + _TAIL,) if len(body) <= _COPIED_BYTES else (head, body, _TAIL)

    def error(self, event: Event | None, error: PromptdError) -> bytes:
        """One error line: code, message, and the error's details beside its type in `data`."""
        identity = (event.id if event is not None else None) or NULL
        shape = {
            "code": error.code,
            "message": error.message,
            "data": {**error.details, "type": error.type},
        }
        return b'{"jsonrpc":"2.0","id":' + identity + b',"error":' + _encode_any(shape) + _TAIL

    def notification(self, method: str, params: bytes) -> bytes:
        """One notification line around parameters that are JSON already."""
        return b'{"jsonrpc":"2.0","method":' + msgspec.json.encode(method) + b',"params":' + params + _TAIL


def codec_factory(max_line_bytes: int = MAX_LINE_BYTES, max_depth: int = MAX_DEPTH) -> CodecFactory:
    """What makes the codecs of one listener, which share one memory of known good lines."""
    return partial(JsonRpcCodec, max_line_bytes, max_depth, KnownGood())


def _is_number(identity: bytes) -> bool:
    """True for digits as JSON writes them, not too many."""
    return identity.isdigit() and len(identity) <= _MAX_DIGITS and (identity[:1] != b"0" or identity == b"0")


def _encode_any(value: Any) -> bytes:
    """JSON of anything in an error's details; what JSON cannot hold is shown as text."""
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
