"""An asyncio subscription: an iterator over the changes of one prompt, on the connection of its client.

It outlives the connection: iterating after that has ended subscribes anew, with patience, and yields what
changed meanwhile as one change.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Self

from promptd.client.async_connection import AsyncClientConnection, ChangeQueue
from promptd.client.requests import Question, changed_since
from promptd.client.wire import decode_as
from promptd.errors import PromptdError, Unavailable
from promptd.protocol.records import Changed
from promptd.protocol.replies import SubscribeReply

Exchange = Callable[[str, Mapping[str, Any]], Awaitable[tuple[bytes, AsyncClientConnection]]]
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0  # between attempts to reach a daemon that is being restarted


class AsyncSubscription(AsyncIterator[Changed]):
    """Changes of one prompt, as an iterator that waits for the next one; made by AsyncClient.subscribe.

    It begins when it is awaited, entered or first iterated over, and raises the error of a prompt that
    cannot be assembled then.
    `digest` is that of the prompt as last reported (None while it cannot be assembled). When the daemon is
    restarted the subscription is made again, which is tried for the client's `timeout_s`; if the prompt
    changed meanwhile that is reported as one change.
    """

    def __init__(self, exchange: Exchange, question: Question[SubscribeReply], timeout_s: float) -> None:
        self.id = 0
        self.name = ""
        self.digest: str | None = None
        self._exchange = exchange
        self._question = question
        self._timeout_s = timeout_s
        self._link: AsyncClientConnection | None = None
        self._changes = ChangeQueue()
        self._is_ended = False

    def __repr__(self) -> str:
        return f"<AsyncSubscription to {self.name}{' (ended)' if self._is_ended else ''}>"

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        if self._link is None and not self._is_ended:
            await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Changed:
        await self
        while not self._is_ended:
            change = await self._changes.get()
            if change is None and not self._is_ended:
                change = await self._renew()
            if change is not None:
                self.digest = change.digest
                return change
        raise StopAsyncIteration

    async def _begin(self) -> SubscribeReply:
        body, link = await self._exchange(self._question.method, self._question.params)
        made = decode_as(SubscribeReply, body)
        self._link, self._changes = link, link.route(made.subscription)
        self.id, self.name, self.digest = made.subscription, made.name, made.digest
        return made

    async def unsubscribe(self) -> None:
        """End the subscription, and the iteration over it."""
        if self._is_ended:
            return
        self._is_ended = True
        self._changes.put_nowait(None)
        if self._link is None or self._link.is_broken:
            return
        self._link.unroute(self.id)
        with contextlib.suppress(PromptdError):  # the daemon, and the subscription with it, is gone
            await self._exchange("unsubscribe", {"subscription": self.id})

    async def _renew(self) -> Changed | None:
        """Subscribe anew after a restart; what changed meanwhile is one change."""
        previous = self.digest
        made = await self._begin_patiently()
        if made.digest == previous:
            return None
        return changed_since(previous, made)

    async def _begin_patiently(self) -> SubscribeReply:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._begin()
            except Unavailable:
                if self._is_ended or loop.time() + pause_s > deadline_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
