"""What is counted of requests: how many by method, errors by type, latencies by kind; and their log line.

Counting only: which kind of latency a method belongs to, and what time it is, the dispatcher knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from promptd.errors import PromptdError
from promptd.protocol.calls import Call
from promptd.support import log
from promptd.support.stats import Counters, Distribution, Histogram

LatencyKind = Literal["latency_us", "scan_latency_us", "service_latency_us"]
_SHOWN = 64  # characters of a method's name

_log = log.get_logger("promptd.server")


@dataclass(frozen=True, slots=True)
class DispatchStatistics:
    """Calls that came, by method, errors by type, and calls in progress; latencies from arrival to answer.

    `latency_us` is of calls that concern single components (`assemble` above all), `scan_latency_us` of
    those that look at the whole library, `service_latency_us` of those about the daemon itself.
    `fast_path_requests` are those whose parameters were not decoded again.
    """

    requests: int
    by_method: Mapping[str, int]
    errors: Mapping[str, int]
    latency_us: Distribution
    scan_latency_us: Distribution
    service_latency_us: Distribution
    fast_path_requests: int
    in_progress: int


class RequestMetrics:
    """Counts and latencies of all requests since the start."""

    def __init__(self) -> None:
        self._fast_path_requests = 0
        self._requests = Counters()
        self._errors = Counters()
        self._latency_us = Histogram()
        self._latencies: dict[str, Histogram] = {
            "latency_us": self._latency_us,
            "scan_latency_us": Histogram(),
            "service_latency_us": Histogram(),
        }

    def __repr__(self) -> str:
        return f"<RequestMetrics of {sum(dict(self._requests.statistics()).values())} requests>"

    def came(self, method: str) -> None:
        """A request for a method arrived."""
        self._requests.add(method)

    def failed(self, error: PromptdError) -> None:
        """A request is answered with an error."""
        self._errors.add(error.type)

    def took(self, kind: LatencyKind, elapsed_s: float) -> None:
        """A request is answered, so long after it arrived."""
        self._latencies[kind].record(int(elapsed_s * 1e6))

    def assembled(self, count: int, elapsed_s: float) -> None:
        """As `came` and `took` for that many calls of `assemble` on the fast path: it runs for each turn."""
        self._fast_path_requests += count
        self._requests.add("assemble", count)
        self._latency_us.record(int(elapsed_s * 1e6), count)

    def statistics(self, *, in_progress: int) -> DispatchStatistics:
        """A frozen record of the counts, with the one that the dispatcher holds."""
        by_method = dict(self._requests.statistics())
        return DispatchStatistics(
            requests=sum(by_method.values()),
            by_method=by_method,
            errors=dict(self._errors.statistics()),
            latency_us=self._latencies["latency_us"].statistics(),
            scan_latency_us=self._latencies["scan_latency_us"].statistics(),
            service_latency_us=self._latencies["service_latency_us"].statistics(),
            fast_path_requests=self._fast_path_requests,
            in_progress=in_progress,
        )

    def histograms(self) -> dict[str, Histogram]:
        """The live histograms by name; only to be copied."""
        return dict(self._latencies)


class _Named(msgspec.Struct):
    name: str | None = None
    components: list[str] | None = None


def log_request(call: Call, elapsed_s: float, error: PromptdError | None, tokens: int | None) -> None:
    """One line at debug: what was asked for, how it ended, how long it took; never a value or a text."""
    outcome = "ok" if error is None else error.type
    counted = {} if tokens is None else {"tokens": tokens}
    _log.debug(
        "request",
        method=call.method[:_SHOWN],
        outcome=outcome,
        ms=round(1000 * elapsed_s, 3),
        **_names(call),
        **counted,
    )


def _names(call: Call) -> dict[str, Any]:
    """The names in a call's parameters, for the log: never a value."""
    try:
        named = msgspec.json.decode(call.params or b"{}", type=_Named)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {"names": [named.name] if named.name else named.components or []}
