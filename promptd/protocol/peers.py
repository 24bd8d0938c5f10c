"""The two seams of serving: between a handler and its peers, and between a connection and its framing.

Protocols only. A Handler answers the calls of Peers and does not know how they arrived: over a socket
(server.connection), or from the same process (server.local_peer). A Codec frames one connection and does not
know what a call means. So a handler is tested without a socket, a listener with an echo, and another wire
format is one more Codec.

The contract of Peer and Handler: every Call that was handed over, notifications included, is answered or
failed exactly once, now or later, from the event loop's thread; answering a peer that is gone does nothing.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

from promptd.errors import Busy, PromptdError
from promptd.protocol.calls import Call, Event


class Peer(Protocol):
    """One client, as a handler sees it; compared and hashed by identity."""

    @property
    def uid(self) -> int:
        """User id of the client's process (SO_PEERCRED)."""

    @property
    def pid(self) -> int:
        """Process id of the client; 0 if it lives outside our PID namespace."""

    @property
    def in_flight(self) -> int:
        """Calls handed over and not answered yet."""

    @property
    def is_closed(self) -> bool:
        """True once nothing that is sent can arrive any more."""

    @property
    def is_full(self) -> bool:
        """True while so much of what the client was sent is unread that no more should be made for it."""

    def objection(self) -> Busy | None:
        """Why a large reply would not be sent now, so that it is not made in vain; None if it would be."""

    def defer(self, call: Call) -> None:
        """Give a call back that was not begun, because the peer is full: it is handed over again later."""

    def answer(self, call: Call, body: bytes) -> None:
        """Reply with a result: `body` is JSON already. Nothing is sent for a notification.

        Over a socket a reply above `max_reply_bytes` becomes the error PromptTooLarge.
        Raises RuntimeError if the call was answered before.
        """

    def fail(self, call: Call, error: PromptdError) -> None:
        """Reply with an error. Raises RuntimeError if the call was answered before."""

    def notify(self, method: str, params: bytes) -> None:
        """Send a notification: `params` is JSON already."""


class Handler(Protocol):
    """Answers calls."""

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Answer, or begin to answer, the calls that arrived in one turn of the event loop, in order.

        Returns how many: all of them, or those that were begun before `time.perf_counter()` was `until_s`.
        """

    def closed(self, peer: Peer) -> None:
        """The peer is gone: forget it. Its calls in progress may be finished or dropped."""


class Codec(Protocol):
    """The framing of one connection: bytes in, events out; replies in, bytes out.

    No socket, no clock, and nothing a peer sends makes it raise. One codec serves one connection; what it
    remembers between frames (half a frame, say) is its own. The connection counts, limits and writes.
    """

    @property
    def frames(self) -> int:
        """Frames completed so far: grows with every one, so that a timeout can tell progress from waiting."""

    @property
    def is_mid_frame(self) -> bool:
        """True if a frame was begun and its end has not come.

        After the first byte this is true or `frames` is more than 0: so silent peers can be recognised.
        """

    def recall(self, data: bytes) -> Call | None:
        """The call, if `data` is one whole frame recognised at a glance (one seen before, with another id).

        None says nothing about the data: `feed` takes it then. A codec without such a memory returns None.
        """

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in order, whatever the chunks they come in."""

    def end(self) -> list[Event]:
        """The peer sends no more: what is left is refused, for it may have been cut short."""

    def result(self, call: Call, body: bytes) -> Sequence[bytes]:
        """The pieces of a reply around a JSON result; a large body is one of them, so that it is not copied.

        Not asked for a notification (`call.id` is None), which gets no reply.
        """

    def error(self, event: Event | None, error: PromptdError) -> bytes:
        """The reply to a call or a refused frame, or, with None, to nothing in particular (a timeout)."""

    def notification(self, method: str, params: bytes) -> bytes | None:
        """A message that answers no call, around JSON `params`; None where the framing has no such thing."""


CodecFactory = Callable[
    [], Codec
]  # a codec for one more connection; those of one listener may share a memory
