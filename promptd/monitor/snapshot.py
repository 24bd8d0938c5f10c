"""The health snapshot: one JSON document that says how the daemon is, for programs and for people.

`build` is pure and makes it from a Sample: keys in a fixed order, units in their names, nothing of a
prompt's text. `Snapshots` writes it to `health.json` at an interval and once more at the end, whole or not
at all. A reader trusts it until `valid_until_unix_s`; after that the daemon is dead or stuck. When it cannot
be written (a full disk) the last good file stays, the failure is counted, and the log says so once; the
daemon goes on.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from promptd.monitor.sampler import Failed, Sample, Sampler
from promptd.support import log
from promptd.support.atomic import discard_leftovers, write_atomic
from promptd.support.locks import StateLock

SCHEMA_VERSION = 1  # raised when a member goes, is renamed or means something else; see schema.py
FILE_NAME = "health.json"
VALID_INTERVALS = 3  # two snapshots may be late or lost before a reader takes the daemon for dead
HEALTHY_WATCHER_MODES = ("inotify", "inotify+scan", "scan", "off")
PROBLEMS = "problems"  # a source of this name gives sentences, not a section

NOTHING: Mapping[str, Any] = {}
_log = log.get_logger("promptd.monitor")


class Observation(Protocol):
    """What was concluded from a sample."""

    def sections(self) -> Mapping[str, Any]:
        """The snapshot's sections of it, by name."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One snapshot with what it was made from."""

    sample: Sample
    found: Observation | None
    document: dict[str, Any]
    is_last: bool


@dataclass(frozen=True, slots=True)
class About:
    """Who is speaking: what does not change while the process lives."""

    version: str
    pid: int


def build(
    sample: Sample,
    about: About,
    *,
    valid_for_s: float,
    is_last: bool = False,
    findings: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """The snapshot as plain values, ready for JSON.

    `status` is "ok", "degraded" with its reasons in `problems`, or "stopped" in the last one. A section
    stands under its source's name; `requests` for example holds counts and `latency_ms`. `findings` are
    what was concluded from this sample and those before it, by section.
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
        "pid": about.pid,
        "version": about.version,
        "status": "stopped" if is_last else status,
        "problems": problems,
        **{name: msgspec.to_builtins(found) for name, found in findings.items()},
        **sections,
        "process": _plain(sample.process),
    }


def encode(snapshot: Mapping[str, Any]) -> bytes:
    """JSON, indented for people, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=2) + b"\n"


def _problems(sample: Sample) -> Iterator[str]:
    """What keeps the status from being "ok", one sentence each."""
    for name, record in sample.sections.items():
        if isinstance(record, Failed):
            yield f"no statistics of {name}: {record.error}"
        elif name == PROBLEMS:
            yield from record
    mode = getattr(sample.sections.get("watcher"), "mode", None)
    if isinstance(mode, str) and mode not in HEALTHY_WATCHER_MODES:
        yield f"watcher mode is {mode!r}: changes are found by the reconcile scan only, or by a request"


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- from frozen records to plain values ------------------------------------------------------


def _plain(record: Any) -> Any:
    """Records, mappings and sets as JSON knows them: sets and mappings sorted, fields as declared."""
    return _tidy(msgspec.to_builtins(record, order="deterministic", enc_hook=_foreign))


def _foreign(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _tidy(value: Any) -> Any:
    """Distributions in ms rather than µs with their mean, and a hit ratio beside hits and misses."""
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
    """Keeps `health.json` fresh in the directory that is claimed; `interval_s` may be changed at any time.

    `look` concludes from each sample; `beside` are called in a thread after each file, to write others.
    """

    def __init__(
        self,
        claim: StateLock,
        sampler: Sampler,
        about: About,
        *,
        look: Callable[[Sample], Observation] | None = None,
        beside: Sequence[Callable[[Taken], None]] = (),
        interval_s: float = 10.0,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.path = claim.directory / FILE_NAME
        self.interval_s = interval_s
        self._sampler = sampler
        self._about = about
        self._look = look
        self._beside = beside
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
        return (await self.taken(is_last=is_last)).document

    async def taken(self, *, is_last: bool = False) -> Taken:
        """The same with what it was made from."""
        sample = await self._sampler.sample()
        found = self._look(sample) if self._look is not None else None
        document = build(
            sample,
            self._about,
            valid_for_s=0.0 if is_last else self.interval_s * VALID_INTERVALS,
            is_last=is_last,
            findings=found.sections() if found is not None else NOTHING,
        )
        return Taken(sample, found, document, is_last)

    async def observe_every(self, interval_s: float) -> None:
        """Take a sample in at an interval, between one file and the next."""
        while True:
            await self._sleep(interval_s)
            try:
                sample = await self._sampler.sample()
                if self._look is not None:
                    self._look(sample)
            except Exception as error:
                _log.exception("not measured", error=repr(error))

    async def run(self) -> None:
        """Write a snapshot now and after every interval, until cancelled."""
        await asyncio.to_thread(self._clear_up)
        while True:
            await self.write()
            await self._sleep(self.interval_s)

    async def write(self, *, is_last: bool = False) -> bool:
        """Take and write one; False if it could not be written. `is_last` says that the daemon ends here."""
        self._number += 1
        number = self._number
        try:
            taken = await self.taken(is_last=is_last)
            await asyncio.to_thread(self._replace, number, taken)
        except Exception as error:  # a full disk, or a number that JSON does not know: never fatal
            self._note_failure(error)
            return False
        self._note_success()
        return True

    def _replace(self, number: int, taken: Taken) -> None:
        """Runs in a thread, and on after a cancelled `write`: an older snapshot never replaces a newer."""
        with self._lock:
            if number > self._newest:
                self._claim.assert_held()
                write_atomic(self.path, encode(taken.document))
                self._newest = number
                for write in self._beside:
                    write(taken)

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
