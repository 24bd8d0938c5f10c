"""How long a peer may leave something unfinished.

A pure comparison of states: each sweep says what is awaited from the peer and a number that grows with its
progress. The same state for too long is overdue; any progress starts the time anew. No clock is read here
and nothing is done a request, so a peer is found overdue up to one sweep late and never early.
"""

from typing import Literal, NamedTuple

from promptd.errors import Busy
from promptd.server.peer import Limits

Awaited = Literal["first_byte", "frame", "stall"]


class Pending(NamedTuple):
    """What is awaited from a peer, and how far it has come."""

    awaited: Awaited
    progress: int


class Patience:
    """One for each connection; a new one waits for the first byte."""

    __slots__ = ("_limits", "_since_s", "_state")

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._state: Pending | None = Pending("first_byte", 0)
        self._since_s = now_s

    def __repr__(self) -> str:
        return f"<Patience {self._state} since {self._since_s}>"

    def overdue(self, state: Pending | None, now_s: float) -> Awaited | None:
        """What has been awaited for too long, if anything. `state` None: nothing is awaited."""
        if state != self._state:
            self._state = state
            self._since_s = now_s
            return None
        if state is None or now_s - self._since_s < self._allowed_s(state.awaited):
            return None
        return state.awaited

    def _allowed_s(self, awaited: Awaited) -> float:
        limits = self._limits
        allowed_s = {
            "first_byte": limits.first_byte_timeout,
            "frame": limits.request_timeout,
            "stall": limits.write_timeout,
        }
        return allowed_s[awaited]


def timeout_error(awaited: Awaited, limits: Limits) -> Busy:
    """What a peer is sent before it is disconnected; a stalled reader cannot be sent anything."""
    if awaited == "first_byte":
        seconds = limits.first_byte_timeout
        return Busy(
            f"no request within {seconds:g} s of connecting (serve.first_byte_timeout)",
            limit="first_byte_timeout",
        )
    seconds = limits.request_timeout
    return Busy(f"request not complete within {seconds:g} s (serve.request_timeout)", limit="request_timeout")
