"""Batching: everything that arrived in one turn of the event loop is answered together.

Connections say `ready` when they hold calls and `dirty` when they hold unsent bytes; once a turn the calls
of all of them become one batch for the handler (so that they share one check of the source) and each dirty
connection writes once. No task, no await: `call_soon` is all it needs of the loop.

A batch that is not done in TURN_S goes on in the next turn, after the loop has looked at its sockets: then
connections are served in rounds, however much each of them has waiting.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from promptd.errors import Internal
from promptd.protocol.calls import Call
from promptd.protocol.peers import Handler, Peer
from promptd.server.shares import Meter, TimeShares

TURN_S = 0.008  # of calls that are answered at once: the rest of a batch waits for the next turn
TAKE_S = 0.004  # of requests that are read: other connections wait for the next turn


class BatchMember(Peer, Protocol):
    """What a batch asks of a connection."""

    def take(self, batch: list[tuple[Peer, Call]]) -> None:
        """Move calls into the batch, as many as may be in flight."""

    def flush(self) -> None:
        """Write what is unsent."""


class Batching:
    """One for each listener; used from its event loop only."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, handler: Handler, shares: TimeShares | None = None
    ) -> None:
        self._loop = loop
        self._handler = handler
        self._shares = shares or TimeShares()
        self._left: list[tuple[Peer, Call]] = []  # of a batch that took too long
        self._batch: list[tuple[Peer, Call]] = []
        self._ready: dict[BatchMember, None] = {}
        self._dirty: list[BatchMember] = []
        self._only_peer: Peer | None = None  # whose call was the only one of the last turn
        self._is_scheduled = False
        self._served: dict[Peer, int] = {}  # of those that wait: the last turn in which they were served
        self._turns = 0
        self._is_late = False  # there was no time to take from all that were ready

    def __repr__(self) -> str:
        return f"<Batching {len(self._ready)} ready, {len(self._dirty)} dirty>"

    def call(self, peer: Peer, call: Call) -> None:
        """Add a call of a peer that has no others waiting.

        A peer that was the only one in the last turn gets a batch of its own, now: most often no other asks.
        Its batch checks the source after this call has come, as any other does; only it is not shared.
        """
        self._batch.append((peer, call))
        if self._is_scheduled:
            return
        self._is_scheduled = True
        if peer is self._only_peer:
            self._run()
        else:
            self._loop.call_soon(self._run)

    def ready(self, member: BatchMember) -> None:
        """The connection holds calls; may be said again before they are taken."""
        self._ready[member] = None
        if not self._is_scheduled:
            self._schedule()

    def dirty(self, member: BatchMember) -> None:
        """The connection holds unsent bytes; each time it is said it is flushed once."""
        self._dirty.append(member)
        if not self._is_scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        # Stays "scheduled" throughout: what becomes dirty below is flushed below, without another turn.
        try:
            batch, self._batch = self._batch, []
            if self._ready:
                self._take(batch)
            if self._left:
                batch = self._fairest_first(self._left + batch)
            if batch:
                self._only_peer = batch[0][0] if len(batch) == 1 else None
                taken = self._hand_over(batch)
                self._left = batch[taken:]
                if self._left:
                    self._note_served(batch[:taken])
            dirty, self._dirty = self._dirty, []
            for member in dirty:
                member.flush()
        finally:
            self._is_scheduled = False
            if self._ready or self._dirty or self._left:
                self._schedule()

    def _take(self, batch: list[tuple[Peer, Call]]) -> None:
        """Take what connections hold, fairest first if there was no time for all of them in the last turn."""
        ready, self._ready = self._ready, {}
        members: Iterable[BatchMember] = ready
        if self._is_late:
            members = sorted((one for one in ready if not one.is_closed), key=self._shares.rank)
        until_s, meter = time.perf_counter() + TAKE_S, Meter()
        self._is_late = False
        for member in members:
            if self._is_late:
                self._ready[member] = None
                continue
            member.take(batch)
            self._is_late = time.perf_counter() > until_s
            if len(ready) > 1:
                self._shares.charge(member, meter.used_s())

    def _fairest_first(self, batch: list[tuple[Peer, Call]]) -> list[tuple[Peer, Call]]:
        """In rounds: one call of each connection, then the next; who was not served lately comes first.

        By shares alone a flood that has just begun would come before one that asked now and then before.
        The calls of each connection stay in order. Those of a closed one are let go of.
        """
        batch = [(peer, call) for peer, call in batch if not peer.is_closed]
        self._served = {peer: self._served.get(peer, 0) for peer, _ in batch}
        ranks = {peer: (turn, self._shares.rank(peer)) for peer, turn in self._served.items()}
        rounds = Counter[Peer]()
        places = []
        for peer, _ in batch:
            places.append((rounds[peer], ranks[peer]))
            rounds[peer] += 1
        return [batch[at] for at in sorted(range(len(batch)), key=places.__getitem__)]

    def _note_served(self, batch: Iterable[tuple[Peer, Call]]) -> None:
        self._turns += 1
        self._served |= {peer: self._turns for peer, _ in batch}

    def _hand_over(self, batch: list[tuple[Peer, Call]]) -> int:
        """Let the handler answer, and return how many it took; one that raises costs this batch an error."""
        try:
            return self._handler.turn(batch, time.perf_counter() + TURN_S)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"the handler failed on a batch of {len(batch)}", "exception": error}
            )
            for peer, call in batch:
                if not call.is_answered:
                    peer.fail(call, Internal("unforeseen error; the daemon's log has more"))
            return len(batch)
