"""sinks.py and the feed: an operator's command and the subscribers get each event."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from promptd.monitor import sinks
from promptd.monitor.sinks import CommandSink
from promptd.protocol.records import AlertEvent
from promptd.server.alert_feed import AlertFeed
from promptd.support import log
from tests.server.peers import NotedPeer, Tasks


def event(number: int = 1) -> AlertEvent:
    """An event."""
    return AlertEvent(
        time_unix_s=1.75e9,
        event="raised",
        id=f"memory-{number}",
        rule="memory",
        severity="high",
        value=3e8,
        threshold=2e8,
        unit="bytes",
        sentence="memory in use: 300.0 MB is above the target of 200.0 MB",
    )


def python(code: str, *arguments: object) -> tuple[str, ...]:
    """A command that runs Python."""
    return (sys.executable, "-c", code, *map(str, arguments))


async def delivered(
    command: tuple[str, ...], *events: AlertEvent, limit_s: float = 30.0
) -> sinks.CommandStatistics:
    """What came of telling a command."""
    tasks = Tasks()
    sink = CommandSink(lambda: (command, limit_s), tasks.spawn)
    for each in events:
        sink(each)
    await tasks.done()
    return sink.statistics()


async def test_the_command_gets_each_event_as_a_line_of_json(tmp_path: Path) -> None:
    """An argument vector, no shell; one after the other, in order."""
    kept = tmp_path / "kept $(touch no)"
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    counts = await delivered(python(code, kept), event(1), event(2))
    assert (counts.done, counts.failed) == (2, 0)
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["memory-1", "memory-2"]
    assert lines[0]["severity"] == "high"
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]


async def test_a_command_that_hangs_is_killed() -> None:
    """With its children; the next event is delivered all the same."""
    counts = await delivered(python("import time; time.sleep(600)"), event(1), event(2), limit_s=0.05)
    assert (counts.done, counts.failed) == (0, 2)


@pytest.mark.parametrize(
    "command", [("/no/such/command",), python("raise SystemExit(3)"), python("import sys; sys.stdin.close()")]
)
async def test_a_command_that_fails_affects_nothing_else(command: tuple[str, ...]) -> None:
    """Not there, an exit status, or one that does not read: counted at most."""
    counts = await delivered(command, event())
    assert counts.done + counts.failed == 1


async def test_a_flood_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is bounded."""
    ran: list[bytes] = []

    async def outcome(_command: Any, _limit_s: float, data: bytes) -> str:
        ran.append(json.loads(data)["id"])
        return ""

    monkeypatch.setattr(sinks, "_outcome", outcome)
    counts = await delivered(("x",), *map(event, range(150)))
    assert counts.dropped == 50
    assert ran == [f"memory-{number}" for number in range(50, 150)]


async def test_no_command_no_process() -> None:
    """The default."""
    assert (await delivered((), event())).done == 0


def test_subscribers_are_notified_until_they_say_no_or_go() -> None:
    """One notification each; None only asks."""
    feed, first, second = AlertFeed(), NotedPeer(), NotedPeer()
    assert feed.switch(first, wanted=None) is False
    assert feed.switch(first, wanted=True) is True
    assert feed.switch(second, wanted=True) is True
    feed.send(event(1))
    assert feed.switch(first, wanted=False) is False
    feed.send(event(2))
    feed.forget(second)
    feed.send(event(3))
    assert [note["id"] for note in first.alerts] == ["memory-1"]
    assert [note["id"] for note in second.alerts] == ["memory-1", "memory-2"]


def test_the_log_says_it_as_loud_as_it_is_bad() -> None:
    """With the advice, and nothing withheld; the end of an alert is information."""
    stream = io.StringIO()
    log.configure("json", "debug", stream=stream)
    try:
        sinks.log_event(event())
        sinks.log_event(structs.replace(event(), event="cleared"))
    finally:
        log.silence()
    raised, cleared = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (raised["level"], raised["rule"], raised["measured"]) == ("error", "memory", 3e8)
    assert "above the target" in raised["advice"]
    assert cleared["level"] == "info"
