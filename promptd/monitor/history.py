"""History: one line of JSON a minute in `history.jsonl`, and at most two files of a fixed size.

A line holds the figures of the minute before it, null without data. When the file reaches its maximum size
it is rotated to `history.jsonl.1`: at 60 s and 4 MB each file holds six days. A line is one `write` to a file
opened for appending; `read` skips a line that a crash cut short. Blocking: call from a thread.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from promptd.monitor.measures import at
from promptd.support.own_files import open_own, own_directory, read_regular

FILE_NAME = "history.jsonl"
MAX_READ_BYTES = 1 << 30  # a reader takes it in whole
SCHEMA_VERSION = 2  # 2: money_saved became cost_saved

# Key of a line, and its path in a snapshot; "1m." is the window of the last minute.
FIELDS: Mapping[str, str] = {
    "time_unix_s": "time_unix_s",
    "uptime_s": "uptime_s",
    "status": "status",
    "score": "health.score",
    "grade": "health.grade",
    "requests_per_s": "windows.1m.requests_per_s",
    "errors": "windows.1m.errors",
    "p50_ms": "windows.1m.latency_ms.p50",
    "p95_ms": "windows.1m.latency_ms.p95",
    "p99_ms": "windows.1m.latency_ms.p99",
    "load_p95_ms": "windows.1m.load_ms.p95",
    "loop_lag_p99_ms": "windows.1m.loop_lag_ms.p99",
    "change_to_warm_p95_ms": "windows.1m.change_to_warm_ms.p95",
    "hit_ratio": "windows.1m.hit_ratio.served",
    "reduction": "windows.1m.reduction",
    "tokens_served": "windows.1m.tokens_served",
    "tokens_saved": "windows.1m.tokens_saved",
    "cost_saved": "windows.1m.cost_saved",
    "memory_bytes": "process.rss_bytes",
    "cpu_percent": "windows.1m.cpu_percent",
    "descriptors": "process.open_descriptors",
    "components": "library.components",
    "edges": "library.edges",
}


def line_of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The line for a snapshot."""
    line = {name: _value(snapshot, path) for name, path in FIELDS.items()}
    active = at(snapshot, "alerts.active") or ()
    alerts = [f"{alert['rule']}:{alert['severity']}" for alert in active]
    return {"schema_version": SCHEMA_VERSION, **line, "alerts": alerts}


def _value(snapshot: Mapping[str, Any], path: str) -> Any:
    """A value; None for a percentile of no observations."""
    distribution, _, member = path.rpartition(".")
    if member in ("p50", "p95", "p99") and not at(snapshot, f"{distribution}.count"):
        return None
    return at(snapshot, path)


class History:
    """Appends to `directory/history.jsonl`; `max_bytes` bounds each of the two files."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.path = directory / FILE_NAME
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"<History {self.path}>"

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one line, rotating the file if it is full. Raises OSError."""
        data = msgspec.json.encode(line) + b"\n"
        with own_directory(self.path.parent) as directory:
            if self._size(directory) + len(data) > self.max_bytes:
                older = _older(self.path).name
                os.replace(self.path.name, older, src_dir_fd=directory, dst_dir_fd=directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            descriptor = open_own(directory, self.path.name, flags, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def _size(self, directory: int) -> int:
        try:
            return os.stat(self.path.name, dir_fd=directory, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0


def read(directory: Path) -> list[dict[str, Any]]:
    """Every complete line, oldest first; an empty list without files. Raises OSError, ValueError."""
    path = directory / FILE_NAME
    return [line for each in (_older(path), path) for line in _lines(each)]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = read_regular(path, MAX_READ_BYTES)
    except FileNotFoundError:
        return
    for raw in data.split(b"\n"):
        try:
            line = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            continue
        if isinstance(line, dict):
            yield line


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
