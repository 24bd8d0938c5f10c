"""The blocking client: one connection, one question at a time, safe to share between threads.

If the daemon was restarted since the last question, the client notices when it asks the next one, connects
again and asks once more (every question may be asked twice without harm). Subscriptions have connections of
their own (subscription.py), so that waiting for one blocks no request.
"""

import itertools
import os
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from promptd.client import requests as questions
from promptd.client.connection import ClientConnection
from promptd.client.discovery import discover
from promptd.client.requests import (
    AssembleOptions,
    NameOrNames,
    Question,
    Variables,
)
from promptd.client.subscription import Subscription
from promptd.client.wire import (
    MAX_REPLY_BYTES,
    Answer,
    Broken,
    decode_as,
    encode_request,
    hung_up,
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


class Client:
    """Asks the daemon on a Unix socket; connects at the first question.

    >>> with Client() as client:
    ...     prompt = client.assemble("commands/review", variables={"language": "Python"})
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
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._link: ClientConnection | None = None
        self._owner_pid = 0

    def __repr__(self) -> str:
        return f"<Client of {self.path}, {'connected' if self._link else 'not connected'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._drop()

    # -- questions --------------------------------------------------------------------------------

    def assemble(
        self,
        name: NameOrNames,
        variables: Variables | None = None,
        arguments: str | None = None,
        **options: Unpack[AssembleOptions],
    ) -> AssembleReply:
        """Assemble one component, or several in order. With the `etag` of an answer you hold, an unchanged
        prompt is answered with `unchanged` and without its text; `Options` has the others.
        """
        return self._ask(questions.assemble(name, variables, arguments, options))

    def get(
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
        return self._ask(question)

    def list(self, glob: str = "**") -> ListReply:
        """The components whose id fits a glob."""
        return self._ask(questions.plain(ListReply, "list", glob=glob))

    def changes(self, since: str | None = None) -> ChangesReply:
        """What became different in the list since a `clock`; all of it if that is not known."""
        return self._ask(questions.plain(ChangesReply, "changes", since=since))

    def dependencies(self, name: str, depth: int | None = None) -> DependenciesReply:
        """What a component needs, directly and indirectly."""
        return self._ask(questions.plain(DependenciesReply, "dependencies", name=name, depth=depth))

    def dependents(self, name: str, depth: int | None = None) -> DependentsReply:
        """What needs a component, directly and indirectly."""
        return self._ask(questions.plain(DependentsReply, "dependents", name=name, depth=depth))

    def graph(self, name: str | None = None) -> GraphReply:
        """The dependency graph, whole or below one component."""
        return self._ask(questions.plain(GraphReply, "graph", name=name))

    def check(self) -> CheckReply:
        """What is wrong with the library."""
        return self._ask(questions.plain(CheckReply, "check"))

    def statistics(self) -> dict[str, Any]:
        """Counts and times of everything in the daemon."""
        return self._ask(questions.plain(dict, "statistics"))

    def health(self) -> dict[str, Any]:
        """The health snapshot as of now."""
        return self._ask(questions.plain(dict, "health"))

    def configuration(self) -> ConfigurationReply:
        """The configuration in force, as TOML."""
        return self._ask(questions.plain(ConfigurationReply, "configuration"))

    def metrics(self) -> MetricsReply:
        """Everything that is measured: `text` in Prometheus' format, and its `content_type`."""
        return self._ask(questions.plain(MetricsReply, "metrics"))

    def alerts(self) -> AlertsReply:
        """What is wrong now, `active`, and what was, `history`."""
        return self._ask(questions.plain(AlertsReply, "alerts"))

    def reload(self) -> ReloadReply:
        """Have the configuration read again, and wait until it is in force."""
        return self._ask(questions.plain(ReloadReply, "reload"))

    def rescan(self) -> RescanReply:
        """Have everything held compared with the disk now."""
        return self._ask(questions.plain(RescanReply, "rescan"))

    def ping(self) -> PingReply:
        """Is anyone there: `pong`, `pid`, `uptime_s`."""
        return self._ask(questions.plain(PingReply, "ping"))

    def version(self) -> VersionReply:
        """Versions of the daemon and of its protocol."""
        return self._ask(questions.plain(VersionReply, "version"))

    def describe(self) -> DescribeReply:
        """Methods, errors and limits, for programs."""
        return self._ask(questions.plain(DescribeReply, "describe"))

    def subscribe(
        self, name: NameOrNames, variables: Variables | None = None, arguments: str | None = None
    ) -> Subscription:
        """Subscribe to changes of the digest of a prompt: iterate over what comes back.

        >>> with client.subscribe("commands/review") as changes:
        ...     for change in changes:
        ...         print(change.digest)
        """
        return Subscription(self.path, questions.subscribe(name, variables, arguments), self.timeout_s)

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Any method: its result object as the daemon encoded it."""
        with self._lock:
            identity = next(self._ids)
            line = encode_request(identity, method, params)
            try:
                return self._exchange(line, identity)
            except Broken as broken:
                if not broken.is_clean:
                    raise hung_up(self.path) from None
            try:
                return self._exchange(line, identity)
            except Broken:
                raise hung_up(self.path) from None

    # -- the connection -----------------------------------------------------------------------------

    def _ask(self, question: Question[Answer]) -> Answer:
        return decode_as(question.kind, self.call(question.method, question.params))

    def _exchange(self, line: bytes, identity: int) -> bytes:
        """Send and wait. Whatever goes wrong, the connection is not used again: an answer may still come."""
        link = self._connected()
        deadline_s = time.monotonic() + self.timeout_s
        try:
            link.send(line, deadline_s)
            reply = link.reply(identity, deadline_s)
        except BaseException:
            self._drop()
            raise
        if reply.id is None:  # refused as a whole: the daemon closes the connection
            self._drop()
        return reply.body()

    def _connected(self) -> ClientConnection:
        if self._link is not None and self._owner_pid != os.getpid():
            self._drop()  # inherited over a fork: it belongs to the parent
        if self._link is None:
            self._link = ClientConnection(self.path, self.timeout_s, self.max_reply_bytes)
            self._owner_pid = os.getpid()
        return self._link

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
