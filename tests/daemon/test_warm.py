"""Warming: a prompt that a change made untrue is held ready again before it is asked for."""

import asyncio
import io
import os
import time
from typing import Any

import pytest

from promptd.config.schema import WatchConfig
from promptd.core.library.library import Delta
from promptd.daemon import warm as module
from promptd.engine import procedures
from promptd.protocol.request import request_of
from tests.conftest import Until
from tests.daemon.maintained import HELLO, Maintained


async def test_an_edit_is_warm_before_it_is_asked_for(maintained: Maintained, until: Until) -> None:
    """The prompt that a file of it makes untrue is assembled again, and the time it took is kept."""
    await maintained.watch()
    await maintained.ask("commands/hello")
    await maintained.write("components/tone.md", "Be brief.\n")
    await until(lambda: maintained.warm_text() == "Hello.\nBe brief.\n")
    await until(lambda: maintained.counts.change_to_warm_ms.count == 1)
    assert maintained.counts.rewarmed == 1
    assert maintained.counts.change_to_warm_ms.maximum < 1_000


@pytest.mark.slow
async def test_the_time_to_warm_begins_with_the_change(maintained: Maintained, until: Until) -> None:
    """Not with the last batch, nor when a request or a rescan found what made no event."""
    await maintained.watch()
    await maintained.write("components/tone.md", "Be brief.\n")
    await until(lambda: maintained.counts.change_to_warm_ms.count == 1)
    await asyncio.sleep(1.0)
    await maintained.write("components/tone.md", "Be calm.\n")
    await until(lambda: maintained.counts.change_to_warm_ms.count == 2)
    assert maintained.counts.change_to_warm_ms.maximum < 900
    await maintained.watch(WatchConfig(enabled=False))
    await maintained.write("components/tone.md", "Be quick.\n")
    await asyncio.sleep(1.0)
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await until(lambda: maintained.counts.change_to_warm_ms.count == 3)
    assert maintained.counts.change_to_warm_ms.maximum >= 1_000


@pytest.mark.slow
async def test_an_old_time_of_modification_says_nothing(maintained: Maintained, until: Until) -> None:
    """What `cp -p` or a checkout brings along is not when the library changed; nor is a time to come."""
    await maintained.watch()
    for count, offset_s in enumerate((-3600, 3600), 1):
        await maintained.write("aside", f"Be {count}.\n")
        aside, tone = maintained.root / "aside", maintained.root / "components/tone.md"
        os.utime(aside, (time.time() + offset_s,) * 2)
        aside.rename(tone)
        await until(lambda count=count: maintained.counts.change_to_warm_ms.count == count)  # type: ignore[misc]
    assert maintained.counts.change_to_warm_ms.minimum >= 0
    assert maintained.counts.change_to_warm_ms.maximum < 1_000


async def test_what_no_request_asked_for_is_not_assembled(maintained: Maintained, until: Until) -> None:
    """Only prompts that were held are warmed again, and warming makes nothing hot."""
    await maintained.watch()
    await maintained.ask("commands/hello")
    maintained.workspace.fold_uses(0.0)
    hot = maintained.workspace.hot.weights(0.0)
    await maintained.write("commands/other.md", "Else.\n")
    await maintained.write("components/tone.md", "Be brief.\n")
    await until(lambda: maintained.warm_text() == "Hello.\nBe brief.\n")
    assert maintained.workspace.prompts.peek(request_of(("commands/other",))) is None
    maintained.workspace.fold_uses(0.0)
    assert maintained.workspace.hot.weights(0.0) == hot


async def test_what_a_request_asked_for_meanwhile_is_not_done_twice(maintained: Maintained) -> None:
    """A request that came first has made it warm."""
    await maintained.ask("commands/hello")
    maintained.maintenance.changed(Delta(1), (HELLO,))
    await maintained.tasks.done()
    assert maintained.counts.rewarmed == 0


async def test_a_prompt_that_no_longer_assembles_is_no_failure(maintained: Maintained, until: Until) -> None:
    """Its error is the answer of the next request."""
    await maintained.watch()
    await maintained.ask("commands/hello")
    await maintained.write("components/tone.md", "<include>commands/hello.md</include>\n")
    await until(lambda: maintained.counts.change_to_warm_ms.count == 1)
    assert maintained.counts.rewarmed == 0
    assert maintained.counts.failures == 0


async def test_of_very_many_prompts_the_most_recent_are_warmed(
    maintained: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change must not occupy the daemon for long: the rest wait for their next request."""
    monkeypatch.setattr(module, "MAX_REWARMED", 3)
    requests = [request_of(("commands/hello",), {"n": number}) for number in range(10)]
    for request in requests:
        await procedures.drive(
            maintained.workspace,
            procedures.assemble(maintained.workspace, request, maintained.workspace.source.check()),
        )
    await maintained.write("components/tone.md", "Be brief.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await maintained.tasks.done()
    assert [request for request, _ in maintained.workspace.prompts.items()] == requests[:6:-1]
    assert maintained.counts.rewarmed == 3


async def test_a_bug_while_warming_is_counted_and_survived(
    maintained: Maintained, monkeypatch: pytest.MonkeyPatch, said: io.StringIO
) -> None:
    """The next prompt is warmed all the same."""
    await maintained.ask("commands/hello")
    await maintained.ask("commands/other")
    attempt = maintained.workspace.attempt

    def broken(attempted: Any, sweep: Any) -> Any:
        if attempted.request == HELLO:
            raise LookupError("an unexpected failure")
        return attempt(attempted, sweep)

    monkeypatch.setattr(maintained.workspace, "attempt", broken)
    await maintained.write("components/tone.md", "Be brief.\n")
    await maintained.write("commands/other.md", "Else.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await maintained.tasks.done()
    assert (maintained.counts.failures, maintained.counts.rewarmed) == (1, 1)
    assert said.getvalue().count("maintenance failed") == 1
