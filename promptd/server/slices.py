"""Slices: the event loop's time for work that looks at the library's state, and so may be done nowhere else.

Such work is a procedure that pauses often. One of them runs in a turn of the loop, for SLICE_S; who waits is
served in the order of `shares`. At most SEATS are in the middle of their work, so that many large replies are
made one after the other and not all at the same time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from promptd.protocol.peers import Peer
from promptd.server.lanes import Done, Lanes
from promptd.server.reservations import Reservations
from promptd.server.shares import Meter, Queues, TimeShares

SLICE_S = 0.004
SEATS = 4


class Slices:
    """Gives the loop's time to claims; used from that loop only."""

    def __init__(self, shares: TimeShares) -> None:
        self._shares = shares
        self._seated: set[Claim] = set()
        self._waiting: Queues[Claim] = Queues(shares)
        self._turns: dict[Claim, asyncio.Future[None]] = {}  # of those that wait
        self._is_granting = False
        self._turn_began_s: float | None = None  # of the first slice in this turn of the loop

    def __repr__(self) -> str:
        return f"<Slices, {len(self._seated)} of {SEATS} seats, {len(self._waiting)} waiting>"

    async def turn(self, claim: "Claim") -> None:
        """Wait for a slice, unless there is some left of this turn's."""
        loop = asyncio.get_running_loop()
        if not self._waiting and self._may_sit(claim) and not self._is_used_up(loop):
            self._seated.add(claim)
            return
        mine = self._turns[claim] = loop.create_future()
        self._waiting.put(claim.peer, claim)
        self._grant_soon(loop)
        try:
            await mine
        finally:
            self._waiting.discard(claim.peer, claim)
            self._turns.pop(claim, None)

    def leave(self, claim: "Claim") -> None:
        """The claim's work on the loop is done for now."""
        self._seated.discard(claim)
        if self._waiting:
            self._grant_soon(asyncio.get_running_loop())

    def _may_sit(self, claim: "Claim") -> bool:
        return claim in self._seated or len(self._seated) < SEATS

    def _is_used_up(self, loop: asyncio.AbstractEventLoop) -> bool:
        now_s = time.perf_counter()
        if self._turn_began_s is None:
            self._turn_began_s = now_s
            loop.call_soon(self._begin_turn)
        return now_s - self._turn_began_s > SLICE_S

    def _begin_turn(self) -> None:
        self._turn_began_s = None

    def _grant_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_granting:
            self._is_granting = True
            loop.call_soon(self._grant, loop)

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let one go on; the next is chosen when its slice is over, in another turn."""
        self._is_granting = False
        while (chosen := self._next()) is not None and self._turns[chosen].done():
            pass  # it was given up in this very turn
        if chosen is not None:
            self._seated.add(chosen)
            self._turns[chosen].set_result(None)
            self._is_granting = True
            loop.call_soon(loop.call_soon, self._grant, loop)

    def _next(self) -> "Claim | None":
        """Who waits and may sit, taken from the queue."""
        if len(self._seated) < SEATS:
            return self._waiting.take() if self._waiting else None
        able = [claim for claim in self._seated if self._waiting.discard(claim.peer, claim)]
        if not able:
            return None
        chosen = min(able, key=lambda claim: self._shares.rank(claim.peer))
        for claim in able:
            if claim is not chosen:
                self._waiting.put(claim.peer, claim)
        return chosen


class Claim:
    """The effort (procedures.Effort) of one call: its slices and its work in the lanes, with one deadline."""

    def __init__(self, sharing: "Sharing", peer: Peer) -> None:
        self.peer = peer
        self._sharing = sharing
        self._since_s = time.perf_counter()
        self._meter = Meter()
        self._used_s = 0.0

    def __repr__(self) -> str:
        return f"<Claim, {self._used_s:.3f} s of the event loop used>"

    async def compute(self, work: Callable[[], Done]) -> Done:
        """See procedures.Effort. Raises Busy if the outcome could not be sent now."""
        if (busy := self.peer.objection()) is not None:
            raise busy
        return await self.wait(self._sharing.lanes.run(self.peer, work))

    async def wait(self, outcome: Awaitable[Done]) -> Done:
        """See procedures.Effort."""
        self._sharing.slices.leave(self)
        found = await outcome
        await self._begin_slice()
        return found

    async def reserve(self, size_bytes: int) -> bool:
        """See procedures.Effort."""
        return await self.wait(self._sharing.reservations.take(self.peer, self, size_bytes))

    async def pause(self) -> None:
        """See procedures.Effort. Raises TooExpensive when the call has used its time up."""
        if time.perf_counter() - self._since_s < SLICE_S:
            return
        used_s = self._meter.used_s()
        self._used_s += used_s
        self._sharing.shares.charge(self.peer, used_s)
        if self._used_s > self._sharing.lanes.deadline_s:
            raise self._sharing.lanes.too_expensive()
        await self._begin_slice()

    async def _begin_slice(self) -> None:
        await self._sharing.slices.turn(self)
        self._since_s = time.perf_counter()
        self._meter.used_s()

    def leave(self) -> None:
        """The call is answered, or given up."""
        self._sharing.slices.leave(self)
        self._sharing.reservations.give_back(self)


class Sharing:
    """How the calls of one daemon share its time: on the event loop, and beside it in lanes."""

    def __init__(self, deadline_s: float) -> None:
        self.shares = TimeShares()
        self.lanes = Lanes(self.shares, deadline_s)
        self.slices = Slices(self.shares)
        self.reservations: Reservations[Claim] = Reservations(self.shares)

    def __repr__(self) -> str:
        return f"<Sharing {self.shares!r}, {self.lanes!r}, {self.slices!r}>"

    def claim(self, peer: Peer) -> Claim:
        """The effort of one call of a peer; to be left when it is answered."""
        return Claim(self, peer)
