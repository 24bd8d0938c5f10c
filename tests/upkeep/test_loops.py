"""Upkeep over a real library and the real watcher: what is warm, what is counted, what is survived."""

import asyncio
import io
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from promptd import flows
from promptd.config.schema import WatchConfig
from promptd.engine.library import Delta
from promptd.engine.request import request_of
from promptd.files import Sweep
from promptd.keeper import Keeper
from promptd.upkeep import Upkeep
from promptd.upkeep import loops as module
from promptd.upkeep.missed import Missed
from tests.conftest import Library, Until
from tests.daemon.kept import keeper_of
from tests.serve.peers import Tasks

FILES = {
    "commands/hello.md": "Hello.\n<include>components/tone.md</include>\n",
    "commands/other.md": "Something else.\n",
    "components/tone.md": "Be kind.\n",
}
HELLO = request_of(("commands/hello",))
WATCH = WatchConfig(step_ms=5, settle_ms=20)
EXPLAINED_S = 0.3  # settling takes 25 ms here


class Post:
    """Upkeep with everything it needs; `in_thread` keeps the test's own file work off the loop."""

    def __init__(self, root: Path, keeper: Keeper) -> None:
        self.root = root
        self.keeper = keeper
        self.tasks = Tasks()
        self.state = root.parent / "state"
        self.upkeep = Upkeep(keeper, self.state, self.tasks.spawn, explained_s=EXPLAINED_S)
        keeper.observers.append(self.upkeep.changed)

    async def watch(self, settings: WatchConfig = WATCH) -> None:
        """Watch, as a daemon that has read its library does."""
        await self.upkeep.watch(settings)
        self.upkeep.begin()

    async def write(self, id: str, text: str) -> None:
        """Write one file."""
        await asyncio.to_thread((self.root / id).write_text, text)

    async def ask(self, *names: str) -> str:
        """Somebody's request."""
        flow = flows.assemble(self.keeper, request_of(names), Sweep(self.keeper.files))
        return (await flows.drive(self.keeper, flow)).text

    def warm_text(self) -> str | None:
        """What is held ready for a request for hello."""
        prompt = self.upkeep.keeper.prompts.peek(HELLO)
        return None if prompt is None else prompt.text

    @property
    def counts(self) -> module.UpkeepStatistics:
        """Upkeep's statistics."""
        return self.upkeep.statistics()


@pytest_asyncio.fixture
async def post(library: Library) -> AsyncIterator[Post]:
    """Upkeep over a small library that has been read."""
    root = await asyncio.to_thread(library, FILES)
    made = Post(root, await asyncio.to_thread(keeper_of, root))
    await asyncio.to_thread(made.state.mkdir)
    yield made
    for task in made.tasks.all:
        task.cancel()
    await asyncio.gather(*made.tasks.all, return_exceptions=True)
    await asyncio.to_thread(made.keeper.close)


def logged(said: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The lines of one event."""
    lines = map(json.loads, said.getvalue().splitlines())
    return [line for line in lines if line["event"] == event]


# -- warming ------------------------------------------------------------------------------------


async def test_an_edit_is_warm_before_it_is_asked_for(post: Post, until: Until) -> None:
    """The prompt that a file of it makes untrue is assembled again, and the time it took is kept."""
    await post.watch()
    await post.ask("commands/hello")
    await post.write("components/tone.md", "Be brief.\n")
    await until(lambda: post.warm_text() == "Hello.\nBe brief.\n")
    await until(lambda: post.counts.change_to_warm_ms.count == 1)
    assert post.counts.rewarmed == 1
    assert post.counts.change_to_warm_ms.maximum < 1_000


async def test_what_nobody_asked_for_is_not_assembled(post: Post, until: Until) -> None:
    """Only prompts that were held are warmed again, and warming makes nothing hot."""
    await post.watch()
    await post.ask("commands/hello")
    post.keeper.fold_uses(0.0)
    hot = post.keeper.hot.weights(0.0)
    await post.write("commands/other.md", "Else.\n")
    await post.write("components/tone.md", "Be brief.\n")
    await until(lambda: post.warm_text() == "Hello.\nBe brief.\n")
    assert post.keeper.prompts.peek(request_of(("commands/other",))) is None
    post.keeper.fold_uses(0.0)
    assert post.keeper.hot.weights(0.0) == hot


async def test_what_somebody_asked_for_meanwhile_is_not_done_twice(post: Post) -> None:
    """A request that came first has made it warm."""
    await post.ask("commands/hello")
    post.upkeep.changed(Delta(1), (HELLO,))
    await post.tasks.done()
    assert post.counts.rewarmed == 0


async def test_a_prompt_that_no_longer_assembles_is_no_failure(post: Post, until: Until) -> None:
    """Its error is the answer of the next request."""
    await post.watch()
    await post.ask("commands/hello")
    await post.write("components/tone.md", "<include>commands/hello.md</include>\n")
    await until(lambda: post.counts.change_to_warm_ms.count == 1)
    assert post.counts.rewarmed == 0
    assert post.counts.failures == 0


async def test_of_very_many_prompts_the_most_recent_are_warmed(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change must not occupy the daemon for long: the rest wait for their next request."""
    monkeypatch.setattr(module, "MAX_REWARMED", 3)
    requests = [request_of(("commands/hello",), {"n": number}) for number in range(10)]
    for request in requests:
        await flows.drive(post.keeper, flows.assemble(post.keeper, request, Sweep(post.keeper.files)))
    await post.write("components/tone.md", "Be brief.\n")
    await post.upkeep.reconcile(post.keeper)
    await post.tasks.done()
    assert [request for request, _ in post.keeper.prompts.items()] == requests[:6:-1]
    assert post.counts.rewarmed == 3


async def test_a_bug_while_warming_is_counted_and_survived(
    post: Post, monkeypatch: pytest.MonkeyPatch, said: io.StringIO
) -> None:
    """The next prompt is warmed all the same."""
    await post.ask("commands/hello")
    await post.ask("commands/other")
    attempt = post.keeper.attempt

    def broken(attempted: Any, sweep: Any) -> Any:
        if attempted.request == HELLO:
            raise LookupError("nobody thought of this")
        return attempt(attempted, sweep)

    monkeypatch.setattr(post.keeper, "attempt", broken)
    await post.write("components/tone.md", "Be brief.\n")
    await post.write("commands/other.md", "Else.\n")
    await post.upkeep.reconcile(post.keeper)
    await post.tasks.done()
    assert (post.counts.failures, post.counts.rewarmed) == (1, 1)
    assert said.getvalue().count("upkeep failed") == 1


# -- watching -----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_two_thousand_files_are_one_batch(post: Post, until: Until, said: io.StringIO) -> None:
    """A checkout is one line in the log, and a revision for each part of it that keeps the loop for 3 ms."""
    # Half a second of quiet, so that a busy machine cannot make two bursts of one.
    await post.watch(WatchConfig(step_ms=5, settle_ms=500, max_settle_ms=5_000))
    await until(lambda: post.counts.batches == 1)  # the first look at everything

    def check_out() -> None:
        for number in range(2_000):
            (post.root / f"components/{number}.md").write_text("One of many.\n")

    before = post.keeper.library.revision
    await asyncio.to_thread(check_out)
    await until(lambda: sum(batch["added"] for batch in logged(said, "batch")) == 2_000)
    batches = logged(said, "batch")
    assert post.keeper.library.revision - before <= len(batches) + 2_000 // flows.READ_AT_ONCE
    assert len(batches) <= 3  # one, unless the disk itself pauses for half a second


async def test_watching_can_be_turned_off_and_on(post: Post, until: Until) -> None:
    """The mode says so, and what happened meanwhile is found when it begins again."""
    await post.watch()
    await until(lambda: post.counts.batches == 1)
    assert post.upkeep.watcher_statistics().mode == "inotify"  # type: ignore[union-attr]
    await post.upkeep.watch(WatchConfig(enabled=False))
    assert post.upkeep.watcher_statistics() == {"mode": "off"}
    await post.write("new.md", "New.\n")
    await post.upkeep.watch(WATCH)
    await until(lambda: "new.md" in post.keeper.library)


async def test_a_batch_that_fails_is_survived(
    post: Post, until: Until, monkeypatch: pytest.MonkeyPatch, said: io.StringIO
) -> None:
    """One batch is lost and logged; the next one is applied."""
    await post.watch()
    await until(lambda: post.counts.batches == 1)
    follow = flows.follow

    def broken(*_: Any) -> Any:
        monkeypatch.setattr(module.flows, "follow", follow)
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(module.flows, "follow", broken)
    await post.write("first.md", "First.\n")
    await until(lambda: post.counts.failures == 1)
    await post.write("second.md", "Second.\n")
    await until(lambda: "second.md" in post.keeper.library)
    assert "nobody thought of this" in said.getvalue()


async def test_a_watcher_that_dies_of_a_bug_is_replaced(
    post: Post, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own supervisor mends what is foreseen; this is for the rest."""
    monkeypatch.setattr(module, "WATCH_AGAIN_S", 0.01)
    make, made = module.Watcher, list[object]()

    def broken_once(*arguments: Any) -> Any:
        made.append(arguments)
        if len(made) == 1:
            raise LookupError("nobody thought of this")
        return make(*arguments)

    monkeypatch.setattr(module, "Watcher", broken_once)
    await post.watch()
    await post.write("new.md", "New.\n")
    await until(lambda: "new.md" in post.keeper.library)
    assert len(made) == 2


async def test_ignored_names_are_nobodys_business_but_a_swap_of_volumes_is(post: Post) -> None:
    """`..data` is how Kubernetes exchanges a whole volume."""
    is_ignored = post.upkeep._is_ignored
    assert is_ignored(f"{post.root}/.git/index")
    assert is_ignored(f"{post.root}/commands/.#hello.md")
    assert not is_ignored(f"{post.root}/..data")
    assert not is_ignored(f"{post.root}/commands/hello.md")
    assert not is_ignored(str(post.root))


# -- reconciling --------------------------------------------------------------------------------


async def test_a_change_that_no_event_told_of_counts_as_missed(post: Post, until: Until) -> None:
    """A write through a hard link outside the library raises no event in it."""
    outside = post.root.parent / "outside.md"
    await asyncio.to_thread(os.link, post.root / "components/tone.md", outside)
    await post.watch()
    await until(lambda: post.counts.batches == 1)
    await asyncio.to_thread(outside.write_text, "Be sly.\n")
    found = await post.upkeep.reconcile(post.keeper)
    assert found.changed == 1
    assert post.counts.missed_events_total == 0, "an event might still be on its way"
    await until(lambda: post.counts.missed_events_total == 1)


async def test_a_change_whose_event_comes_after_the_scan_is_not_missed(post: Post, until: Until) -> None:
    """Edited, added and deleted files that a reconcile sees first are explained by their events."""
    post.upkeep._missed = Missed(time.monotonic, explained_s=60.0)
    await post.watch(WatchConfig(step_ms=5, settle_ms=400, max_settle_ms=5_000))  # time to see them first
    await until(lambda: post.counts.batches == 1)
    await post.write("components/tone.md", "Be brief.\n")
    await post.write("new.md", "New.\n")
    await asyncio.to_thread((post.root / "commands/other.md").unlink)
    found = await post.upkeep.reconcile(post.keeper)
    assert (found.changed, found.added, found.removed) == (1, 1, 1)
    suspects = post.upkeep._missed._suspects
    assert len(suspects) == 3
    await until(lambda: not post.upkeep._missed._suspects)
    assert post.counts.missed_events_total == 0


async def test_without_a_watcher_nothing_is_missed(post: Post) -> None:
    """There were no events to miss."""
    await post.write("components/tone.md", "Be brief.\n")
    await post.upkeep.reconcile(post.keeper)
    assert not post.upkeep._missed._suspects


async def test_those_who_reconcile_at_the_same_time_share_a_scan(post: Post, said: io.StringIO) -> None:
    """A hundred requests, one scan, one line in the log; and everyone hears what it found."""
    await post.write("new.md", "New.\n")
    found = await asyncio.gather(*(post.upkeep.reconcile(post.keeper) for _ in range(100)))
    assert {each.added for each in found} == {1}
    assert post.counts.reconciles == 1
    assert said.getvalue().count('"reconcile"') == 1


async def test_a_request_of_a_former_keeper_reconciles_that_one(post: Post) -> None:
    """After a reload, calls under way still go by the library they began with."""
    former, keeper = post.keeper, await asyncio.to_thread(keeper_of, post.root)
    await post.upkeep.take_over(keeper)
    await post.write("new.md", "New.\n")
    await post.upkeep.reconcile(former)
    assert "new.md" in former.library
    assert "new.md" not in keeper.library
    keeper.close()


async def test_the_timer_reconciles_and_survives(
    post: Post, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its interval, whatever one scan runs into."""
    reconcile = flows.reconcile

    def broken(*_: Any) -> Any:
        monkeypatch.setattr(module.flows, "reconcile", reconcile)
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(module.flows, "reconcile", broken)
    post.tasks.spawn(post.upkeep.reconcile_every(0.01))
    await post.write("new.md", "New.\n")
    await until(lambda: "new.md" in post.keeper.library)
    assert post.counts.failures == 1


# -- reload -------------------------------------------------------------------------------------


async def test_another_keeper_is_warmed_with_what_was_held(post: Post) -> None:
    """After a reload the prompts that were ready are ready again, and changes during it are found."""
    await post.ask("commands/hello")
    keeper = await asyncio.to_thread(keeper_of, post.root)
    await post.write("components/tone.md", "Be brief.\n")
    await post.upkeep.take_over(keeper)
    await post.tasks.done()
    assert post.warm_text() == "Hello.\nBe brief.\n"
    keeper.close()


# -- use counts ---------------------------------------------------------------------------------


async def test_use_counts_are_kept_and_taken_back(post: Post) -> None:
    """Also those of a prompt that a change has dropped since."""
    await post.upkeep.restore()
    await post.ask("commands/hello")
    await post.write("commands/hello.md", "Hello again.\n")
    await post.upkeep.reconcile(post.keeper)
    await post.upkeep.keep()
    again = Post(post.root, await asyncio.to_thread(keeper_of, post.root))
    await again.upkeep.restore()
    assert set(again.keeper.hot.weights(0.0)) == {"commands/hello.md", "components/tone.md"}
    again.keeper.close()


async def test_counts_are_not_overwritten_before_they_were_taken_back(post: Post) -> None:
    """A daemon that ends during its start leaves them as they were."""
    kept = post.state / "hot.json"
    await asyncio.to_thread(kept.write_text, "as it was")
    await post.upkeep.keep()
    assert await asyncio.to_thread(kept.read_text) == "as it was"


async def test_the_timer_keeps_counts_and_warms_the_hot_set(post: Post, until: Until) -> None:
    """At its interval: hot.json on disk, and hot texts in the cache."""
    await post.upkeep.restore()
    await post.ask("commands/hello")
    post.keeper.texts.discard("components/tone.md")
    post.tasks.spawn(post.upkeep.keep_every(0.01))
    await until(lambda: "components/tone.md" in post.keeper.texts)
    await until((post.state / "hot.json").exists)


async def test_what_cannot_be_kept_is_a_problem_for_the_operator(post: Post) -> None:
    """And for nobody else."""
    await post.upkeep.restore()
    assert post.upkeep.problems() == []
    await asyncio.to_thread(post.state.rmdir)
    await post.upkeep.keep()
    assert [problem.partition(":")[0] for problem in post.upkeep.problems()] == ["use counts are not kept"]
    without = Upkeep(post.keeper, None, post.tasks.spawn)
    await without.restore()
    await without.keep()
    assert without.problems() == []
    assert "0 batches" in repr(without)


# -- the index ----------------------------------------------------------------------------------


async def test_the_index_is_written_when_there_is_news(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after the start, not again for what is known already, at the end for what came since."""
    monkeypatch.setattr(module, "INDEX_EVERY_S", 0.0)
    path = post.state / "index.bin"
    await post.upkeep.restore()
    await post.upkeep.keep()
    first = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(path.unlink)
    await post.upkeep.keep(is_last=True)
    assert not await asyncio.to_thread(path.exists)
    await post.write("commands/other.md", "Something new.\n")
    await post.upkeep.reconcile(post.keeper)
    await post.upkeep.keep(is_last=True)
    assert await asyncio.to_thread(path.read_bytes) != first


async def test_the_index_is_not_written_all_the_time(post: Post) -> None:
    """Between the first time and the end an interval lies, however much changes."""
    path = post.state / "index.bin"
    await post.upkeep.keep()
    await asyncio.to_thread(path.unlink)
    await post.write("commands/other.md", "Something new.\n")
    await post.upkeep.reconcile(post.keeper)
    await post.upkeep.keep()
    assert not await asyncio.to_thread(path.exists)


async def test_a_library_that_is_not_known_yet_is_not_indexed(post: Post) -> None:
    """A daemon that ends during its start leaves the index of the last one."""
    keeper = await asyncio.to_thread(keeper_of, post.root, is_filled=False)
    upkeep = Upkeep(keeper, post.state, post.tasks.spawn)
    await upkeep.keep(is_last=True)
    assert not await asyncio.to_thread((post.state / "index.bin").exists)
    keeper.close()
