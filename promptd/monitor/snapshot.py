"""The health snapshot: one JSON document with the daemon's health, for programs and for people.

`build` is pure and makes it from a Sample: keys in a fixed order, units in their names, no prompt text.
`Snapshots` writes it to `health.json` at an interval and once more at the end, atomically. It is valid until
`valid_until_unix_s`; after that the daemon is dead or stuck. When it cannot be written (a full disk) the last
file stays, the failure is counted and logged once, and the daemon continues.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from promptd.monitor.sampler import FailedSource, Sample, Sampler
from promptd.support import log
from promptd.support.atomic import discard_leftovers, write_atomic
from promptd.support.locks import StateLock

SCHEMA_VERSION = 2  # raised when a member is removed, renamed or means something else; see schema.py
FILE_NAME = "health.json"
VALID_INTERVALS = 3  # two snapshots may be late or lost before the daemon counts as dead
HEALTHY_WATCHER_MODES = ("inotify", "inotify+scan", "scan", "off")
PROBLEMS = "problems"  # the source of this name returns sentences, not a section

NOTHING: Mapping[str, Any] = {}
_log = log.get_logger("promptd.monitor")


class HasSections(Protocol):
    """The evaluation of a sample, as far as a snapshot needs it."""

    def sections(self) -> Mapping[str, Any]:
        """Its sections of the snapshot, by name."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One health snapshot (`document`) with the sample and the evaluation it was built from."""

    sample: Sample
    evaluation: HasSections | None
    document: dict[str, Any]
    is_last: bool


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What identifies this process: fixed while it runs."""

    version: str
    pid: int


def build(
    sample: Sample,
    process: ProcessInfo,
    *,
    valid_for_s: float,
    is_last: bool = False,
    evaluated: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """The snapshot as plain values, ready for JSON.

    `status` is "ok", "degraded" with its reasons in `problems`, or "stopped" in the last one. Each source
    has a section of its name; `requests` for example has counts and `latency_ms`. `evaluated` are the
    sections of the evaluation.
    """
    problems = list(_problems(sample))
    status = "degraded" if problems else "ok"
    sections = {name: _plain(record) for name, record in sample.sections.items() if name != PROBLEMS}
    return {
        "schema_version": SCHEMA_VERSION,
        "time": _iso(sample.taken_unix_s),
        "time_unix_s": sample.taken_unix_s,
        "valid_until_unix_s": sample.taken_unix_s + valid_for_s,
        "uptime_s": sample.uptime_s,
        "pid": process.pid,
        "version": process.version,
        "status": "stopped" if is_last else status,
        "problems": problems,
        **{name: msgspec.to_builtins(found) for name, found in evaluated.items()},
        **sections,
        "process": _plain(sample.process),
    }


def encode(snapshot: Mapping[str, Any]) -> bytes:
    """JSON, indented for people, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=2) + b"\n"


def _problems(sample: Sample) -> Iterator[str]:
    """Why the status is not "ok", one sentence each."""
    for name, record in sample.sections.items():
        if isinstance(record, FailedSource):
            yield f"statistics of {name} failed: {record.error}"
        elif name == PROBLEMS:
            yield from record
    mode = getattr(sample.sections.get("watcher"), "mode", None)
    if isinstance(mode, str) and mode not in HEALTHY_WATCHER_MODES:
        yield f"watcher mode is {mode!r}: changes are found only by the periodic rescan or by a request"


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- from frozen records to plain values ------------------------------------------------------


def _plain(record: Any) -> Any:
    """Records, mappings and sets as plain values: sets and mappings sorted, fields in declared order."""
    return _tidy(msgspec.to_builtins(record, order="deterministic", enc_hook=_foreign))


def _foreign(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _tidy(value: Any) -> Any:
    """Convert distributions from µs to ms, add their mean, and add a hit ratio to hits and misses."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidied = dict(_tidy_item(name, item) for name, item in value.items())
    if {"hits", "misses"} <= tidied.keys():
        lookups = tidied["hits"] + tidied["misses"]
        tidied["hit_ratio"] = tidied["hits"] / lookups if lookups else None
    return tidied


def _tidy_item(name: str, value: Any) -> tuple[str, Any]:
    if not (isinstance(value, dict) and {"count", "total", "p50"} <= value.keys()):
        return name, _tidy(value)
    is_us = name.endswith("_us")
    unit = 1_000 if is_us else 1
    count, total = value["count"], value["total"]
    rest = {key: number / unit for key, number in value.items() if key not in ("count", "total")}
    mean = total / count / unit if count else 0.0
    return f"{name[:-3]}_ms" if is_us else name, {"count": count, "mean": mean, **rest}


# -- writing ----------------------------------------------------------------------------------


class SnapshotStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Files written, attempts that failed, and the last failure ("" once a later one succeeded)."""

    written: int
    failed: int
    last_error: str


class Snapshots:
    """Takes snapshots and writes `health.json` to the locked directory; `interval_s` may be changed.

    `evaluate` is called with each sample; `exports` are called in a thread after each file, to write others.
    """

    def __init__(
        self,
        claim: StateLock,
        sampler: Sampler,
        process: ProcessInfo,
        *,
        evaluate: Callable[[Sample], HasSections] | None = None,
        exports: Sequence[Callable[[Snapshot], None]] = (),
        interval_s: float = 10.0,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.path = claim.directory / FILE_NAME
        self.interval_s = interval_s
        self._sampler = sampler
        self._process = process
        self._evaluate = evaluate
        self._exports = exports
        self._claim = claim
        self._sleep = sleep
        self._lock = threading.Lock()
        self._number = self._newest = 0
        self._written = self._failed = 0
        self._last_error = ""

    def __repr__(self) -> str:
        return f"<Snapshots to {self.path}, {self._written} written, {self._failed} failed>"

    def statistics(self) -> SnapshotStatistics:
        """Counts since construction."""
        return SnapshotStatistics(written=self._written, failed=self._failed, last_error=self._last_error)

    async def take(self, *, is_last: bool = False) -> dict[str, Any]:
        """The snapshot as of now, as plain values; writes nothing."""
        return (await self.snapshot(is_last=is_last)).document

    async def snapshot(self, *, is_last: bool = False) -> Snapshot:
        """The same with the sample and the evaluation it was built from."""
        sample = await self._sampler.sample()
        evaluation = self._evaluate(sample) if self._evaluate is not None else None
        document = build(
            sample,
            self._process,
            valid_for_s=0.0 if is_last else self.interval_s * VALID_INTERVALS,
            is_last=is_last,
            evaluated=evaluation.sections() if evaluation is not None else NOTHING,
        )
        return Snapshot(sample, evaluation, document, is_last)

    async def observe_every(self, interval_s: float) -> None:
        """Take and evaluate a sample at an interval, between one file and the next, until cancelled."""
        while True:
            await self._sleep(interval_s)
            try:
                sample = await self._sampler.sample()
                if self._evaluate is not None:
                    self._evaluate(sample)
            except Exception as error:
                _log.exception("sample failed", error=repr(error))

    async def run(self) -> None:
        """Write a snapshot now and after every interval, until cancelled."""
        await asyncio.to_thread(self._clear_up)
        while True:
            await self.write()
            await self._sleep(self.interval_s)

    async def write(self, *, is_last: bool = False) -> bool:
        """Take and write one; False if it could not be written. `is_last`: the daemon is stopping."""
        self._number += 1
        number = self._number
        try:
            snapshot = await self.snapshot(is_last=is_last)
            await asyncio.to_thread(self._replace, number, snapshot)
        except Exception as error:  # a full disk, or a number without a JSON form: never fatal
            self._note_failure(error)
            return False
        self._note_success()
        return True

    def _replace(self, number: int, snapshot: Snapshot) -> None:
        """Runs in a thread, and on after a cancelled `write`: an older snapshot never replaces a newer."""
        with self._lock:
            if number > self._newest:
                self._claim.assert_held()
                write_atomic(self.path, encode(snapshot.document))
                self._newest = number
                for export in self._exports:
                    export(snapshot)

    def _clear_up(self) -> None:
        discard_leftovers(self.path)

    def _note_failure(self, error: Exception) -> None:
        self._failed += 1
        if not self._last_error:
            _log.warning("health snapshot not written", path=self.path, error=error)
        self._last_error = f"{type(error).__name__}: {error}"

    def _note_success(self) -> None:
        self._written += 1
        if self._last_error:
            _log.info("health snapshot written again", path=self.path, failed=self._failed)
        self._last_error = ""
