"""A second wire format, as different from JSON-RPC lines as can be: length-prefixed binary frames.

A frame is its length (4 bytes, big-endian) and so many bytes. A request holds an id of one byte, the method,
a NUL, and the parameters; a reply `+` or `-`, the id (0 for none) and the JSON of the result or the error's
type. It has no notifications and remembers nothing. It exists to show that nothing else in the listener knows
what is spoken.
"""

import struct
from collections.abc import Sequence

from promptd.errors import FrameTooLarge, InvalidRequest, MalformedFrame, PromptdError
from promptd.protocol.calls import Call, Event, Refusal

MAX_FRAME_BYTES = 1_000
_LENGTH = struct.Struct(">I")


def frame(data: bytes) -> bytes:
    """One frame around some bytes."""
    return _LENGTH.pack(len(data)) + data


def request(identity: int, method: str, params: bytes = b"") -> bytes:
    """One request frame."""
    return frame(bytes([identity]) + method.encode() + b"\0" + params)


def frames_of(data: bytes) -> list[bytes]:
    """The contents of whole frames."""
    found = []
    while data:
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        found.append(data[_LENGTH.size : end])
        data = data[end:]
    return found


class FramedCodec:
    """A Codec (promptd.protocol.peers); after too long a frame it reads nothing more."""

    def __init__(self) -> None:
        self.frames = 0
        self._data = b""
        self._is_lost = False

    @property
    def is_mid_frame(self) -> bool:
        """True if a frame was begun."""
        return bool(self._data)

    def recall(self, data: bytes) -> Call | None:
        """Nothing is remembered."""
        return None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete."""
        events: list[Event] = []
        self._data += data
        while not self._is_lost and len(self._data) >= _LENGTH.size:
            size = _LENGTH.unpack_from(self._data)[0]
            if size > MAX_FRAME_BYTES:
                self._is_lost = True
                events.append(Refusal(b"\0", FrameTooLarge("too long a frame")))
            elif len(self._data) < _LENGTH.size + size:
                break
            else:
                content = self._data[_LENGTH.size : _LENGTH.size + size]
                self._data = self._data[_LENGTH.size + size :]
                events.append(self._event(content))
        return events

    def _event(self, content: bytes) -> Event:
        self.frames += 1
        identity, (method, nul, params) = content[:1], content[1:].partition(b"\0")
        if not nul:
            return Refusal(identity or b"\0", InvalidRequest("a request has a NUL after its method"))
        return Call(identity, method.decode(errors="replace"), params)

    def end(self) -> list[Event]:
        """The peer sends no more."""
        is_cut, self._data = bool(self._data), b""
        return [Refusal(b"\0", MalformedFrame("cut short"))] if is_cut else []

    def result(self, call: Call, body: bytes) -> Sequence[bytes]:
        """A reply, its body a piece of its own."""
        return (_LENGTH.pack(2 + len(body)) + b"+" + (call.id or b"\0"), body)

    def error(self, event: Event | None, error: PromptdError) -> bytes:
        """A reply that is an error."""
        identity = (event.id if event is not None else None) or b"\0"
        return frame(b"-" + identity + error.type.encode())

    def notification(self, method: str, params: bytes) -> None:
        """There are none in this format."""
        return
