"""What only a running daemon can say: who it is, how it is, what it counts, what it was told to change.

Two tables, both of callables and both asked anew each time, since a reload exchanges the workspace: the
services that answer the wire's methods without a procedure, and what the monitor pulls its figures from.
Nothing is decided here.
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from promptd import __version__
from promptd import config as configuration
from promptd.config import Config
from promptd.daemon.maintenance import Upkeep
from promptd.engine.workspace import Workspace
from promptd.monitor import metrics
from promptd.monitor.lag import LoopLag
from promptd.monitor.observatory import Findings, Observatory
from promptd.monitor.sinks import CommandSink
from promptd.monitor.snapshot import Snapshots
from promptd.protocol import methods
from promptd.protocol.methods import AlertsParams
from promptd.protocol.peers import Peer
from promptd.server.alert_feed import AlertFeed
from promptd.server.dispatch import Dispatcher, Service
from promptd.server.listener import Listener
from promptd.server.peer import Limits
from promptd.server.subscriptions import Subscriptions
from promptd.support import log
from promptd.support.stats import Histogram

LIMIT_KEYS = (
    "max_connections",
    "max_connections_per_uid",
    "max_in_flight",
    "max_request_bytes",
    "max_reply_bytes",
    "max_json_depth",
    "first_byte_s",
    "frame_s",
    "stall_s",
)
SHOWN = 10  # of the hottest
MAX_PROBLEMS = 20  # a page of them; an unreadable tree has thousands


class DaemonParts(Protocol):
    """The parts of a daemon that have something to say."""

    config: Config
    config_error: str
    workspace: Workspace
    handler: Dispatcher
    subscriptions: Subscriptions
    lag: LoopLag
    observatory: Observatory
    alert_feed: AlertFeed
    alert_command: CommandSink
    upkeep: Upkeep
    snapshots: Snapshots
    listener: Listener | None
    is_ready: asyncio.Event

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to start."""

    async def reload(self) -> dict[str, Any]:
        """Take over the configuration as it is now."""


def services_of(rooms: DaemonParts) -> dict[str, Service]:
    """The answers to the methods that `methods.METHODS` has no procedure for, by name."""
    return {
        "subscribe": lambda peer, params: rooms.subscriptions.subscribe(peer, params),
        "unsubscribe": lambda peer, params: rooms.subscriptions.unsubscribe(peer, params),
        "statistics": lambda _peer, _params: statistics_of(rooms),
        "health": lambda _peer, _params: rooms.snapshots.take(),
        "metrics": lambda _peer, _params: _metrics(rooms),
        "configuration": lambda _peer, _params: {"toml": configuration.render(rooms.config)},
        "alerts": lambda peer, params: _alerts(rooms, peer, params),
        "reload": lambda _peer, _params: rooms.reload(),
        "ping": lambda _peer, _params: _pong(rooms) if rooms.is_ready.is_set() else _pong_when_ready(rooms),
        "version": lambda _peer, _params: _version(),
        "describe": lambda _peer, _params: methods.describe(_shown(limits_of(rooms.config))),
    }


def _pong(rooms: DaemonParts) -> dict[str, Any]:
    return {"pong": True, "pid": os.getpid(), "uptime_s": rooms.uptime_s}


async def _pong_when_ready(rooms: DaemonParts) -> dict[str, Any]:
    """Who pings while the library is being read waits until it is whole."""
    await rooms.is_ready.wait()
    return _pong(rooms)


def _alerts(rooms: DaemonParts, peer: Peer, params: AlertsParams) -> dict[str, Any]:
    is_told = rooms.alert_feed.switch(peer, params.subscribe)
    view: dict[str, Any] = msgspec.to_builtins(rooms.observatory.alerts.view())
    return view | {"subscribed": is_told}


async def _metrics(rooms: DaemonParts) -> dict[str, Any]:
    taken = await rooms.snapshots.taken()
    assert isinstance(taken.found, Findings)
    text = await asyncio.to_thread(metrics.exposition, taken.sample, taken.found, __version__)
    return {"content_type": metrics.content_type(), "text": text}


def sources_of(rooms: DaemonParts) -> dict[str, Callable[[], Any]]:
    """Where the monitor pulls its figures from: a frozen record a room."""
    return {
        "library": lambda: rooms.workspace.library.statistics(),
        "cache": lambda: rooms.workspace.statistics(),
        "graph": lambda: rooms.workspace.library.graph.statistics(),
        "loader": lambda: rooms.workspace.loader.statistics(),
        "tokens": lambda: rooms.workspace.segments.statistics(),
        "savings": lambda: rooms.workspace.savings(),
        "hot_set": lambda: rooms.workspace.hot.statistics(),
        "watcher": lambda: rooms.upkeep.watcher_statistics(),
        "prompts": lambda: popular_of(rooms.workspace),
        "components": lambda: hottest_of(rooms.workspace),
        "upkeep": lambda: rooms.upkeep.statistics(),
        "requests": lambda: rooms.handler.statistics(),
        "connections": lambda: rooms.listener.statistics() if rooms.listener else None,
        "subscriptions": lambda: rooms.subscriptions.statistics(),
        "alert_command": lambda: rooms.alert_command.statistics(),
        "snapshots": lambda: rooms.snapshots.statistics(),
        "log": log.statistics,
        "problems": lambda: problems_of(rooms),
    }


def histograms_of(rooms: DaemonParts) -> dict[str, Histogram]:
    """What grows in every room, for the monitor to copy: its windows are the differences."""
    handler, upkeep, loader = rooms.handler.histograms(), rooms.upkeep.histograms(), rooms.workspace.loader
    return {**handler, **upkeep, **loader.histograms(), "loop_lag_us": rooms.lag.lag_us}


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
            {"id": id, "weight": round(weight, 3), "dependents": workspace.library.graph.count_dependents(id)}
            for id, weight in workspace.hot.heaviest(SHOWN, time.time())
        ]
    }


def statistics_of(rooms: DaemonParts) -> dict[str, Any]:
    """What every room counts right now, by room."""
    return {name: source() for name, source in sources_of(rooms).items()}


def problems_of(rooms: DaemonParts) -> list[str]:
    """What keeps the daemon from being well, one sentence each; of many the first, and how many more."""
    found = [rooms.config_error] if rooms.config_error else []
    unwritten = rooms.snapshots.statistics().last_error
    found += [f"health.json is not written: {unwritten}"] if unwritten else []
    found += [*rooms.upkeep.problems(), *rooms.workspace.problems]
    more = len(found) - MAX_PROBLEMS
    return [*found[:MAX_PROBLEMS], f"and {more} more"] if more > 0 else found


def _version() -> dict[str, Any]:
    return {
        "version": __version__,
        "protocol": methods.PROTOCOL,
        "python": platform.python_version(),
        "pid": os.getpid(),
    }


def limits_of(config: Config) -> Limits:
    """The listener's limits as configured."""
    return Limits(**{key: getattr(config.serve, key) for key in LIMIT_KEYS})


def _shown(limits: Limits) -> dict[str, int | float]:
    return {key: getattr(limits, key) for key in LIMIT_KEYS}
