"""The handler: from a turn's calls to their answers.

The straight path of a request: a call whose parameters were seen before and whose prompt is held and
still true is answered in the same turn, from encoded bytes, with no task and no await; all calls of one
turn share one sweep of signatures. Whatever must be read first becomes a task that drives the method's
procedure. What a running daemon alone can say (statistics, health, reload, …) is handed in as services.
Whatever a call raises is its own answer and nobody else's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from promptd.core.assembly.prompt import Prompt
from promptd.engine import procedures
from promptd.engine.handlers import HANDLERS, encode_prompt
from promptd.engine.workspace import Workspace
from promptd.errors import (
    Busy,
    Internal,
    MethodNotFound,
    PromptdError,
)
from promptd.protocol import methods
from promptd.protocol.calls import Call
from promptd.protocol.methods import AssembleParams, Method, Params
from promptd.protocol.request import Request
from promptd.server.peer import Peer
from promptd.sources.worktree.files import Sweep
from promptd.support import log
from promptd.support.stats import Counters, Distribution, Histogram

MAX_RECOGNISED = 4_096  # raw parameter objects whose meaning is remembered
MAX_RECOGNISED_BYTES = 2_048  # longer ones carry values that will not come again
UNKNOWN = "(unknown)"  # what calls of methods that do not exist are counted as
SCANS = frozenset(method.name for method in methods.METHODS.values() if method.is_scan)

Service = Callable[[Peer, Any], Awaitable[Any] | Any]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
ReportError = Callable[[BaseException, str], None]
SharedRescan = Callable[[Workspace], Awaitable[procedures.Reconciled]]

_log = log.get_logger("promptd.server")


@dataclass(frozen=True, slots=True)
class DispatchStatistics:
    """Calls that came, by method, errors by type, and calls under way; latencies from arrival to answer.

    `latency_us` is of calls that concern single components (`assemble` above all), `scan_latency_us` of
    those that look at the whole library, `service_latency_us` of those about the daemon itself.
    """

    requests: int
    by_method: Mapping[str, int]
    errors: Mapping[str, int]
    latency_us: Distribution
    scan_latency_us: Distribution
    service_latency_us: Distribution
    recognised: int
    under_way: int


class Dispatcher:
    """Answers calls; one for the whole daemon, called from the event loop only.

    `report` is told of what nobody foresaw; `reconcile` does a reconcile that calls may share.
    """

    def __init__(
        self,
        workspace: Workspace,
        services: Mapping[str, Service],
        spawn: Spawn,
        report: ReportError,
        reconcile: SharedRescan | None = None,
    ) -> None:
        self.workspace = workspace
        self.on_closed: list[Callable[[Peer], None]] = []
        self._services = services
        self._spawn = spawn
        self._report = report
        self._reconcile = reconcile
        self._calls = Counters()
        self._errors = Counters()
        self._latency_us, self._scan_latency_us, self._service_latency_us = (Histogram() for _ in range(3))
        self._recognised: dict[bytes, Request] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"<Dispatcher {len(self._under_way)} under way>"

    def turn(self, batch: Sequence[tuple[Peer, Call]]) -> None:
        """Answer, or start to answer, everything that arrived in one turn of the loop."""
        started_s = time.perf_counter()
        sweep = Sweep(self.workspace.files)
        known: dict[bytes, Prompt] = {}
        hot: list[Call] = []
        for peer, call in batch:
            try:
                prompt = self._known(call, sweep, known) if call.method == "assemble" else None
                if prompt is None:
                    self._begin(peer, call, sweep, started_s)
                else:
                    peer.answer(call, encode_prompt(self.workspace, prompt))
                    hot.append(call)
            except Exception as problem:
                self._fail(peer, call, problem, started_s)
        if hot:
            self._account_hot(hot, started_s)

    def closed(self, peer: Peer) -> None:
        """A peer is gone: let go of what is kept for it."""
        for forget in self.on_closed:
            forget(peer)

    def stop(self) -> None:
        """Time is up: answer what is under way, and whatever still comes, with Busy."""
        self._is_stopping = True
        for task in list(self._under_way):
            task.cancel()

    # -- the hot path -------------------------------------------------------------------------

    def _known(self, call: Call, sweep: Sweep, known: dict[bytes, Prompt]) -> Prompt | None:
        """The prompt if these very parameters were asked before and every fact of it still holds.

        Held once a turn: `known` is what this turn has validated so far, by parameters.
        """
        params = call.params
        if params in known:
            self.workspace.used_again(known[params])
            return known[params]
        request = self._recognised.get(params)
        if request is None or self._is_stopping:
            return None
        prompt = self.workspace.current(request, sweep)
        if prompt is not None:
            known[params] = prompt
        return prompt

    def _account_hot(self, calls: Sequence[Call], started_s: float) -> None:
        """Count what was answered in this turn, once for all of it: that is when it is written, too."""
        elapsed_s = time.perf_counter() - started_s
        self._calls.add("assemble", len(calls))
        self._latency_us.record(int(elapsed_s * 1e6), len(calls))
        if log.is_enabled("debug"):
            for call in calls:
                self._log_call(call, elapsed_s, None)

    def _recognise(self, call: Call, params: Params) -> None:
        if not isinstance(params, AssembleParams) or params.etag is not None:
            return
        if len(call.params) > MAX_RECOGNISED_BYTES:
            return
        if len(self._recognised) >= MAX_RECOGNISED:
            self._recognised.clear()
        self._recognised[call.params] = params.request()

    # -- everything else ----------------------------------------------------------------------

    def _begin(self, peer: Peer, call: Call, sweep: Sweep, started_s: float) -> None:
        """Answer a call now if nothing has to be waited for, else in a task. Raises what refuses it."""
        method = self._method(call)
        params = methods.decode_params(method, call.params)
        handler = HANDLERS.get(call.method)
        if handler is None:
            outcome = self._services[call.method](peer, params)
            if not isinstance(outcome, Awaitable):
                self._answer(peer, call, outcome, started_s)
                return
        else:
            procedure = handler(self.workspace, params, sweep)
            try:
                command = next(procedure)
            except StopIteration as done:
                self._recognise(call, params)
                self._answer(peer, call, done.value, started_s)
                return
            outcome = procedures.drive(self.workspace, procedure, command, self._reconcile)
        self._go(peer, call, params, outcome, started_s)

    def _method(self, call: Call) -> Method:
        method = methods.METHODS.get(call.method)
        self._calls.add(UNKNOWN if method is None else method.name)
        if method is None:
            known = ", ".join(methods.METHODS)
            raise MethodNotFound(
                f"no method {call.method[:64]!r}; there are: {known}", method=call.method[:64]
            )
        if self._is_stopping:
            raise _stopping()
        return method

    def _go(self, peer: Peer, call: Call, params: Params, outcome: Awaitable[Any], started_s: float) -> None:
        task = self._spawn(self._finish(peer, call, params, outcome, started_s))
        self._under_way.add(task)
        task.add_done_callback(partial(self._ended, peer, call, outcome, started_s))

    async def _finish(
        self, peer: Peer, call: Call, params: Params, outcome: Awaitable[Any], started_s: float
    ) -> None:
        try:
            result = await outcome
            self._recognise(call, params)
            self._answer(peer, call, result, started_s)
        except Exception as problem:
            self._fail(peer, call, problem, started_s)

    def _ended(
        self, peer: Peer, call: Call, outcome: Awaitable[Any], started_s: float, task: asyncio.Task[None]
    ) -> None:
        """Answer for a task that was cancelled, perhaps before it took its first step."""
        self._under_way.discard(task)
        if task.cancelled():
            if isinstance(outcome, Coroutine):
                outcome.close()
            if not call.is_answered:
                self._fail(peer, call, _stopping(), started_s)

    def _answer(self, peer: Peer, call: Call, result: Any, started_s: float) -> None:
        peer.answer(call, _encode(result))
        self._account(call, started_s)

    def _fail(self, peer: Peer, call: Call, problem: Exception, started_s: float) -> None:
        error = problem if isinstance(problem, PromptdError) else self._unforeseen(problem, call)
        self._errors.add(error.type)
        if not call.is_answered:
            peer.fail(call, error)
        self._account(call, started_s, error)

    def _unforeseen(self, problem: Exception, call: Call) -> Internal:
        self._report(problem, call.method[:64])
        return Internal(
            f"unforeseen {type(problem).__name__} in {call.method[:64]!r}; the daemon's log has more"
        )

    # -- accounts -----------------------------------------------------------------------------

    def _account(self, call: Call, started_s: float, error: PromptdError | None = None) -> None:
        elapsed_s = time.perf_counter() - started_s
        self._histogram(call.method).record(int(elapsed_s * 1e6))
        if log.is_enabled("debug"):
            self._log_call(call, elapsed_s, error)

    def _log_call(self, call: Call, elapsed_s: float, error: PromptdError | None) -> None:
        outcome = "ok" if error is None else error.type
        said = self._said(call) if error is None else _names(call)
        _log.debug("request", method=call.method[:64], outcome=outcome, ms=round(1000 * elapsed_s, 3), **said)

    def _histogram(self, method: str) -> Histogram:
        if method == "assemble":
            return self._latency_us
        if method in SCANS:
            return self._scan_latency_us
        return self._latency_us if method in HANDLERS else self._service_latency_us

    def _said(self, call: Call) -> dict[str, Any]:
        """What a log line says of a call that was answered, besides how long it took."""
        request = self._recognised.get(call.params)
        prompt = self.workspace.prompts.peek(request) if request and call.method == "assemble" else None
        return _names(call) | ({} if prompt is None else {"tokens": prompt.tokens})

    def statistics(self) -> DispatchStatistics:
        """A frozen record of the counts."""
        by_method = dict(self._calls.statistics())
        return DispatchStatistics(
            sum(by_method.values()),
            by_method,
            dict(self._errors.statistics()),
            self._latency_us.statistics(),
            self._scan_latency_us.statistics(),
            self._service_latency_us.statistics(),
            len(self._recognised),
            len(self._under_way),
        )

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return {
            "latency_us": self._latency_us,
            "scan_latency_us": self._scan_latency_us,
            "service_latency_us": self._service_latency_us,
        }


class _Named(msgspec.Struct):
    name: str | None = None
    components: list[str] | None = None


def _names(call: Call) -> dict[str, Any]:
    """The names in a call's parameters, for the log: never a value."""
    try:
        named = msgspec.json.decode(call.params or b"{}", type=_Named)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {"names": [named.name] if named.name else named.components or []}


def _stopping() -> Busy:
    return Busy("the daemon is stopping; ask again in a moment")


def _foreign(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_foreign).encode
