"""Sinks: where alert events go besides the snapshot and subscribers: the log, and a command.

`alerts.command` is run with each event as one line of JSON on stdin. One command runs at a time, in the order
of events; of a flood the newest `MAX_WAITING` are kept. A command that fails, hangs or does not exist is
logged and counted, and affects nothing else.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from promptd.protocol.records import AlertEvent
from promptd.support import log
from promptd.support.tasks import Spawn

MAX_WAITING = 100
_LEVEL = {"critical": "error", "high": "error", "medium": "warning", "low": "info"}
_log = log.get_logger("promptd.alerts")

Settings = Callable[[], tuple[Sequence[str], float]]


def log_event(event: AlertEvent) -> None:
    """Log the event at a level by its severity; a cleared or eased alert is information."""
    level = "info" if event.event in ("cleared", "eased") else _LEVEL[event.severity]
    write = getattr(_log, level)
    write(
        f"alert {event.event}",
        id=event.id,
        rule=event.rule,
        severity=event.severity,
        measured=event.value,
        threshold=event.threshold,
        unit=event.unit,
        advice=event.sentence,
    )


class CommandStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that succeeded, that failed (status, timeout or not found), and events that were dropped."""

    done: int
    failed: int
    dropped: int


class CommandSink:
    """Runs a command for each event; `settings` returns its arguments (empty: none) and the timeout in s."""

    def __init__(self, settings: Settings, spawn: Spawn) -> None:
        self._settings = settings
        self._spawn = spawn
        self._waiting: deque[AlertEvent] = deque()
        self._is_running = False
        self._done = self._failed = self._dropped = 0

    def __repr__(self) -> str:
        return f"<CommandSink {self._done} done, {self._failed} failed>"

    def __call__(self, event: AlertEvent) -> None:
        """Run the command for this event as soon as the one before has ended."""
        if not self._settings()[0]:
            return
        self._waiting.append(event)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                event = self._waiting.popleft()
                command, limit_s = self._settings()
                if command:
                    await self._run_command(command, limit_s, event)
        finally:
            self._is_running = False

    async def _run_command(self, command: Sequence[str], limit_s: float, event: AlertEvent) -> None:
        problem = await _outcome(command, limit_s, msgspec.json.encode(event) + b"\n")
        self._failed += bool(problem)
        self._done += not problem
        if problem:
            _log.warning("alert command failed", command=command[0], problem=problem, id=event.id)

    def statistics(self) -> CommandStatistics:
        """Counts since construction."""
        return CommandStatistics(done=self._done, failed=self._failed, dropped=self._dropped)


async def _outcome(command: Sequence[str], limit_s: float, data: bytes) -> str:
    """Run it; returns the problem, "" for none. Its whole process group is killed at the timeout."""
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    try:
        await asyncio.wait_for(process.communicate(data), limit_s)
    except TimeoutError:
        return f"killed after {limit_s:g} s (alerts.command_timeout)"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return f"exit status {process.returncode}" if process.returncode else ""
