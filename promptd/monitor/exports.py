"""The files written with each snapshot: the history, and metrics for node_exporter's textfile collector.

Both are called with a Snapshot, in a thread; `Snapshots` counts their failures (OSError).
"""

import contextlib
import os
from pathlib import Path

from promptd.monitor import metrics
from promptd.monitor.evaluator import Evaluation
from promptd.monitor.history import History, line_of
from promptd.monitor.snapshot import Snapshot
from promptd.support.atomic import write_atomic
from promptd.support.own_files import own_directory

METRICS_NAME = "metrics.prom"


class HistoryWriter:
    """Appends a line each `interval_s`, by the clock of the samples, and one at the end."""

    def __init__(self, history: History, interval_s: float) -> None:
        self.history = history
        self.interval_s = interval_s
        self._kept_s = 0.0  # the first interval has to pass

    def __repr__(self) -> str:
        return f"<HistoryWriter {self.history!r} each {self.interval_s:g} s>"

    def __call__(self, snapshot: Snapshot) -> None:
        """Append a line if one is due."""
        now_s = snapshot.sample.uptime_s
        if snapshot.is_last or now_s - self._kept_s >= self.interval_s:
            self.history.append(line_of(snapshot.document))
            self._kept_s = now_s


class MetricsWriter:
    """Writes `directory/metrics.prom`; removed at the end, or a dead daemon would be scraped for ever."""

    def __init__(self, directory: Path, version: str) -> None:
        self.path = directory / METRICS_NAME
        self._version = version

    def __repr__(self) -> str:
        return f"<MetricsWriter {self.path}>"

    def __call__(self, snapshot: Snapshot) -> None:
        """Replace the file."""
        if snapshot.is_last:
            with contextlib.suppress(FileNotFoundError), own_directory(self.path.parent) as directory:
                os.unlink(self.path.name, dir_fd=directory)
        elif isinstance(snapshot.evaluation, Evaluation):
            text = metrics.exposition(snapshot.sample, snapshot.evaluation, self._version)
            write_atomic(self.path, text.encode())
