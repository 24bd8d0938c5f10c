"""The handler: from a turn's calls to their answers.

The straight path of a request: a call whose parameters were seen before and whose prompt is held and
still true is answered in the same turn, from encoded bytes, with no task and no await; all calls of one
turn share one sweep of signatures. Whatever must be read first becomes a task that drives the method's
flow. What a running daemon alone can say (statistics, health, reload, …) is handed in as services.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from promptd import flows, methods
from promptd.engine.request import Request
from promptd.errors import Busy, Internal, MethodNotFound, PromptdError
from promptd.files import Sweep
from promptd.keeper import Keeper
from promptd.methods import AssembleParams, Method, Params
from promptd.serve.frames import Call
from promptd.serve.peer import Peer
from promptd.stats import Counters, Distribution, Histogram

MAX_RECOGNISED = 4_096  # raw parameter objects whose meaning is remembered; a few hundred bytes each
MAX_RECOGNISED_BYTES = 4_096  # longer ones carry values that will not come again

Service = Callable[[Peer, Any], Awaitable[Any] | Any]
Spawn = Callable[[Coroutine[Any, Any, None]], object]
Report = Callable[[BaseException, str], None]


@dataclass(frozen=True, slots=True)
class HandlerStatistics:
    """Calls by method, errors by type, latency in µs from arrival to answer, and calls under way."""

    requests: int
    by_method: Mapping[str, int]
    errors: Mapping[str, int]
    latency_us: Distribution
    recognised: int
    under_way: int


class Handler:
    """Answers calls; one for the whole daemon, called from the event loop only."""

    def __init__(
        self, keeper: Keeper, services: Mapping[str, Service], spawn: Spawn, report: Report | None = None
    ) -> None:
        self.keeper = keeper
        self.services = services
        self.latency_us = Histogram()
        self.calls = Counters()
        self.errors = Counters()
        self.on_closed: list[Callable[[Peer], None]] = []
        self._spawn = spawn
        self._report = report
        self._recognised: dict[bytes, Request] = {}
        self._under_way = 0
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"<Handler {self._under_way} under way>"

    def turn(self, batch: Sequence[tuple[Peer, Call]]) -> None:
        """Answer, or start to answer, everything that arrived in one turn of the loop."""
        started = time.perf_counter()
        sweep = Sweep(self.keeper.files)
        for peer, call in batch:
            body = self._known(call, sweep)
            if body is None:
                self._begin(peer, call, sweep, started)
            else:
                peer.answer(call, body)
                self._account(started)

    def closed(self, peer: Peer) -> None:
        """A peer is gone: let go of what is kept for it."""
        for forget in self.on_closed:
            forget(peer)

    def stop(self) -> None:
        """Answer new calls with Busy; those under way are finished."""
        self._is_stopping = True

    # -- the hot path -------------------------------------------------------------------------

    def _known(self, call: Call, sweep: Sweep) -> bytes | None:
        """The answer if these very parameters were asked before and their prompt still holds."""
        if call.method != "assemble" or self._is_stopping:
            return None
        request = self._recognised.get(call.params)
        if request is None:
            return None
        prompt = self.keeper.current(request, sweep)
        if prompt is None:
            return None
        self.calls.add("assemble")
        return methods.encode_prompt(self.keeper, prompt)

    def _recognise(self, call: Call, params: AssembleParams) -> None:
        if params.etag is not None or len(call.params) > MAX_RECOGNISED_BYTES:
            return
        if len(self._recognised) >= MAX_RECOGNISED:
            self._recognised.clear()
        self._recognised[call.params] = params.request()

    # -- everything else ----------------------------------------------------------------------

    def _begin(self, peer: Peer, call: Call, sweep: Sweep, started: float) -> None:
        try:
            method = self._method(call)
            params = methods.decode_params(method, call.params)
            if method.answer is None:
                self._serve(peer, call, params, started)
                return
            flow = method.answer(self.keeper, params, sweep)
            command = next(flow)
        except StopIteration as done:
            if isinstance(params, AssembleParams):
                self._recognise(call, params)
            self._answer(peer, call, done.value, started)
        except Exception as problem:
            self._fail(peer, call, problem, started)
        else:
            self._go(peer, call, flows.drive(self.keeper, flow, command), started)

    def _method(self, call: Call) -> Method:
        method = methods.METHODS.get(call.method)
        if method is None:
            known = ", ".join(methods.METHODS)
            raise MethodNotFound(
                f"no method {call.method[:64]!r}; there are: {known}", method=call.method[:64]
            )
        self.calls.add(method.name)
        if self._is_stopping:
            raise Busy("the daemon is stopping; ask again in a moment")
        return method

    def _serve(self, peer: Peer, call: Call, params: Params, started: float) -> None:
        outcome = self.services[call.method](peer, params)
        if isinstance(outcome, Awaitable):
            self._go(peer, call, outcome, started)
        else:
            self._answer(peer, call, outcome, started)

    def _go(self, peer: Peer, call: Call, outcome: Awaitable[Any], started: float) -> None:
        self._under_way += 1
        self._spawn(self._finish(peer, call, outcome, started))

    async def _finish(self, peer: Peer, call: Call, outcome: Awaitable[Any], started: float) -> None:
        try:
            self._answer(peer, call, await outcome, started)
        except asyncio.CancelledError:
            self._fail(peer, call, Busy("the daemon is stopping; ask again in a moment"), started)
            raise
        except Exception as problem:
            self._fail(peer, call, problem, started)
        finally:
            self._under_way -= 1

    def _answer(self, peer: Peer, call: Call, result: Any, started: float) -> None:
        peer.answer(call, _encode(result))
        self._account(started)

    def _fail(self, peer: Peer, call: Call, problem: Exception, started: float) -> None:
        error = problem if isinstance(problem, PromptdError) else self._unforeseen(problem, call)
        self.errors.add(error.type)
        peer.fail(call, error)
        self._account(started)

    def _unforeseen(self, problem: Exception, call: Call) -> Internal:
        if self._report is not None:
            self._report(problem, call.method)
        return Internal(f"unforeseen {type(problem).__name__} in {call.method!r}; the daemon's log has more")

    def _account(self, started: float) -> None:
        self.latency_us.record(int((time.perf_counter() - started) * 1e6))

    def statistics(self) -> HandlerStatistics:
        """A frozen record of the counts."""
        return HandlerStatistics(
            len(self.latency_us),
            dict(self.calls.statistics()),
            dict(self.errors.statistics()),
            self.latency_us.statistics(),
            len(self._recognised),
            self._under_way,
        )


def _foreign(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_foreign).encode
