"""A client in this process: asks a handler without a socket and without framing.

It is handed to the handler as the Peer of its calls, so what is asked here is answered, counted and logged
like any other request. Limits of a connection (sizes, calls in flight, timeouts) do not apply.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from promptd.errors import PromptdError, Unavailable
from promptd.protocol.calls import Call
from promptd.protocol.peers import Handler


class LocalPeer:
    """One client of a handler; used from the handler's event loop only.

    `on_notification` is called with the method and the JSON of the parameters of each notification.
    """

    def __init__(
        self, handler: Handler, on_notification: Callable[[str, bytes], None] = lambda _method, _params: None
    ) -> None:
        self.uid = os.geteuid()
        self.pid = os.getpid()
        self.is_closed = False
        self.is_full = False
        self._handler = handler
        self._on_notification = on_notification
        self._ids = itertools.count(1)
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    def __repr__(self) -> str:
        return f"<LocalPeer, {self.in_flight} in flight>"

    # -- asking ---------------------------------------------------------------------------------

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Ask, and wait for the result as JSON.

        Raises the PromptdError that the handler answers with; Unavailable after `close`.
        """
        call = Call(b"%d" % next(self._ids), method, msgspec.json.encode(params or {}))
        answer = self.expect(call)
        try:
            self._handler.turn([(self, call)])
            return await answer
        finally:
            self._waiting.pop(call.id or b"", None)

    def expect(self, call: Call) -> asyncio.Future[bytes]:
        """The answer to a call that the caller hands over itself, with others in one batch; its id is new."""
        if self.is_closed:
            raise Unavailable("this peer was closed")
        if call.id is None or call.id in self._waiting:
            raise ValueError(f"a call needs an id of its own, not {call.id!r}")
        answer = self._waiting[call.id] = asyncio.get_running_loop().create_future()
        return answer

    def close(self) -> None:
        """Ask no more: calls in flight are cancelled, and the handler forgets this peer."""
        self.is_closed = True
        for answer in self._waiting.values():
            answer.cancel()
        self._waiting.clear()
        self._handler.closed(self)

    # -- what the handler sees (protocol.peers.Peer) ----------------------------------------------

    @property
    def in_flight(self) -> int:
        """Calls handed over and not answered yet."""
        return len(self._waiting)

    def answer(self, call: Call, body: bytes) -> None:
        """Reply with a result; see Peer."""
        answer = self._settled(call)
        if answer is not None:
            answer.set_result(body)

    def fail(self, call: Call, error: PromptdError) -> None:
        """Reply with an error; see Peer."""
        answer = self._settled(call)
        if answer is not None:
            answer.set_exception(error)

    def objection(self) -> None:
        """None: this peer reads at once."""

    def defer(self, call: Call) -> None:
        """Never asked for: this peer reads at once."""
        raise NotImplementedError

    def notify(self, method: str, params: bytes) -> None:
        """Hand over a notification; see Peer."""
        if not self.is_closed:
            self._on_notification(method, params)

    def _settled(self, call: Call) -> asyncio.Future[bytes] | None:
        """The future of an answered call, None if nothing waits for it (a notification, a cancelled call)."""
        if call.is_answered:
            raise RuntimeError(f"a call of {call.method!r} was answered twice")
        call.is_answered = True
        answer = None if call.id is None else self._waiting.pop(call.id, None)
        return None if answer is None or answer.done() else answer
