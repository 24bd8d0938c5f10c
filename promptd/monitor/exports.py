"""What is written beside health.json: the history, and the metrics for node_exporter's textfile collector.

Both take a snapshot that was taken, in a thread; a failure (OSError) is the snapshot's to count.
"""

import contextlib
from pathlib import Path

from promptd.monitor import metrics
from promptd.monitor.history import History, line_of
from promptd.monitor.observatory import Findings
from promptd.monitor.snapshot import Taken
from promptd.support.atomic import write_atomic

METRICS_NAME = "metrics.prom"


class HistoryWriter:
    """Keeps a line each `interval_s`, by the clock of the samples, and one at the end."""

    def __init__(self, history: History, interval_s: float) -> None:
        self.history = history
        self.interval_s = interval_s
        self._kept_s = 0.0  # the first interval has to pass

    def __repr__(self) -> str:
        return f"<HistoryWriter {self.history!r} each {self.interval_s:g} s>"

    def __call__(self, taken: Taken) -> None:
        """Keep this one if it is due."""
        now_s = taken.sample.uptime_s
        if taken.is_last or now_s - self._kept_s >= self.interval_s:
            self.history.append(line_of(taken.document))
            self._kept_s = now_s


class MetricsWriter:
    """Keeps `directory/metrics.prom`; at the end it goes, or a dead daemon would be scraped for ever."""

    def __init__(self, directory: Path, version: str) -> None:
        self.path = directory / METRICS_NAME
        self._version = version

    def __repr__(self) -> str:
        return f"<MetricsWriter {self.path}>"

    def __call__(self, taken: Taken) -> None:
        """Replace the file."""
        if taken.is_last:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
        elif isinstance(taken.found, Findings):
            text = metrics.exposition(taken.sample, taken.found, self._version)
            write_atomic(self.path, text.encode())
