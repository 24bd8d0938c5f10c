"""The handler: from a turn's calls to their answers. It knows no socket and no framing.

The fast path: a call whose parameters were seen before and whose prompt is held and still true is answered in
the same turn of the event loop, from encoded bytes, with no task and no await; all calls of one turn share
one check of the source. Whatever must be read first becomes a task that drives the method's procedure. What
only a running daemon can answer (statistics, health, reload, …) is handed in as services. An exception is
the answer to the call that raised it, and to no other.
"""

import os
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import msgspec

from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.handlers import HANDLERS, encode_prompt
from promptd.engine.procedures import Effect, Procedure
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.workspace import Workspace
from promptd.errors import (
    Busy,
    Internal,
    MethodNotFound,
    PermissionDenied,
    PromptdError,
)
from promptd.protocol import methods
from promptd.protocol.calls import Call
from promptd.protocol.methods import AssembleParams, Method, Params
from promptd.protocol.peers import Peer
from promptd.server.in_progress import InProgress
from promptd.server.recognised import Recognised
from promptd.server.request_metrics import DispatchStatistics, LatencyKind, RequestMetrics, log_request
from promptd.server.shares import WORTH_COUNTING_S, Meter, TimeShares
from promptd.server.slices import Claim, Sharing
from promptd.sources.base import Check
from promptd.support import log
from promptd.support.stats import Histogram
from promptd.support.tasks import BackgroundTask, ReportError, Spawn

UNKNOWN = "(unknown)"  # what calls of methods that do not exist are counted as
SCANS = frozenset(method.name for method in methods.METHODS.values() if method.is_scan)

Service = Callable[[Peer, Any], Awaitable[Any] | Any]
SharedRescan = Callable[[Workspace], Awaitable[procedures.Reconciled]]


@dataclass(slots=True)
class Turn:
    """What the calls of one turn of the event loop share: a workspace, and one check of its source."""

    workspace: Workspace
    check: Check
    started_s: float


@dataclass(frozen=True, slots=True)
class SlowCall:
    """A call whose answer has to be waited for."""

    peer: Peer
    call: Call
    params: Params
    outcome: Awaitable[Any]
    started_s: float


class Dispatcher:
    """Answers calls; one for the whole daemon, called from the event loop only.

    `current` holds the workspace that answers; `report` is called with unforeseen errors; `reconcile` runs a
    reconcile that calls may share; `admin_uids` may administer, as may we and root; `request_time_s` is the
    most that one call may take of the processor.
    """

    def __init__(
        self,
        current: Current,
        services: Mapping[str, Service],
        spawn: Spawn,
        report: ReportError,
        reconcile: SharedRescan | None = None,
        *,
        admin_uids: Collection[int] = (),
        request_time_s: float = 10.0,
    ) -> None:
        self.on_closed: list[Callable[[Peer], None]] = []
        self._current = current
        self._services = services
        self._report = report
        self._reconcile = reconcile
        self._administrators = frozenset((0, os.geteuid(), *admin_uids))
        self._metrics = RequestMetrics()
        self._recognised = Recognised()
        self._in_progress = InProgress(spawn)
        self._sharing = Sharing(request_time_s)
        self.refusal: Busy | None = None  # of every call about the library, while memory is short
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"<Dispatcher {len(self._in_progress)} in progress>"

    @property
    def shares(self) -> TimeShares:
        """Who has had how much of the daemon's time."""
        return self._sharing.shares

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Answer, or start to answer, what arrived in one turn of the loop; see Handler."""
        started_s, workspace = time.perf_counter(), self._current.workspace
        check = workspace.source.check()
        shares, known = self._sharing.shares, dict[bytes, CachedPrompt]()
        fast: list[Call] = []
        since_s, meter, begun = started_s, Meter(), 0
        for peer, call in batch:
            if since_s > until_s:
                break
            begun += 1
            if peer.is_full:
                peer.defer(call)
                continue
            try:
                is_prompt = call.method == "assemble"
                prompt = self._known(call, workspace, check, known) if is_prompt else None
                if prompt is None:
                    self._begin(peer, call, Turn(workspace, check, started_s))
                else:
                    peer.answer(call, encode_prompt(workspace, prompt))
                    fast.append(call)
            except Exception as problem:
                self._fail(peer, call, problem, started_s)
            now_s = time.perf_counter()
            if now_s - since_s > WORTH_COUNTING_S:
                shares.charge(peer, meter.used_s())
            since_s = now_s
        if fast:
            self._account_fast(fast, started_s)
        return begun

    def closed(self, peer: Peer) -> None:
        """A peer is gone: let go of what is kept for it, and of what is being done for it."""
        for forget in self.on_closed:
            forget(peer)
        self._in_progress.drop(peer)
        self.shares.forget(peer)

    def stop(self) -> None:
        """Time is up: answer calls in progress, and all that still come, with Busy."""
        self._is_stopping = True
        self._in_progress.cancel()

    def statistics(self) -> DispatchStatistics:
        """A frozen record of the counts."""
        return self._metrics.statistics(in_progress=len(self._in_progress))

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return self._metrics.histograms()

    # -- the fast path ------------------------------------------------------------------------

    def _known(
        self, call: Call, workspace: Workspace, check: Check, known: dict[bytes, CachedPrompt]
    ) -> CachedPrompt | None:
        """The prompt if these very parameters were asked before and all its evidence still holds.

        Checked once a turn: `known` is what this turn has validated so far, by parameters.
        """
        params = call.params
        if params in known:
            workspace.used_again(known[params])
            return known[params]
        request = self._recognised.get(params)
        if request is None or self._is_stopping:
            return None
        prompt = workspace.current(request, check)
        if prompt is not None:
            known[params] = prompt
        return prompt

    def _account_fast(self, calls: Sequence[Call], started_s: float) -> None:
        """Count what was answered in this turn, once for all of it: that is when it is written, too."""
        elapsed_s = time.perf_counter() - started_s
        self._metrics.assembled(len(calls), elapsed_s)
        if log.is_enabled("debug"):
            for call in calls:
                log_request(call, elapsed_s, None, self._tokens(call))

    def _recognise(self, call: Call, params: Params) -> None:
        if not isinstance(params, AssembleParams) or params.etag is not None or params.count_use is False:
            return
        self._recognised.note(call.params, params.request)

    # -- everything else ----------------------------------------------------------------------

    def _begin(self, peer: Peer, call: Call, turn: Turn) -> None:
        """Answer a call now if nothing has to be waited for, else in a task. Raises what refuses it."""
        method = self._method(call)
        if method.right == "administer" and peer.uid not in self._administrators:
            raise _not_allowed(peer.uid, method.name)
        params = methods.decode_params(method, call.params)
        if call.method in HANDLERS:
            self._begin_procedure(peer, call, params, turn)
        else:
            self._begin_service(peer, call, params, turn)

    def _method(self, call: Call) -> Method:
        method = methods.METHODS.get(call.method)
        self._metrics.came(UNKNOWN if method is None else method.name)
        if method is None:
            known = ", ".join(methods.METHODS)
            raise MethodNotFound(
                f"no method {call.method[:64]!r}; there are: {known}", method=call.method[:64]
            )
        if self._is_stopping:
            raise _stopping()
        return method

    def _begin_procedure(self, peer: Peer, call: Call, params: Params, turn: Turn) -> None:
        if self.refusal is not None:
            raise self.refusal
        procedure = HANDLERS[call.method](turn.workspace, params, turn.check)
        try:
            effect = next(procedure)
        except StopIteration as done:
            self._recognise(call, params)
            self._answer(peer, call, done.value, turn.started_s)
        else:
            claim = self._sharing.claim(peer)
            outcome = self._drive(turn.workspace, procedure, effect, claim)
            self._wait(SlowCall(peer, call, params, outcome, turn.started_s))

    async def _drive(
        self, workspace: Workspace, procedure: Procedure[Any], effect: Effect, claim: Claim
    ) -> Any:
        try:
            return await procedures.drive(workspace, procedure, effect, self._reconcile, claim)
        finally:
            claim.leave()

    def _begin_service(self, peer: Peer, call: Call, params: Params, turn: Turn) -> None:
        outcome = self._services[call.method](peer, params)
        if isinstance(outcome, Awaitable):
            self._wait(SlowCall(peer, call, params, outcome, turn.started_s))
        else:
            self._answer(peer, call, outcome, turn.started_s)

    def _wait(self, slow: SlowCall) -> None:
        self._in_progress.begin(slow.peer, self._finish(slow), partial(self._ended, slow))

    async def _finish(self, slow: SlowCall) -> None:
        try:
            result = await slow.outcome
            self._recognise(slow.call, slow.params)
            self._answer(slow.peer, slow.call, result, slow.started_s)
        except Exception as problem:
            self._fail(slow.peer, slow.call, problem, slow.started_s)

    def _ended(self, slow: SlowCall, task: BackgroundTask) -> None:
        """Answer for a task that was cancelled, perhaps before it took its first step."""
        if task.cancelled():
            if isinstance(slow.outcome, Coroutine):
                slow.outcome.close()
            if not slow.call.is_answered and not slow.peer.is_closed:
                self._fail(slow.peer, slow.call, _stopping(), slow.started_s)

    # -- answers ------------------------------------------------------------------------------

    def _answer(self, peer: Peer, call: Call, result: Any, started_s: float) -> None:
        peer.answer(call, _encode(result))
        self._account(call, started_s)

    def _fail(self, peer: Peer, call: Call, problem: Exception, started_s: float) -> None:
        error = problem if isinstance(problem, PromptdError) else self._unforeseen(problem, call)
        _let_go_of_frames(problem)
        self._metrics.failed(error)
        if not call.is_answered:
            peer.fail(call, error)
        self._account(call, started_s, error)

    def _unforeseen(self, problem: Exception, call: Call) -> Internal:
        self._report(problem, call.method[:64])
        return Internal(
            f"unforeseen {type(problem).__name__} in {call.method[:64]!r}; the daemon's log has more"
        )

    def _account(self, call: Call, started_s: float, error: PromptdError | None = None) -> None:
        elapsed_s = time.perf_counter() - started_s
        self._metrics.took(_kind_of(call.method), elapsed_s)
        if log.is_enabled("debug"):
            log_request(call, elapsed_s, error, self._tokens(call) if error is None else None)

    def _tokens(self, call: Call) -> int | None:
        """The tokens of the prompt that answered a call, for the log."""
        request = self._recognised.get(call.params) if call.method == "assemble" else None
        cached = self._current.workspace.prompts.peek(request) if request else None
        return None if cached is None else cached.prompt.tokens


def _kind_of(method: str) -> LatencyKind:
    if method in SCANS:
        return "scan_latency_us"
    return "latency_us" if method in HANDLERS else "service_latency_us"


def _not_allowed(uid: int, method: str) -> PermissionDenied:
    return PermissionDenied(
        f"user {uid} may ask, but `{method}` needs the right to administer: the daemon's own user or root can"
        " give it with `serve.admin_uids`",
        uid=uid,
        method=method,
        right="administer",
    )


def _let_go_of_frames(error: BaseException) -> None:
    """The frames that an error went through hold what it was raised about, and by that themselves."""
    error.__traceback__ = error.__context__ = error.__cause__ = None


def _stopping() -> Busy:
    return Busy("the daemon is stopping; ask again in a moment")


def _foreign(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_foreign).encode
