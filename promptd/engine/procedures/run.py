"""The drivers of procedures: they perform effects in this thread, or in threads beside an event loop."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

from promptd.core.syntax.component import Reading
from promptd.engine.procedures.effects import (
    Compute,
    Effect,
    Exists,
    Look,
    Outcome,
    Pause,
    Procedure,
    Read,
    Reconcile,
    Reconciled,
    Reserve,
    Scan,
)
from promptd.engine.procedures.sync import count_bodies, reconcile
from promptd.engine.workspace import Workspace
from promptd.sources.loader import Progress


def perform(workspace: Workspace, command: Effect, progress: Progress | None = None) -> Any:
    """Do one command in this thread."""
    match command:
        case Read(places, filled, is_wanted, of):
            readings = workspace.loader.load_now(places, filled, _part_of(progress, of))
            if is_wanted:
                _count_ahead(workspace, readings)
            return readings
        case Scan():
            return workspace.source.scan()
        case Exists(places):
            return workspace.source.exists(places)
        case Reconcile():
            return run(workspace, reconcile(workspace), progress)
        case Compute(work) | Look(work):
            return work()
        case Pause():
            return None
        case Reserve():
            return False


def _part_of(progress: Progress | None, of: tuple[int, int] | None) -> Progress | None:
    """Progress of a whole phase from that of one part of it."""
    if progress is None or of is None:
        return progress
    before, total = of
    return lambda done, _: progress(before + done, total)


def _count_ahead(workspace: Workspace, readings: Iterable[Reading]) -> None:
    count_bodies(
        workspace,
        [
            reading.text[reading.parsed.body_start :]
            for reading in readings
            if reading.text and reading.parsed
        ],
    )


def run(workspace: Workspace, procedure: Procedure[Outcome], progress: Progress | None = None) -> Outcome:
    """Drive a procedure to its end in this thread."""
    outcome: Any = None
    while True:
        try:
            command = procedure.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        outcome = perform(workspace, command, progress)


class Effort(Protocol):
    """How one request does what takes its time, when many want to: server.slices."""

    async def compute(self, work: Callable[[], Any]) -> Any:
        """The outcome of work that is done beside the event loop. Raises what it raises."""

    async def wait(self, outcome: Awaitable[Any]) -> Any:
        """An outcome that needs no processor; then a turn on the event loop, which many may wait for."""

    async def reserve(self, size_bytes: int) -> bool:
        """Have memory for texts set aside; True if that had to be waited for."""

    async def pause(self) -> None:
        """Let others have the event loop, if this request has had it for long enough."""


class Unshared:
    """Nobody else wants to: the daemon's own work, and tests."""

    async def compute(self, work: Callable[[], Any]) -> Any:
        """In a thread, at once."""
        return await _in_thread(work)

    async def wait(self, outcome: Awaitable[Any]) -> Any:
        """Merely that."""
        return await outcome

    async def reserve(self, size_bytes: int) -> bool:
        """There is enough."""
        return False

    async def pause(self) -> None:
        """One turn of the loop."""
        import asyncio  # here: one command in its own process never waits for it

        await asyncio.sleep(0)


async def drive(
    workspace: Workspace,
    procedure: Procedure[Outcome],
    command: Effect | None = None,
    reconciled: Callable[[Workspace], Awaitable[Reconciled]] | None = None,
    effort: Effort = Unshared(),  # noqa: B008 - it holds nothing
) -> Outcome:
    """Drive a procedure to its end with its commands in threads; `command` if it has been started already.

    `reconciled` does a Reconcile that is shared with others; it must have begun after it was asked for.
    """
    outcome: Any = None
    while True:
        try:
            command = command or procedure.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        outcome = await _perform_apart(workspace, command, reconciled, effort)
        command = None


async def _perform_apart(
    workspace: Workspace,
    command: Effect,
    reconciled: Callable[[Workspace], Awaitable[Reconciled]] | None,
    effort: Effort,
) -> Any:
    """A pause gives the loop to others, anything else is done in a thread."""
    match command:
        case Pause():
            return await effort.pause()
        case Compute(work):
            return await effort.compute(work)
        case Reserve(size_bytes):
            return await effort.reserve(size_bytes)
        case Reconcile():
            shared = drive(workspace, reconcile(workspace)) if reconciled is None else reconciled(workspace)
            return await effort.wait(shared)
        case _:
            return await effort.wait(_in_thread(partial(perform, workspace, command)))


async def _in_thread(work: Callable[[], Any]) -> Any:
    import asyncio

    return await asyncio.to_thread(work)
