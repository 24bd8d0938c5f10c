"""Lanes: threads for costly work beside the event loop, shared fairly, each piece of work with a deadline.

Who waits is served in the order of `shares`: whoever had least of the daemon's time is next. Work whose
client has hung up is dropped. A thread gives the interpreter to the event loop within SWITCH_S whenever
Python code runs in it, and at once while it counts tokens. Work that is not done at its deadline is ended
with TooExpensive: the exception is raised in its thread, between two of its instructions (decision 0122).
"""

import asyncio
import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from promptd.errors import TooExpensive
from promptd.protocol.peers import Peer
from promptd.server.shares import Meter, Queues, TimeShares

LANES = 2
SWITCH_S = 0.001  # how soon a thread gives the interpreter to the event loop; CPython's own 5 ms add up
_JUMPS = 10_000  # one of them is where an exception for this thread is raised
Done = TypeVar("Done")


@dataclass(slots=True, eq=False)
class _Job:
    """Work for one peer: `thread` is where it is being done, 0 before and afterwards."""

    peer: Peer
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: int = 0
    took_s: float = 0.0
    is_overdue: bool = False


class Lanes:
    """Runs work for peers; used from one event loop. `deadline_s` is `serve.request_time`."""

    def __init__(self, shares: TimeShares, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._shares = shares
        self._pool = ThreadPoolExecutor(LANES, thread_name_prefix="promptd-lane")
        self._waiting: Queues[_Job] = Queues(shares)
        self._running: set[_Job] = set()
        sys.setswitchinterval(SWITCH_S)

    def __repr__(self) -> str:
        return f"<Lanes, {len(self._running)} of {LANES} in use, {len(self._waiting)} waiting>"

    async def run(self, peer: Peer, work: Callable[[], Done]) -> Done:
        """The outcome of work. Raises what it raises, or TooExpensive at the deadline."""
        loop = asyncio.get_running_loop()
        job = _Job(peer, work, loop.create_future())
        self._waiting.put(peer, job)
        self._next(loop)
        try:
            return await job.done  # type: ignore[no-any-return]
        finally:
            self._drop(job)

    def close(self) -> None:
        """Begin no more work; what is being done is let go of."""
        for job in self._waiting:
            job.done.cancel()
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and len(self._running) < LANES:
            job = self._waiting.take()
            self._running.add(job)
            overdue = loop.call_later(self.deadline_s, self._interrupt, job)
            self._pool.submit(_do, job).add_done_callback(partial(_tell, loop, self._ended, job, overdue))

    def _ended(self, job: _Job, overdue: asyncio.TimerHandle, outcome: Any) -> None:
        overdue.cancel()
        self._running.discard(job)
        self._shares.charge(job.peer, job.took_s)
        if not job.done.done():
            if (error := outcome.exception()) is None:
                job.done.set_result(outcome.result())
            else:
                job.done.set_exception(self.too_expensive() if job.is_overdue else error)
        self._next(job.done.get_loop())

    def _interrupt(self, job: _Job) -> None:
        with job.lock:
            if job.thread and not job.is_overdue:
                job.is_overdue = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(job.thread), ctypes.py_object(_Overdue)
                )

    def _drop(self, job: _Job) -> None:
        """The caller waits no longer: perhaps it was answered, perhaps its client is gone."""
        if not self._waiting.discard(job.peer, job) and job in self._running and job.done.cancelled():
            self._interrupt(job)

    def too_expensive(self) -> TooExpensive:
        """The error for what was not done in time."""
        return TooExpensive(
            f"not done after {self.deadline_s:g} s of work (serve.request_time): ask for less at once",
            limit="serve.request_time",
            seconds=self.deadline_s,
        )


class _Overdue(BaseException):
    """Raised in a lane's thread to end the work there; no handler of ordinary errors may swallow it."""


def _do(job: _Job) -> Any:
    """Do the work; when this is over nothing can be raised in this thread any more."""
    meter = Meter()
    with job.lock:
        job.thread = threading.get_ident()
    try:
        return job.work()
    finally:
        with job.lock:
            job.thread = 0
        job.took_s = meter.used_s()
        if job.is_overdue:
            _absorb()


def _absorb() -> None:
    """Wait until what is to be raised in this thread has been; at once if it was raised before.

    To take it back would leave CPython looking for it at every jump, for ever (3.11 hangs when traced then).
    """
    with contextlib.suppress(_Overdue):
        for _ in range(_JUMPS):
            pass


def _tell(loop: asyncio.AbstractEventLoop, *what: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(*what)
