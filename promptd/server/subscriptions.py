"""Subscriptions: a peer is notified when the digest of an assembled prompt changes, not merely a file.

Subscriptions to the same prompt are one topic, assembled once for all of them. After a change the topics
that contain something affected, those whose names might now mean something else, and those that are an
error are assembled again; a subscriber whose digest (or kind of error) became different is notified. Several
changes while a prompt is assembled lead to one more assembly: a subscriber gets the latest digest, not
each one in between.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.prompt import Prompt
from promptd.core.library.library import Delta
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.errors import Busy, InvalidParams, PromptdError, UnknownSubscription
from promptd.protocol.methods import PromptParams, UnsubscribeParams
from promptd.protocol.peers import Peer
from promptd.protocol.records import Changed, PromptFailure
from promptd.protocol.replies import SubscribeReply, UnsubscribeReply
from promptd.protocol.request import Request
from promptd.support.tasks import ReportError, Spawn, yield_to_requests

MAX_SUBSCRIPTIONS_A_PEER = 256
MAX_BYTES_A_USER = 8_388_608  # of names and values of all subscriptions of one user


@dataclass(slots=True, eq=False)
class HeldSubscription:
    """One peer's interest in one topic, and what it was last sent: a digest or the type of an error."""

    id: int
    peer: Peer
    topic: "Topic"
    sent: str


@dataclass(slots=True, eq=False)
class Topic:
    """One prompt with subscribers, and the evidence it rests on: None while it is an error."""

    request: Request
    evidence: Evidence | None = None
    held: dict[int, HeldSubscription] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What was asked for."""
        return ", ".join(self.request.names)

    def concerns(self, delta: Delta) -> bool:
        """True if a change may have made the prompt different."""
        return self.evidence is None or self.evidence.is_touched_by(delta.affected)


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """Subscriptions held, distinct prompts among them, and notifications sent."""

    active: int
    topics: int
    notified: int


class Subscriptions:
    """All subscriptions of all peers; called from the event loop only.

    `current` holds the workspace whose prompts are subscribed to; `report` is called with unforeseen errors.
    """

    def __init__(self, current: Current, spawn: Spawn, report: ReportError) -> None:
        self._current = current
        self._spawn = spawn
        self._report = report
        self._topics: dict[Request, Topic] = {}
        self._by_peer: dict[Peer, dict[int, HeldSubscription]] = {}
        self._due: dict[Topic, None] = {}
        self._bytes_of: Counter[int] = Counter()  # by user
        self._ids = itertools.count(1)
        self._notified = 0
        self._is_running = False

    def __repr__(self) -> str:
        return f"<Subscriptions to {len(self._topics)} prompts by {len(self._by_peer)} peers>"

    # -- peers --------------------------------------------------------------------------------

    async def subscribe(self, peer: Peer, params: PromptParams) -> SubscribeReply:
        """Assemble the prompt now; from then on notify the peer when it becomes different."""
        request = params.request()
        self._check_limits(peer, request)
        prompt = await self._assemble(request)
        self._check_limits(peer, request)
        topic = self._topics.get(request) or Topic(request)
        topic.evidence = prompt.evidence
        made = HeldSubscription(next(self._ids), peer, topic, prompt.digest)
        if not peer.is_closed:
            self._topics[request] = topic
            topic.held[made.id] = made
            self._by_peer.setdefault(peer, {})[made.id] = made
            self._bytes_of[peer.uid] += request.size_bytes
        return SubscribeReply(
            subscription=made.id, name=topic.name, digest=made.sent, clock=self._current.workspace.clock
        )

    def unsubscribe(self, peer: Peer, params: UnsubscribeParams) -> UnsubscribeReply:
        """End one subscription. Raises UnknownSubscription."""
        ended = self._by_peer.get(peer, {}).pop(params.subscription, None)
        if ended is None:
            raise UnknownSubscription(
                f"this connection has no subscription {params.subscription}", subscription=params.subscription
            )
        self._remove(ended)
        return UnsubscribeReply(ended.id, active=False)

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        for ended in self._by_peer.pop(peer, {}).values():
            self._remove(ended)

    def _remove(self, ended: HeldSubscription) -> None:
        topic = ended.topic
        self._bytes_of[ended.peer.uid] -= topic.request.size_bytes
        topic.held.pop(ended.id, None)
        if not topic.held:
            self._topics.pop(topic.request, None)
            self._due.pop(topic, None)

    def _check_limits(self, peer: Peer, request: Request) -> None:
        if self._bytes_of[peer.uid] + request.size_bytes > MAX_BYTES_A_USER:
            raise Busy(
                f"the subscriptions of user {peer.uid} hold {MAX_BYTES_A_USER} bytes of names and values:"
                " unsubscribe, or subscribe with shorter ones",
                limit=MAX_BYTES_A_USER,
            )
        if len(self._by_peer.get(peer, ())) >= MAX_SUBSCRIPTIONS_A_PEER:
            raise InvalidParams(
                f"at most {MAX_SUBSCRIPTIONS_A_PEER} subscriptions a connection",
                limit=MAX_SUBSCRIPTIONS_A_PEER,
            )

    # -- changes ------------------------------------------------------------------------------

    def changed(self, delta: Delta, _dropped: tuple[Request, ...]) -> None:
        """Something changed: assemble again, in a task, the prompts that may have become different."""
        self._assemble_soon(topic for topic in self._topics.values() if topic.concerns(delta))

    def assemble_all(self) -> None:
        """The configuration has changed: every prompt may have become different."""
        self._assemble_soon(self._topics.values())

    def _assemble_soon(self, topics: Iterable[Topic]) -> None:
        self._due |= dict.fromkeys(topics)
        if self._due and not self._is_running:
            self._is_running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._due:
                topic = next(iter(self._due))
                del self._due[topic]
                await self._assemble_again(topic)
                await yield_to_requests()
        finally:
            self._is_running = False

    async def _assemble_again(self, topic: Topic) -> None:
        try:
            prompt = await self._assemble(topic.request)
        except PromptdError as error:
            topic.evidence = None
            shown = PromptFailure(error.type, error.message)
            self._notify_all(topic, error.type, {"digest": None, "error": shown})
        except Exception as problem:  # the other topics are assembled all the same
            topic.evidence = None
            self._report(problem, "subscribe")
        else:
            topic.evidence = prompt.evidence
            self._notify_all(topic, prompt.digest, {"digest": prompt.digest, "tokens": prompt.tokens})

    async def _assemble(self, request: Request) -> Prompt:
        workspace = self._current.workspace
        check = workspace.source.check()
        cached = workspace.current(request, check)
        if cached is None:
            made = procedures.cached_prompt(workspace, request, check)
            cached = await procedures.drive(workspace, made)
        cached.uses -= 1  # no client asked for it
        return cached.prompt

    def _notify_all(self, topic: Topic, state: str, outcome: dict[str, Any]) -> None:
        for subscription in list(topic.held.values()):
            if subscription.sent != state and not subscription.peer.is_closed:
                self._notify(subscription, state, outcome)

    def _notify(self, subscription: HeldSubscription, state: str, outcome: dict[str, Any]) -> None:
        previous, subscription.sent = subscription.sent, state
        changed = Changed(
            subscription=subscription.id,
            name=subscription.topic.name,
            previous=None if previous.startswith("promptd.") else previous,
            clock=self._current.workspace.clock,
            **outcome,
        )
        self._notified += 1
        subscription.peer.notify("changed", msgspec.json.encode(changed))

    def statistics(self) -> SubscriptionStatistics:
        """Counts."""
        active = sum(map(len, self._by_peer.values()))
        return SubscriptionStatistics(active, len(self._topics), self._notified)
