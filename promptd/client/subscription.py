"""A blocking subscription: an iterator over the changes of one prompt, on a connection of its own.

It outlives the daemon: when the connection ends it is made again, with patience, and what changed in between
is reported as one change. Waiting and ending may happen in different threads.
"""

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from promptd.client.connection import ClientConnection
from promptd.client.requests import Question, changed_since
from promptd.client.wire import (
    Broken,
    decode_as,
    encode_request,
    hung_up,
)
from promptd.errors import Unavailable
from promptd.protocol.records import Changed
from promptd.protocol.replies import SubscribeReply

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0  # between attempts to reach a daemon that is being restarted


class Subscription(Iterator[Changed]):
    """Changes of one prompt, as an iterator that waits for the next one; made by Client.subscribe.

    `digest` is that of the prompt as last reported (None while it cannot be assembled). When the daemon is
    restarted the subscription is made again, which is tried for the client's `timeout_s`; if the prompt
    changed meanwhile that is reported as one change. `unsubscribe` may be called from another thread.
    """

    def __init__(self, path: str, question: Question[SubscribeReply], timeout_s: float) -> None:
        self._path = path
        self._question = question
        self._timeout_s = timeout_s
        self._is_ended = False
        self._waiting = threading.Lock()
        self._link, made = self._subscribe()
        self._take(made)

    def __repr__(self) -> str:
        return f"<Subscription to {self.name}{' (ended)' if self._is_ended else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Changed:
        change = self.next()
        if change is None:
            raise StopIteration
        return change

    def next(self, timeout_s: float | None = None) -> Changed | None:
        """The next change, or None once unsubscribed. Raises Unavailable if none comes in `timeout_s`."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._waiting:
            while not self._is_ended:
                change = self._receive(deadline_s)
                if change is not None:
                    self.digest = change.digest
                    return change
        return None

    def unsubscribe(self) -> None:
        """End the subscription, and the iteration over it."""
        self._is_ended = True
        self._link.interrupt()
        with self._waiting:  # the waiting thread was woken: only then is the descriptor free to be reused
            self._link.close()

    def _receive(self, deadline_s: float | None) -> Changed | None:
        try:
            line = self._link.receive(deadline_s)
        except Broken:
            return None if self._is_ended else self._renew()
        return decode_as(Changed, bytes(line.params)) if line.method == "changed" else None

    def _subscribe(self) -> tuple[ClientConnection, SubscribeReply]:
        link = ClientConnection(self._path, self._timeout_s)
        deadline_s = time.monotonic() + self._timeout_s
        try:
            link.send(encode_request(1, self._question.method, self._question.params), deadline_s)
            return link, decode_as(SubscribeReply, link.reply(1, deadline_s).body())
        except BaseException as error:
            link.close()
            if isinstance(error, Broken):
                raise hung_up(self._path) from None
            raise

    def _take(self, made: SubscribeReply) -> None:
        self.id = made.subscription
        self.name = made.name
        self.digest = made.digest

    def _renew(self) -> Changed | None:
        """Subscribe anew after a restart; what changed meanwhile is one change."""
        self._link.close()
        previous = self.digest
        self._link, made = self._subscribe_patiently()
        self._take(made)
        if made.digest == previous:
            return None
        return changed_since(previous, made)

    def _subscribe_patiently(self) -> tuple[ClientConnection, SubscribeReply]:
        deadline_s = time.monotonic() + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return self._subscribe()
            except Unavailable:
                if self._is_ended or time.monotonic() + pause_s > deadline_s:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
