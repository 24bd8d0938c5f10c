"""What only a running daemon can say: which process it is, how it is, what it counts.

Two tables, both of callables and both asked anew each time, since a reload exchanges the workspace: the
services that answer the wire methods which need no procedure, and the sources of the monitor's figures.
Nothing is decided here.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from promptd import __version__
from promptd import config as configuration
from promptd.config import Config
from promptd.core.library.graph import GraphStatistics
from promptd.daemon.parts import DaemonParts
from promptd.daemon.single_flight import SingleFlight
from promptd.daemon.status import MAX_PROBLEMS
from promptd.engine.workspace import Workspace
from promptd.monitor import metrics
from promptd.monitor.evaluator import Evaluation
from promptd.protocol.describe import describe
from promptd.protocol.methods import PROTOCOL, AlertsParams
from promptd.protocol.peers import Peer
from promptd.protocol.replies import (
    AlertsReply,
    ConfigurationReply,
    MetricsReply,
    PingReply,
    ReloadReply,
    VersionReply,
)
from promptd.server.dispatch import Service
from promptd.server.peer import Limits
from promptd.support import log
from promptd.support.stats import Histogram
from promptd.support.tasks import Spawn

LIMIT_KEYS = (
    "max_connections",
    "max_connections_per_uid",
    "max_in_flight",
    "max_request_bytes",
    "max_reply_bytes",
    "max_json_depth",
    "client_memory",
    "first_byte_timeout",
    "request_timeout",
    "write_timeout",
)
SHOWN = 10  # of the hottest


def services_of(parts: DaemonParts, spawn: Spawn) -> dict[str, Service]:
    """The answers to the methods that `methods.METHODS` has no procedure for, by name.

    Who asks for the same figures at the same time gets the same: one sample that was taken after all asked.
    """
    health = SingleFlight(lambda: _health(parts), spawn)
    exposition = SingleFlight(lambda: _metrics(parts), spawn)
    shown = _Encoded(lambda config: ConfigurationReply(configuration.render(config)))
    described = _Encoded(lambda config: describe(_shown(limits_of(config))))
    return {
        "subscribe": lambda peer, params: parts.subscriptions.subscribe(peer, params),
        "unsubscribe": lambda peer, params: parts.subscriptions.unsubscribe(peer, params),
        "statistics": lambda _peer, _params: statistics_of(parts),
        "health": lambda _peer, _params: health.join(),
        "metrics": lambda _peer, _params: exposition.join(),
        "configuration": lambda _peer, _params: shown.of(parts.run.config),
        "alerts": lambda peer, params: _alerts(parts, peer, params),
        "reload": lambda _peer, _params: _reload(parts),
        "ping": lambda _peer, _params: (
            _pong(parts) if parts.run.is_ready.is_set() else _pong_when_ready(parts)
        ),
        "version": lambda _peer, _params: _version(),
        "describe": lambda _peer, _params: described.of(parts.run.config),
    }


class _Encoded:
    """An answer that follows from the configuration alone: made and encoded once for each."""

    def __init__(self, make: Callable[[Config], Any]) -> None:
        self._make = make
        self._made: tuple[Config, msgspec.Raw] | None = None

    def of(self, config: Config) -> msgspec.Raw:
        """The answer as JSON."""
        if self._made is None or self._made[0] is not config:
            self._made = config, msgspec.Raw(msgspec.json.encode(self._make(config)))
        return self._made[1]


async def _health(parts: DaemonParts) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(await parts.monitoring.snapshots.take()))


def _pong(parts: DaemonParts) -> PingReply:
    return PingReply(True, os.getpid(), parts.run.uptime_s)


async def _pong_when_ready(parts: DaemonParts) -> PingReply:
    """A ping that comes while the library is being read is answered when all of it has been read."""
    await parts.run.is_ready.wait()
    return _pong(parts)


def _alerts(parts: DaemonParts, peer: Peer, params: AlertsParams) -> AlertsReply:
    is_told = parts.monitoring.alert_feed.switch(peer, params.subscribe)
    return AlertsReply(subscribed=is_told, **msgspec.structs.asdict(parts.monitoring.evaluator.alerts.view()))


async def _reload(parts: DaemonParts) -> ReloadReply:
    return ReloadReply(**await parts.reload())


async def _metrics(parts: DaemonParts) -> msgspec.Raw:
    snapshot = await parts.monitoring.snapshots.snapshot()
    assert isinstance(snapshot.evaluation, Evaluation)
    text = await asyncio.to_thread(metrics.exposition, snapshot.sample, snapshot.evaluation, __version__)
    return msgspec.Raw(msgspec.json.encode(MetricsReply(metrics.content_type(), text)))


def sources_of(parts: DaemonParts) -> dict[str, Callable[[], Any]]:
    """Where the monitor pulls its figures from: a frozen record for each part, by its name."""
    current = parts.current
    return {
        "library": lambda: current.workspace.library.statistics(),
        "cache": lambda: current.workspace.statistics(),
        "graph": lambda: graph_of(current.workspace),
        "loader": lambda: current.workspace.loader.statistics(),
        "tokens": lambda: current.workspace.segments.statistics(),
        "savings": lambda: current.workspace.savings(),
        "hot_set": lambda: current.workspace.hot.statistics(),
        "watcher": lambda: parts.maintenance.follower.statistics(),
        "prompts": lambda: popular_of(current.workspace),
        "components": lambda: hottest_of(current.workspace),
        "maintenance": lambda: parts.maintenance.statistics(),
        "requests": lambda: parts.dispatcher.statistics(),
        "connections": lambda: parts.listener.statistics() if parts.listener else None,
        "subscriptions": lambda: parts.subscriptions.statistics(),
        "alert_command": lambda: parts.monitoring.alert_command.statistics(),
        "snapshots": lambda: parts.monitoring.snapshots.statistics(),
        "log": log.statistics,
        "problems": lambda: problems_of(parts),
    }


def histograms_of(parts: DaemonParts) -> dict[str, Histogram]:
    """What grows in every part, for the monitor to copy: its windows are the differences."""
    return {
        **parts.dispatcher.histograms(),
        **parts.maintenance.histograms(),
        **parts.current.workspace.loader.histograms(),
        "loop_lag_us": parts.monitoring.lag.lag_us,
    }


def graph_of(workspace: Workspace) -> GraphStatistics:
    """The graph of what is listed: the very counts of `library`."""
    counts = workspace.library.statistics()
    return GraphStatistics(counts.components, counts.edges, counts.cyclic)


def popular_of(workspace: Workspace) -> dict[str, Any]:
    """The prompts that are asked for most, and those that cost most tokens in all."""
    popular = workspace.optimiser.popular
    return {
        "tracked": popular.statistics().tracked,
        "hottest": popular.hottest(SHOWN),
        "most_expensive": popular.most_expensive(SHOWN),
    }


def hottest_of(workspace: Workspace) -> dict[str, Any]:
    """The components of the hot set's head, with how many others need them."""
    return {
        "hottest": [
            {"id": id, "weight": round(weight, 3), "dependents": workspace.library.count_dependents(id)}
            for id, weight in workspace.hot.heaviest(SHOWN, time.time())
        ]
    }


def statistics_of(parts: DaemonParts) -> dict[str, Any]:
    """What every part counts right now, by its name."""
    return {name: source() for name, source in sources_of(parts).items()}


def problems_of(parts: DaemonParts) -> list[str]:
    """What makes the daemon degraded, one sentence each; of many the first, and how many more."""
    found = [parts.run.config_error] if parts.run.config_error else []
    unwritten = parts.monitoring.snapshots.statistics().last_error
    found += [f"health.json is not written: {unwritten}"] if unwritten else []
    found += [*parts.maintenance.saved.problems(), *parts.current.workspace.scanned.problems]
    more = len(found) - MAX_PROBLEMS
    return [*found[:MAX_PROBLEMS], f"and {more} more"] if more > 0 else found


def _version() -> VersionReply:
    return VersionReply(__version__, PROTOCOL, platform.python_version(), os.getpid())


def limits_of(config: Config) -> Limits:
    """The listener's limits as configured."""
    return Limits(**{key: getattr(config.serve, key) for key in LIMIT_KEYS})


def memory_max(config: Config) -> int:
    """`serve.memory_max` in bytes: by default twice what the daemon is meant to use."""
    return config.serve.memory_max or 2 * config.targets.memory_bytes_max or sys.maxsize


def _shown(limits: Limits) -> dict[str, int | float]:
    return {key: getattr(limits, key) for key in LIMIT_KEYS}
