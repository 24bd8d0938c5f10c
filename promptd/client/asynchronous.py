"""The asyncio client: any number of questions at once over one connection, which is made again when it ends.

A question whose connection ended before any byte of an answer is asked once more over a new one.
Subscriptions share the connection (async_subscription.py). No tasks of its own; used from one event loop.
"""

import asyncio
import itertools
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from promptd.client import requests as questions
from promptd.client.async_connection import AsyncClientConnection, connect
from promptd.client.async_subscription import AsyncSubscription
from promptd.client.discovery import discover
from promptd.client.requests import (
    AssembleOptions,
    NameOrNames,
    Question,
    Variables,
)
from promptd.client.wire import (
    MAX_REPLY_BYTES,
    Answer,
    Broken,
    decode_as,
    encode_request,
    hung_up,
    too_slow,
)
from promptd.protocol.replies import (
    AlertsReply,
    AssembleReply,
    ChangesReply,
    CheckReply,
    ConfigurationReply,
    DependenciesReply,
    DependentsReply,
    DescribeReply,
    GetReply,
    GraphReply,
    ListReply,
    MetricsReply,
    PingReply,
    ReloadReply,
    RescanReply,
    VersionReply,
)


class AsyncClient:
    """Asks the daemon on a Unix socket; connects at the first question.

    >>> async with AsyncClient() as client:
    ...     prompt = await client.assemble("commands/review", variables={"language": "Python"})
    ...     print(prompt.tokens, prompt.text)

    Every method raises the leaf of promptd.errors that the daemon answered with, and Unavailable if none
    answers within `timeout_s` seconds, if it is neither ours, root's nor a service's (trust.py), or if a
    reply is longer than `max_reply_bytes`.
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        timeout_s: float = 30.0,
        *,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self.path = discover(socket, os.environ)
        self.timeout_s = timeout_s
        self.max_reply_bytes = max_reply_bytes
        self._ids = itertools.count(1)
        self._link: AsyncClientConnection | None = None
        self._connecting = asyncio.Lock()

    def __repr__(self) -> str:
        is_connected = self._link is not None and not self._link.is_broken
        return f"<AsyncClient of {self.path}, {'connected' if is_connected else 'not connected'}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    # -- questions --------------------------------------------------------------------------------

    async def assemble(
        self,
        name: NameOrNames,
        variables: Variables | None = None,
        arguments: str | None = None,
        **options: Unpack[AssembleOptions],
    ) -> AssembleReply:
        """Assemble one component, or several in order. With the `etag` of an answer you hold, an unchanged
        prompt is answered with `unchanged` and without its text; `Options` has the others.
        """
        return await self._ask(questions.assemble(name, variables, arguments, options))

    async def get(
        self,
        name: str,
        span: tuple[int, int] | None = None,
        *,
        section: str | None = None,
        digest: str | None = None,
    ) -> GetReply:
        """One component as it is on disk, or a section or a stretch [start, end) of its file, in code points.

        With a `digest`, that of a reference, it is exactly that text or the error DigestMismatch.
        """
        question = questions.plain(GetReply, "get", name=name, span=span, section=section, digest=digest)
        return await self._ask(question)

    async def list(self, glob: str = "**") -> ListReply:
        """The components whose id fits a glob."""
        return await self._ask(questions.plain(ListReply, "list", glob=glob))

    async def changes(self, since: str | None = None) -> ChangesReply:
        """What became different in the list since a `clock`; all of it if that is not known."""
        return await self._ask(questions.plain(ChangesReply, "changes", since=since))

    async def dependencies(self, name: str, depth: int | None = None) -> DependenciesReply:
        """What a component needs, directly and indirectly."""
        return await self._ask(questions.plain(DependenciesReply, "dependencies", name=name, depth=depth))

    async def dependents(self, name: str, depth: int | None = None) -> DependentsReply:
        """What needs a component, directly and indirectly."""
        return await self._ask(questions.plain(DependentsReply, "dependents", name=name, depth=depth))

    async def graph(self, name: str | None = None) -> GraphReply:
        """The dependency graph, whole or below one component."""
        return await self._ask(questions.plain(GraphReply, "graph", name=name))

    async def check(self) -> CheckReply:
        """What is wrong with the library."""
        return await self._ask(questions.plain(CheckReply, "check"))

    async def statistics(self) -> dict[str, Any]:
        """Counts and times of everything in the daemon."""
        return await self._ask(questions.plain(dict, "statistics"))

    async def health(self) -> dict[str, Any]:
        """The health snapshot as of now."""
        return await self._ask(questions.plain(dict, "health"))

    async def configuration(self) -> ConfigurationReply:
        """The configuration in force, as TOML."""
        return await self._ask(questions.plain(ConfigurationReply, "configuration"))

    async def metrics(self) -> MetricsReply:
        """Everything that is measured: `text` in Prometheus' format, and its `content_type`."""
        return await self._ask(questions.plain(MetricsReply, "metrics"))

    async def alerts(self) -> AlertsReply:
        """What is wrong now, `active`, and what was, `history`."""
        return await self._ask(questions.plain(AlertsReply, "alerts"))

    async def reload(self) -> ReloadReply:
        """Have the configuration read again, and wait until it is in force."""
        return await self._ask(questions.plain(ReloadReply, "reload"))

    async def rescan(self) -> RescanReply:
        """Have everything held compared with the disk now."""
        return await self._ask(questions.plain(RescanReply, "rescan"))

    async def ping(self) -> PingReply:
        """Is anyone there: `pong`, `pid`, `uptime_s`."""
        return await self._ask(questions.plain(PingReply, "ping"))

    async def version(self) -> VersionReply:
        """Versions of the daemon and of its protocol."""
        return await self._ask(questions.plain(VersionReply, "version"))

    async def describe(self) -> DescribeReply:
        """Methods, errors and limits, for programs."""
        return await self._ask(questions.plain(DescribeReply, "describe"))

    def subscribe(
        self, name: NameOrNames, variables: Variables | None = None, arguments: str | None = None
    ) -> AsyncSubscription:
        """Subscribe to changes of the digest of a prompt: iterate over what comes back.

        >>> async with client.subscribe("commands/review") as changes:
        ...     async for change in changes:
        ...         print(change.digest)
        """
        question = questions.subscribe(name, variables, arguments)
        return AsyncSubscription(self.exchange, question, self.timeout_s)

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Any method: its result object as the daemon encoded it."""
        body, _ = await self.exchange(method, params)
        return body

    # -- the connection -----------------------------------------------------------------------------

    async def exchange(
        self, method: str, params: Mapping[str, Any] | None
    ) -> tuple[bytes, AsyncClientConnection]:
        """A result, and the connection it came over."""
        identity = next(self._ids)
        line = encode_request(identity, method, params)
        try:
            async with asyncio.timeout(self.timeout_s):
                try:
                    return await self._send(identity, line)
                except Broken as broken:
                    if not broken.is_clean:
                        raise
                return await self._send(identity, line)
        except Broken:
            raise hung_up(self.path) from None
        except TimeoutError:
            raise too_slow(self.path, self.timeout_s) from None

    async def _ask(self, question: Question[Answer]) -> Answer:
        return decode_as(question.kind, await self.call(question.method, question.params))

    async def _send(self, identity: int, line: bytes) -> tuple[bytes, AsyncClientConnection]:
        link = await self._connected()
        return (await link.exchange(identity, line)).body(), link

    async def _connected(self) -> AsyncClientConnection:
        async with self._connecting:
            if self._link is None or self._link.is_broken:
                self._link = await connect(self.path, self.max_reply_bytes)
            return self._link
