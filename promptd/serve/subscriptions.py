"""Subscriptions: a peer is told when the digest of an assembled prompt changes, not merely a file.

After each change the subscribed prompts that contain something affected, and those that were an error,
are assembled again; one whose digest (or error) became different is told. Several changes during one
round are answered by one more round: a subscriber sees the latest, not every step.
"""

import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from promptd import flows
from promptd.engine.library import Delta
from promptd.engine.request import Prompt, Request
from promptd.errors import InvalidParams, PromptdError, UnknownSubscription
from promptd.files import Sweep
from promptd.keeper import Keeper
from promptd.methods import PromptParams, UnsubscribeParams
from promptd.serve.peer import Peer

MAX_SUBSCRIPTIONS_A_PEER = 256


@dataclass(slots=True)
class Subscription:
    """One peer's interest in one prompt, and what it was last told."""

    id: int
    peer: Peer
    request: Request
    name: str
    digest: str
    members: frozenset[str]
    is_due: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """Subscriptions held, and notifications sent."""

    active: int
    notified: int


class Subscriptions:
    """All subscriptions of all peers; called from the event loop only."""

    def __init__(self, keeper: Keeper, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self.keeper = keeper
        self._spawn = spawn
        self._held: dict[Peer, dict[int, Subscription]] = {}
        self._ids = itertools.count(1)
        self._notified = 0
        self._is_running = False

    def __repr__(self) -> str:
        return f"<Subscriptions {sum(map(len, self._held.values()))} of {len(self._held)} peers>"

    async def subscribe(self, peer: Peer, params: PromptParams) -> dict[str, Any]:
        """Assemble the prompt now; from then on tell the peer when it becomes different."""
        if len(self._held.get(peer, ())) >= MAX_SUBSCRIPTIONS_A_PEER:
            raise InvalidParams(f"at most {MAX_SUBSCRIPTIONS_A_PEER} subscriptions a connection")
        request = params.request()
        prompt = await flows.drive(
            self.keeper, flows.assemble(self.keeper, request, Sweep(self.keeper.files))
        )
        made = Subscription(
            next(self._ids), peer, request, ", ".join(request.names), prompt.digest, _members(prompt)
        )
        if not peer.is_closed:
            self._held.setdefault(peer, {})[made.id] = made
        return {"subscription": made.id, "name": made.name, "digest": made.digest, "clock": self.keeper.clock}

    def unsubscribe(self, peer: Peer, params: UnsubscribeParams) -> dict[str, Any]:
        """End one subscription. Raises UnknownSubscription."""
        if self._held.get(peer, {}).pop(params.subscription, None) is None:
            raise UnknownSubscription(
                f"this connection has no subscription {params.subscription}", subscription=params.subscription
            )
        return {"subscription": params.subscription, "active": False}

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        self._held.pop(peer, None)

    def changed(self, delta: Delta, _dropped: tuple[Request, ...]) -> None:
        """Something changed: mark what may have become different, and look at it in a task."""
        for held in self._all():
            held.is_due |= not held.digest or not held.members.isdisjoint(delta.affected)
        self._begin()

    def look_at_all(self) -> None:
        """Everything may have changed: the configuration has."""
        for held in self._all():
            held.is_due = True
        self._begin()

    def _begin(self) -> None:
        if not self._is_running and any(held.is_due for held in self._all()):
            self._is_running = True
            self._spawn(self._run())

    def _all(self) -> Iterator[Subscription]:
        return (held for by_id in list(self._held.values()) for held in list(by_id.values()))

    async def _run(self) -> None:
        try:
            while due := next((held for held in self._all() if held.is_due), None):
                due.is_due = False
                await self._look_again(due)
        finally:
            self._is_running = False

    async def _look_again(self, held: Subscription) -> None:
        flow = flows.assemble(self.keeper, held.request, Sweep(self.keeper.files))
        try:
            prompt = await flows.drive(self.keeper, flow)
        except PromptdError as error:
            self._tell(held, "", {"error": {"type": error.type, "message": error.message}})
        else:
            held.members = _members(prompt)
            self._tell(held, prompt.digest, {"tokens": prompt.tokens})

    def _tell(self, held: Subscription, digest: str, more: dict[str, Any]) -> None:
        if digest == held.digest or held.peer.is_closed:
            return
        told = {
            "subscription": held.id,
            "name": held.name,
            "digest": digest or None,
            "previous": held.digest or None,
            "clock": self.keeper.clock,
        }
        held.digest = digest
        self._notified += 1
        held.peer.notify("changed", msgspec.json.encode(told | more))

    def statistics(self) -> SubscriptionStatistics:
        """Counts."""
        return SubscriptionStatistics(sum(map(len, self._held.values())), self._notified)


def _members(prompt: Prompt) -> frozenset[str]:
    return frozenset(component.id for component, _, _ in prompt.facts.files)
