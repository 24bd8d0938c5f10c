"""The monitor inside a daemon: samples, what is concluded from them, and where alerts go.

Composition only: builds the parts of promptd.monitor, gives them the directory, the intervals and the
figures of this daemon, and connects alerts with the log, the subscribers and the operator's command.
"""

import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from promptd import __version__
from promptd.config import Config
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.exports import HistoryWriter, MetricsWriter
from promptd.monitor.history import History
from promptd.monitor.lag import LoopLag
from promptd.monitor.sampler import Sampler, StatisticsSource
from promptd.monitor.sinks import CommandSink, log_event
from promptd.monitor.snapshot import ProcessInfo, Snapshots
from promptd.server.alert_feed import AlertFeed
from promptd.support.locks import StateLock
from promptd.support.stats import Histogram
from promptd.support.tasks import Spawn


class Monitoring:
    """Measures the daemon that gives it `sources` and `histograms`; writes to the directory of `lock`."""

    def __init__(
        self,
        config: Config,
        lock: StateLock,
        spawn: Spawn,
        sources: Mapping[str, StatisticsSource],
        histograms: Callable[[], Mapping[str, Histogram]],
    ) -> None:
        self._config = config
        self.lag = LoopLag()
        self.evaluator = HealthEvaluator(config)
        self.alert_feed = AlertFeed()
        self.alert_command = CommandSink(self._alert_command, spawn)
        self.evaluator.add_listeners(log_event, self.alert_feed.send, self.alert_command)
        monitor = config.monitor
        self.history = HistoryWriter(History(lock.directory, monitor.history_size), monitor.history_interval)
        self.snapshots = Snapshots(
            lock,
            Sampler(sources, histograms=histograms),
            ProcessInfo(version=__version__, pid=os.getpid()),
            evaluate=self.evaluator.evaluate,
            exports=(self.history, MetricsWriter(lock.directory, __version__)),
            interval_s=monitor.snapshot_interval,
        )

    def __repr__(self) -> str:
        return f"<Monitoring {self.snapshots!r}>"

    def configure(self, config: Config) -> None:
        """Judge, and write, by this configuration from now on; what was measured stays."""
        self._config = config
        self.evaluator.configure(config)
        self.snapshots.interval_s = config.monitor.snapshot_interval
        self.history.interval_s = config.monitor.history_interval
        self.history.history.max_bytes = config.monitor.history_size

    def loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What has to run while the daemon serves, at the configured intervals."""
        yield self.snapshots.run()
        yield self.snapshots.observe_every(self._config.monitor.sample_interval)
        yield self.lag.run()

    def _alert_command(self) -> tuple[Sequence[str], float]:
        return self._config.alerts.command, self._config.alerts.command_timeout
