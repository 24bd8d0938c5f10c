"""Each target really broken: the right alert of the right severity rises, and clears when it is fixed.

A daemon's own parts answer real requests on real files; only the clock of the samples is moved by hand, and
the slow disk is a fake that says how long it took instead of taking it.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptd import config
from promptd.config import Config
from promptd.core.syntax.component import Place, Reading
from promptd.daemon import build as building
from promptd.daemon.control import histograms_of, sources_of
from promptd.daemon.lifecycle import Daemon
from promptd.engine.tokenizer import Tokenizer
from promptd.errors import PromptdError
from promptd.monitor.sampler import Sampler, read_own_process
from promptd.protocol.records import AlertEvent
from promptd.server import dispatch as handler
from promptd.sources.worktree.files import Worktree
from promptd.support import log
from tests.conftest import Library
from tests.freshness import make_files_look_old
from tests.server.peers import NotedPeer

STEP_S = 30.0
PARTS = 12
QUICK = {
    "alerts.warmup": 60.0,
    "alerts.raise_after": 60.0,
    "alerts.clear_after": 120.0,
    "alerts.min_samples": 5,
    "targets.memory_bytes_max": 10**12,  # this process holds all tests; the ballast has a target of its own
}
REPEATED = "".join(f"Rule {n}: say plainly what you found in place {n}, and where.\n" for n in range(20))
FILES: dict[str, str | bytes] = {
    **{f"commands/{n}.md": f"Command {n}.\n<include>parts/{n}.md</include>\n" for n in range(PARTS)},
    **{f"parts/{n}.md": f"Part {n}.\n" for n in range(PARTS)},
    "broken.md": b"\xff\xfe no text\n",
    "said-twice.md": f"# One\n\n{REPEATED}\n# One\n\n{REPEATED}\n# Two\n\nOther words stand here.\n",
}
ALL = [f"commands/{n}" for n in range(PARTS)]
cached_tokenizer = cache(Tokenizer)  # a daemon's own, made once for all tests of this file


class Stage:
    """A daemon's parts, requests to them, and a clock for the samples."""

    def __init__(self, root: Path, state: Path, settings: dict[str, Any]) -> None:
        self.now_s = 0.0
        self.settings: dict[str, Any] = {"roots": [str(root)], "state.directory": str(state), **settings}
        self.parts = Daemon(self.load(), self.load, {})
        self.parts.monitoring.snapshots._sampler = Sampler(
            sources_of(self.parts), clock=lambda: self.now_s, histograms=lambda: histograms_of(self.parts)
        )
        self.events: list[AlertEvent] = []
        self.parts.monitoring.evaluator.add_listeners(self.events.append)
        self.peer = NotedPeer(self.parts.dispatcher)

    def load(self) -> Config:
        """The configuration as it is now."""
        return config.load(None, {}, QUICK | self.settings)

    async def change(self, **settings: Any) -> None:
        """Write other values into the configuration and reload."""
        self.settings |= {key.replace("__", "."): value for key, value in settings.items()}
        self.parts.run.is_ready.set()
        await self.parts.reload()

    async def ask(self, names: Iterable[str] = ALL, **params: Any) -> None:
        """One request for each name."""
        for name in names:
            with suppress(PromptdError):  # also an answer
                await self.peer.call("assemble", {"name": name, **params})

    async def steps(self, count: int, ask: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """So many half minutes, with requests in each; the last snapshot."""
        snapshot: dict[str, Any] = {}
        for _ in range(count):
            await ask()
            self.now_s += STEP_S
            snapshot = await self.parts.monitoring.snapshots.take()
        return snapshot

    def said(self, rule: str) -> list[str]:
        """What was said of a rule, as `event severity`."""
        return [f"{event.event} {event.severity}" for event in self.events if event.rule == rule]


Staged = Callable[..., Awaitable[Stage]]


@pytest.fixture
def staged(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Staged]:
    """Return a function that builds a stage."""
    make_files_look_old(monkeypatch)
    monkeypatch.setattr(building, "Tokenizer", cached_tokenizer)
    stages: list[Stage] = []

    async def build(**settings: Any) -> Stage:
        given = {key.replace("__", "."): value for key, value in settings.items()}
        stages.append(await asyncio.to_thread(Stage, library(FILES), tmp_path / "state", given))
        return stages[-1]

    yield build
    log.silence()
    for stage in stages:
        stage.parts.current.workspace.close()


@pytest.mark.slow
async def test_a_cache_that_is_too_small_and_the_advice_that_fixes_it(staged: Staged) -> None:
    """A cache of one component: nothing comes from memory. Doing what the alert says clears it."""
    stage = await staged(cache__entries=1, cache__prompt_entries=1, cache__hot_set=0)
    await stage.steps(2, stage.ask)
    assert stage.events == []  # a cold start is no incident
    snapshot = await stage.steps(4, stage.ask)
    assert stage.said("hit_ratio") == ["raised critical"]
    assert snapshot["windows"]["1m"]["hit_ratio"]["served"] == 0.0
    assert snapshot["health"]["grade"] != "A"
    assert "set cache.entries = 2 (now 1)" in stage.events[0].sentence
    while advice := [each for each in snapshot["recommendations"] if each["target"] == "hit_ratio"]:
        setting, suggested = advice[0]["setting"], advice[0]["suggested"]
        assert suggested <= 4 * PARTS
        await stage.change(**{setting: suggested})
        snapshot = await stage.steps(7, stage.ask)
    assert stage.said("hit_ratio")[-1].startswith("cleared")
    assert snapshot["windows"]["1m"]["hit_ratio"]["served"] == 1.0
    assert snapshot["health"]["grade"] == "A"


class SlowDisk:
    """Says that each read took `seconds`, and moves the clock that requests are timed by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.now_s = time.perf_counter()
        look = Worktree.read

        def slow(files: Worktree, place: Place, *, was_filled: bool = False) -> Reading:
            self.now_s += self.seconds
            return dataclasses.replace(look(files, place, was_filled=was_filled), seconds=self.seconds)

        monkeypatch.setattr(Worktree, "read", slow)
        monkeypatch.setattr(handler, "time", SimpleNamespace(perf_counter=lambda: self.now_s))


async def test_a_slow_disk(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    """130 ms a read against a target of 50, twice a prompt against one of 100: critical both."""
    disk = SlowDisk(monkeypatch)
    stage = await staged(cache__entries=1, cache__prompt_entries=1, cache__hot_set=0, loading__max_workers=1)
    await stage.steps(4, stage.ask)
    assert stage.said("component_load") == stage.said("response_time") == []
    disk.seconds = 0.13
    snapshot = await stage.steps(6, stage.ask)
    assert stage.said("component_load") == stage.said("response_time") == ["raised critical"]
    slow = {event.rule: event for event in stage.events}
    assert slow["component_load"].value == pytest.approx(130, rel=0.05)
    assert "loading.max_workers = 2" in slow["component_load"].sentence
    assert snapshot["targets"][0]["state"] == "missed"
    disk.seconds = 0.0
    await stage.steps(9, stage.ask)
    assert stage.said("component_load")[-1] == stage.said("response_time")[-1] == "cleared critical"


async def test_a_ballast_in_memory(staged: Staged) -> None:
    """Nine tenths more than before against a target of a fifth more: high, until it is let go."""
    usual = await asyncio.to_thread(read_own_process, 0.0)
    assert usual is not None
    stage = await staged(targets__memory_bytes_max=int(1.2 * usual.rss_bytes))
    await stage.steps(4, stage.ask)
    assert stage.said("memory") == []
    ballast = b"x" * int(0.9 * usual.rss_bytes)
    await stage.steps(4, stage.ask)
    assert stage.said("memory") == ["raised high"]
    del ballast
    await stage.steps(9, stage.ask)
    assert stage.said("memory") == ["raised high", "cleared high"]


async def test_errors_of_ours_and_errors_of_clients(staged: Staged, tmp_path: Path) -> None:
    """A file that is no text fails its requests: critical. Names that do not exist are the client's."""
    stage = await staged()
    await stage.steps(6, lambda: stage.ask([*ALL, *["no-such-name"] * 6]))
    assert stage.said("errors") == []
    snapshot = await stage.steps(4, lambda: stage.ask([*ALL, "broken", "broken"]))
    assert stage.said("errors") == ["raised critical"]
    assert "promptd check" in stage.events[-1].sentence
    assert snapshot["windows"]["1m"]["errors_by_type"]["promptd.EncodingError"] >= 4
    (tmp_path / "library" / "broken.md").write_text("Now it is text.\n")
    await stage.steps(9, lambda: stage.ask([*ALL, "broken"]))
    assert stage.said("errors")[-1] == "cleared critical"


async def test_a_strategy_that_saves_nothing(staged: Staged) -> None:
    """Lossless saves next to nothing here: critical. What the advice names saves within the band."""
    stage = await staged(tokens__strategy="conservative")
    snapshot = await stage.steps(6, lambda: stage.ask(["said-twice"] * 6))
    assert stage.said("token_reduction") == ["raised critical"]
    advice = [each for each in snapshot["recommendations"] if each["target"] == "token_reduction"]
    assert (advice[0]["setting"], advice[0]["suggested"]) == ("tokens.strategy", "balanced")
    await stage.change(tokens__strategy="balanced")
    snapshot = await stage.steps(9, lambda: stage.ask(["said-twice"] * 6))
    assert stage.said("token_reduction")[-1].startswith("cleared")
    assert 0.3 <= snapshot["windows"]["1m"]["reduction"] <= 0.6


@pytest.mark.slow
async def test_an_idle_daemon_is_a_healthy_one(staged: Staged) -> None:
    """No request in an hour: no data, no alert, memory alone is judged."""
    stage = await staged()
    snapshot = await stage.steps(120, lambda: stage.ask([]))
    assert stage.events == []
    states = {target["name"]: target["state"] for target in snapshot["targets"]}
    assert states.pop("memory") == "optimal"
    assert set(states.values()) == {"no_data"}
    assert (snapshot["health"]["score"], snapshot["health"]["grade"]) == (100, "A")
