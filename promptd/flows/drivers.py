"""Who does what flows ask for: in this thread, or in threads beside an event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from promptd.engine.component import Reading
from promptd.flows.commands import (
    Command,
    Compute,
    Exists,
    Flow,
    Look,
    Pause,
    Read,
    Reconcile,
    Reconciled,
    Result,
    Scan,
)
from promptd.flows.keeping import count_bodies, reconcile
from promptd.keeper import Keeper
from promptd.loading import Progress


def perform(keeper: Keeper, command: Command, progress: Progress | None = None) -> Any:
    """Do one command in this thread."""
    match command:
        case Read(places, filled, is_wanted, of):
            readings = keeper.loader.load_now(places, filled, _part_of(progress, of))
            if is_wanted:
                _count_ahead(keeper, readings)
            return readings
        case Look(sweep, paths, places):
            sweep.stat(paths)
            sweep.read(places)
            return None
        case Scan():
            return keeper.files.scan()
        case Exists(places):
            return keeper.files.exists(places)
        case Reconcile():
            return run(keeper, reconcile(keeper), progress)
        case Compute(work):
            return work()
        case Pause():
            return None


def _part_of(progress: Progress | None, of: tuple[int, int] | None) -> Progress | None:
    """Progress of a whole phase from that of one part of it."""
    if progress is None or of is None:
        return progress
    before, total = of
    return lambda done, _: progress(before + done, total)


def _count_ahead(keeper: Keeper, readings: Iterable[Reading]) -> None:
    count_bodies(
        keeper,
        [
            reading.text[reading.parsed.body_start :]
            for reading in readings
            if reading.text and reading.parsed
        ],
    )


def run(keeper: Keeper, flow: Flow[Result], progress: Progress | None = None) -> Result:
    """Drive a flow to its end in this thread."""
    outcome: Any = None
    while True:
        try:
            command = flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        outcome = perform(keeper, command, progress)


async def drive(
    keeper: Keeper,
    flow: Flow[Result],
    command: Command | None = None,
    reconciled: Callable[[Keeper], Awaitable[Reconciled]] | None = None,
) -> Result:
    """Drive a flow to its end with its commands in threads; `command` if it has been started already.

    `reconciled` does a Reconcile that is shared with others; it must have begun after it was asked for.
    """
    outcome: Any = None
    while True:
        try:
            command = command or flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        if isinstance(command, Pause):
            await asyncio.sleep(0)
            outcome = None
        elif not isinstance(command, Reconcile):
            outcome = await asyncio.to_thread(perform, keeper, command)
        elif reconciled is not None:
            outcome = await reconciled(keeper)
        else:
            outcome = await drive(keeper, reconcile(keeper))
        command = None
