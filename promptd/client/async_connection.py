"""One asyncio connection: answers find the question they belong to, notifications their subscription.

Only this file of the asyncio client touches a transport. An ended connection ends every wait on it with
Broken, and every subscription routed over it receives None.
"""

import asyncio
import socket
from collections import deque
from typing import cast

from promptd.client.trust import check_server
from promptd.client.wire import (
    MAX_REPLY_BYTES,
    Broken,
    ReplyLine,
    decode_as,
    decode_line,
    revive,
    too_long,
    unreachable,
)
from promptd.errors import PromptdError, Unavailable
from promptd.protocol.records import Changed

ChangeQueue = asyncio.Queue[Changed | None]
_MAX_EARLY = 64  # notifications that came together with, and before we saw, the answer to their `subscribe`
_RETRY_S = 0.01  # the kernel's queue of the daemon's socket is full: it says so at once instead of waiting


class AsyncClientConnection(asyncio.Protocol):
    """A connection; made by `connect`."""

    def __init__(self, path: str, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self.path = path
        self._max_reply_bytes = max_reply_bytes
        self.is_broken = False
        self._failure: PromptdError | None = None
        self._transport: asyncio.Transport
        self._held = bytearray()
        self._waiting: dict[int, asyncio.Future[ReplyLine]] = {}
        self._routes: dict[int, ChangeQueue] = {}
        self._early: deque[Changed] = deque(maxlen=_MAX_EARLY)
        self._ended = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        state = ", broken" if self.is_broken else ""
        return f"<AsyncClientConnection to {self.path}, {len(self._waiting)} waiting{state}>"

    async def exchange(self, identity: int, request: bytes) -> ReplyLine:
        """Send a request and wait for its answer.

        Raises Broken if the connection ends first, or what the daemon said of the connection as a whole,
        which may have come before anything was asked.
        """
        if self.is_broken:
            raise self._failure or Broken(is_clean=True)
        answer: asyncio.Future[ReplyLine] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = answer
        self._transport.write(request)
        try:
            return await answer
        finally:
            self._waiting.pop(identity, None)

    def route(self, subscription: int) -> ChangeQueue:
        """Where changes of a subscription arrive from now on, those that came early included."""
        changes = self._routes[subscription] = ChangeQueue()
        for change in self._early:
            if change.subscription == subscription:
                changes.put_nowait(change)
        if self.is_broken:
            changes.put_nowait(None)
        return changes

    def unroute(self, subscription: int) -> None:
        """Forget a subscription."""
        self._routes.pop(subscription, None)

    async def close(self) -> None:
        """Close, and wait until it is closed."""
        self._transport.close()
        await self._ended

    # -- asyncio.Protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came: every whole line goes where it belongs."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._held) + lines[0]
            self._held.clear()
        self._held += rest
        try:
            for line in lines:
                self._deliver(decode_line(line))
            if len(self._held) > self._max_reply_bytes:
                raise too_long(self.path, self._max_reply_bytes)
        except Unavailable as error:  # not promptd's protocol: nothing it says means anything
            self._held.clear()
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        self.is_broken = True
        self._end_waits(Broken(is_clean=not self._held))
        for changes in self._routes.values():
            changes.put_nowait(None)
        self._routes.clear()
        self._ended.set_result(None)

    def _deliver(self, line: ReplyLine) -> None:
        if line.method == "changed":
            self._notify(decode_as(Changed, bytes(line.params)))
        elif line.id is None:  # refused as a whole: the daemon closes the connection after this
            self._fail(
                revive(line.error) if line.error else Unavailable("the daemon sent a reply without an id")
            )
        elif isinstance(line.id, int) and line.id in self._waiting:
            answer = self._waiting.pop(line.id)
            if not answer.done():  # given up in this very turn of the loop
                answer.set_result(line)

    def _notify(self, change: Changed) -> None:
        changes = self._routes.get(change.subscription)
        if changes is None:
            self._early.append(change)
        else:
            changes.put_nowait(change)

    def _fail(self, error: PromptdError) -> None:
        self._end_waits(error)
        self._failure = error
        self.is_broken = True
        self._transport.close()

    def _end_waits(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(error)


async def connect(path: str, max_reply_bytes: int = MAX_REPLY_BYTES) -> AsyncClientConnection:
    """A connection to the daemon at `path`. Raises Unavailable."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        while not _try_connect(connection, path):  # noqa: ASYNC110 - the kernel gives no event for it
            await asyncio.sleep(_RETRY_S)
        check_server(connection, path)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(
            lambda: AsyncClientConnection(path, max_reply_bytes), sock=connection
        )
    except BaseException as error:
        connection.close()
        if isinstance(error, OSError):
            raise unreachable(path, error) from None
        raise
    return link


def _try_connect(connection: socket.socket, path: str) -> bool:
    """Connect, or say not yet; the loop's own connect takes EAGAIN for a connection on its way."""
    try:
        connection.connect(path)
    except BlockingIOError:
        return False
    return True
