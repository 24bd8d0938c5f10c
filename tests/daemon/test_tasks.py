"""Background tasks, timers and failures: what ends when, and what goes on."""

import asyncio
import io
import json
from collections.abc import Coroutine, Iterator
from typing import Any

from promptd.daemon.tasks import BackgroundTasks, Failures, Timers
from tests.conftest import Until


async def forever() -> None:
    """A loop."""
    await asyncio.Event().wait()


async def broken() -> None:
    """Work with a defect."""
    raise LookupError("an unexpected failure")


async def test_ending_cancels_everything_that_runs() -> None:
    """And waits for it; what has ended by itself is forgotten."""
    tasks = BackgroundTasks()
    first, second = tasks.spawn(forever()), tasks.spawn(asyncio.sleep(0))
    await second
    assert "1 running" in repr(tasks)
    await tasks.end()
    assert first.cancelled()
    assert "0 running" in repr(tasks)


async def test_what_a_task_raises_is_logged(said: io.StringIO, until: Until) -> None:
    """One line with the traceback; a cancelled task is nothing to say."""
    tasks = BackgroundTasks()
    tasks.spawn(broken())
    await until(said.getvalue)
    tasks.spawn(forever())
    await tasks.end()
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert (line["event"], line["level"]) == ("unforeseen error", "error")
    assert "LookupError: an unexpected failure" in line["exception"]


async def test_timers_start_anew_by_the_configuration_of_the_moment(until: Until) -> None:
    """Starting again ends the loops that run; cancelling ends all."""
    tasks, intervals = BackgroundTasks(), [1, 2]

    def loops() -> Iterator[Coroutine[Any, Any, None]]:
        return (forever() for _ in intervals)

    timers = Timers(tasks.spawn, loops)
    timers.start()
    intervals.append(3)
    timers.start()
    assert "3 loops" in repr(timers)
    await until(lambda: "3 running" in repr(tasks))
    timers.cancel()
    await tasks.end()
    assert "0 loops" in repr(timers)


async def test_a_failure_is_counted_and_survived(said: io.StringIO) -> None:
    """The log says what failed; work that does not fail leaves no trace."""
    failures = Failures()
    await failures.survive("warm", broken())
    await failures.survive("warm", asyncio.sleep(0))
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert (line["event"], line["what"]) == ("maintenance failed", "warm")
    assert failures.total == 1
    assert "1" in repr(failures)
