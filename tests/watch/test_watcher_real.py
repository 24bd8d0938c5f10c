"""The watcher over real watchfiles and a real file system: each fault of file events, handled or reported.

Nothing sleeps: a test changes something and takes batches until one covers the path, or fails at the
deadline. Where plain watchfiles would report nothing, the first change does not prove enough: a second one
after it shows that the new paths are watched.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from promptd.core.library.resolve import NamingRules
from promptd.sources.worktree.files import Worktree
from promptd.watch.debounce import Batch
from promptd.watch.inotify import Inotify
from promptd.watch.watch_thread import Ports
from promptd.watch.watcher import Timing, Watcher
from tests.watch.fakes import AsNobody

DEADLINE_S = 20.0
Until = Callable[[Callable[[], object]], Awaitable[None]]
QUICK = Timing(step_ms=5, settle_ms=10, max_settle_ms=500)
IGNORED = (".git", ".venv")


def is_ignored(path: str) -> bool:
    """Editors' backups, dotted temporaries and repositories, as the default configuration has it."""
    name = os.path.basename(path)
    return name in IGNORED or name.endswith(("~", ".tmp")) or name.startswith("..")


def tree_of(*roots: Path) -> Worktree:
    """The working tree, which lists the directories."""
    return Worktree(
        [str(root) for root in roots], NamingRules((".md",), {}, (*IGNORED, "*~", "*.tmp", "..*"))
    )


@asynccontextmanager
async def watching(*roots: Path, timing: Timing = QUICK) -> AsyncIterator[Watcher]:
    """A watcher on these roots whose first batch, the full one, is taken already."""
    watcher = Watcher([str(root) for root in roots], tree_of(*roots).directories, is_ignored, timing)
    async with watcher:
        await take(watcher)
        yield watcher


async def take(watcher: Watcher) -> Batch:
    """The next batch within the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return await anext(watcher)


async def covered(watcher: Watcher, *paths: Path) -> list[Batch]:
    """Take batches until all paths are covered; returns the batches."""
    missing = {str(path) for path in paths}
    batches: list[Batch] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            while missing:
                batches.append(await anext(watcher))
                missing = {path for path in missing if not batches[-1].covers(path)}
    except TimeoutError:
        pytest.fail(f"never reported: {sorted(missing)[:5]} in {batches}")
    return batches


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library `place/lib` with a component at the top and one below."""
    lib = tmp_path.resolve() / "place" / "lib"
    (lib / "sub").mkdir(parents=True)
    (lib / "a.md").write_text("a")
    (lib / "sub" / "b.md").write_text("b")
    return lib


# -- plain changes ----------------------------------------------------------------------------


async def test_create_edit_and_delete(root: Path) -> None:
    """Each of the three is reported, at the top and below, by the path alone."""
    async with watching(root) as watcher:
        for path in (root / "new.md", root / "sub" / "new.md"):
            path.write_text("1")
            assert (await covered(watcher, path))[-1].paths == {str(path)}
            path.write_text("2")
            await covered(watcher, path)
            path.unlink()
            assert not (await covered(watcher, path))[-1].directories


async def test_atomic_save_and_rename(root: Path) -> None:
    """An editor's save by renaming a temporary file over the old one, and a plain rename."""
    async with watching(root) as watcher:
        (root / "a.md.tmp").write_text("new")
        (root / "a.md.tmp").rename(root / "a.md")
        assert (await covered(watcher, root / "a.md"))[-1].paths == {str(root / "a.md")}
        (root / "a.md").rename(root / "sub" / "b.md")
        await covered(watcher, root / "a.md", root / "sub" / "b.md")
        (root / "sub" / "b.md").write_text("still watched")
        await covered(watcher, root / "sub" / "b.md")


async def test_permission_and_time_changes(root: Path) -> None:
    """A chmod or a restored time is an event too."""
    async with watching(root) as watcher:
        (root / "a.md").chmod(0o600)
        await covered(watcher, root / "a.md")
        os.utime(root / "a.md", (1, 1))
        await covered(watcher, root / "a.md")


async def test_ignored_names_make_no_batch(root: Path) -> None:
    """Writes to ignored files and into ignored directories are in no batch."""
    async with watching(root) as watcher:
        (root / "a.md~").write_text("backup")
        (root / ".git").mkdir()
        (root / ".git" / "index").write_text("x")
        (root / "last.md").write_text("x")
        batches = await covered(watcher, root / "last.md")
    assert [batch.paths for batch in batches] == [{str(root / "last.md")}]


async def test_a_library_below_an_ignored_name_is_watched(tmp_path: Path) -> None:
    """A root inside a directory called `.venv` is a library like any other."""
    root = tmp_path.resolve() / ".venv" / "lib"
    root.mkdir(parents=True)
    async with watching(root) as watcher:
        (root / "a.md").write_text("a")
        await covered(watcher, root / "a.md")


async def test_neighbours_of_the_root_make_no_batch(root: Path) -> None:
    """What happens beside the root, in the directory watched for the root's sake, is in no batch."""
    async with watching(root) as watcher:
        (root.parent / "other.md").write_text("x")
        (root.parent / "lib2").mkdir()
        (root / "last.md").write_text("x")
        batches = await covered(watcher, root / "last.md")
    assert [batch.paths for batch in batches] == [{str(root / "last.md")}]


# -- directories ------------------------------------------------------------------------------


async def test_nested_directories_made_and_written_at_once(root: Path) -> None:
    """`mkdir -p a/b/c/d` and a write: plain watchfiles misses most; later writes down there are seen."""
    async with watching(root) as watcher:
        for attempt in range(10):
            deep = root / f"new{attempt}" / "b" / "c" / "d"
            deep.mkdir(parents=True)
            (deep / "x.md").write_text("x")
            await covered(watcher, deep / "x.md")
            (deep / "y.md").write_text("y")
            await covered(watcher, deep / "y.md")


async def test_a_directory_moved_in_and_out(root: Path, tmp_path: Path) -> None:
    """Files inside a moved directory are covered by its rescan, and watched from then on."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "x.md").write_text("x")
    async with watching(root) as watcher:
        outside.rename(root / "in")
        await covered(watcher, root / "in" / "deep" / "x.md")
        (root / "in" / "deep" / "y.md").write_text("y")
        await covered(watcher, root / "in" / "deep" / "y.md")
        (root / "in").rename(outside)
        await covered(watcher, root / "in" / "deep" / "x.md")
        (outside / "deep" / "z.md").write_text("no longer ours")
        (root / "last.md").write_text("x")
        batches = await covered(watcher, root / "last.md")
    named = {path for batch in batches for path in batch.paths | batch.directories}
    assert all(path.startswith(str(root)) for path in named)
    assert not any("z.md" in path for path in named)


async def test_a_directory_replaced_by_another_of_its_name(root: Path) -> None:
    """`rm -rf sub; mv new sub`: writes into the new one are seen."""
    async with watching(root) as watcher:
        shutil.rmtree(root / "sub")
        (root / "sub").mkdir()
        (root / "sub" / "x.md").write_text("x")
        await covered(watcher, root / "sub" / "x.md", root / "sub" / "b.md")
        (root / "sub" / "y.md").write_text("y")
        await covered(watcher, root / "sub" / "y.md")


async def test_a_removed_tree_is_covered_whole(root: Path) -> None:
    """Everything below a removed directory is covered by the batch, whichever events came."""
    async with watching(root) as watcher:
        shutil.rmtree(root / "sub")
        await covered(watcher, root / "sub" / "b.md", root / "sub")


async def test_a_kubernetes_volume_swap(root: Path) -> None:
    """`..data` is re-pointed and no event names the files: their directory is rescanned."""
    for version in ("..2001", "..2002"):
        (root / version).mkdir()
        (root / version / "map.md").write_text(version)
    (root / "..data").symlink_to("..2001")
    (root / "map.md").symlink_to("..data/map.md")
    async with watching(root) as watcher:
        (root / "..data_tmp").symlink_to("..2002")
        (root / "..data_tmp").rename(root / "..data")
        await covered(watcher, root / "map.md")


# -- the root itself --------------------------------------------------------------------------


async def test_the_root_deleted_and_recreated(root: Path) -> None:
    """Gone is seen, back again is seen, and the new one is watched; three times over."""
    async with watching(root) as watcher:
        for _ in range(3):
            shutil.rmtree(root)
            await covered(watcher, root / "a.md")
            (root / "sub").mkdir(parents=True)
            (root / "sub" / "b.md").write_text("again")
            await covered(watcher, root / "sub" / "b.md")
            (root / "sub" / "c.md").write_text("watched")
            await covered(watcher, root / "sub" / "c.md")


async def test_the_root_deleted_and_recreated_at_once(root: Path) -> None:
    """Without a pause between the two the new inode may have the old number; it is watched all the same."""
    async with watching(root) as watcher:
        for _ in range(5):
            shutil.rmtree(root)
            root.mkdir()
            await covered(watcher, root)
            (root / "c.md").write_text("watched")
            await covered(watcher, root / "c.md")


async def test_the_root_renamed_and_another_in_its_place(root: Path) -> None:
    """Writes to the renamed directory are not taken for writes to the root."""
    async with watching(root) as watcher:
        root.rename(root.parent / "old")
        await covered(watcher, root)
        (root.parent / "old" / "a.md").write_text("elsewhere")
        root.mkdir()
        (root / "n.md").write_text("new")
        await covered(watcher, root / "n.md")
        (root / "m.md").write_text("new")
        batches = await covered(watcher, root / "m.md")
    assert not any("old" in path for batch in batches for path in batch.paths | batch.directories)


async def test_a_linked_root_is_re_pointed(root: Path) -> None:
    """The link is replaced atomically, as releases are switched: everything is rescanned and watched."""
    other = root.parent / "v2"
    other.mkdir()
    current = root.parent.parent / "current"
    current.symlink_to(root)
    async with watching(current) as watcher:
        (current / "x.md").write_text("1")
        await covered(watcher, current / "x.md")
        (current.parent / "next").symlink_to(other)
        (current.parent / "next").rename(current)
        await covered(watcher, current / "a.md")
        (other / "y.md").write_text("2")
        await covered(watcher, current / "y.md")


async def test_what_a_linked_root_leads_to_is_replaced(root: Path) -> None:
    """The link stays, its target is swapped for another directory: seen from beside the target."""
    current = root.parent.parent / "current"
    current.symlink_to(root)
    async with watching(current) as watcher:
        root.rename(root.parent / "old")
        root.mkdir()
        await covered(watcher, current / "a.md")
        (root / "y.md").write_text("2")
        await covered(watcher, current / "y.md")


async def test_a_root_that_does_not_exist_yet(tmp_path: Path) -> None:
    """A library that appears later, parents and all, is watched from then on."""
    root = tmp_path.resolve() / "not" / "yet" / "lib"
    async with watching(root) as watcher:
        root.mkdir(parents=True)
        (root / "a.md").write_text("a")
        await covered(watcher, root / "a.md")
        (root / "b.md").write_text("b")
        await covered(watcher, root / "b.md")


async def test_two_roots(root: Path) -> None:
    """Changes of both are reported, and the loss of one leaves the other watched."""
    other = root.parent / "other"
    other.mkdir()
    async with watching(root, other) as watcher:
        (other / "x.md").write_text("x")
        await covered(watcher, other / "x.md")
        shutil.rmtree(other)
        await covered(watcher, other / "x.md")
        (root / "y.md").write_text("y")
        await covered(watcher, root / "y.md")


# -- what breaks plain watchfiles -------------------------------------------------------------


async def test_a_name_that_is_not_utf8(root: Path) -> None:
    """Watchfiles fails for good on such a name: the watcher restarts, asks for a full scan, and goes on."""
    async with watching(root) as watcher:
        (root / os.fsdecode(b"\xff.md")).write_text("odd")
        batches = await covered(watcher, root / "anything.md")
        assert batches[-1].full
        (root / "b.md").write_text("b")
        assert str(root / "b.md") in (await covered(watcher, root / "b.md"))[-1].paths
        statistics = watcher.statistics()
    assert statistics.watcher_restarts_total == 1
    assert "decode" in statistics.last_error
    assert statistics.mode == "inotify"


async def test_an_unreadable_directory_affects_only_itself(as_nobody: AsNobody) -> None:
    """The siblings of an unreadable directory are watched; made readable, it is too."""
    root = as_nobody.directory / "lib"
    for name in ("a", "m", "z"):
        (root / name).mkdir(parents=True)
    (root / "m").chmod(0)

    def make(paths: Sequence[str]) -> Inotify:
        with as_nobody:
            return Inotify(paths)

    watcher = Watcher(
        [str(root)], tree_of(root).directories, is_ignored, QUICK, make_ports=lambda: Ports(make=make)
    )
    async with watcher:
        await take(watcher)
        for name in ("a", "z"):
            (root / name / "x.md").write_text("x")
            await covered(watcher, root / name / "x.md")
        (root / "m").chmod(0o755)
        await covered(watcher, root / "m")
        (root / "m" / "x.md").write_text("x")
        await covered(watcher, root / "m" / "x.md")
        assert watcher.statistics().watcher_restarts_total == 0


async def test_a_link_to_a_directory_outside_is_never_watched(root: Path, tmp_path: Path) -> None:
    """A symlink that leads out is reported as a place to rescan; nothing behind it is watched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    async with watching(root) as watcher:
        before = watcher.statistics().directories
        (root / "link").symlink_to(outside)
        await covered(watcher, root / "link")
        assert watcher.statistics().directories == before
        (outside / "x.md").write_text("x")
        (root / "last.md").write_text("x")
        batches = await covered(watcher, root / "last.md")
    assert {path for batch in batches for path in batch.paths} == {str(root / "last.md")}


@pytest.mark.slow
def test_too_few_inotify_watches(root: Path) -> None:
    """With fewer watches than directories the outer ones are watched, and the mode says it is degraded."""
    for number in range(60):
        (root / f"d{number}").mkdir()
    script = 'echo 40 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"'
    command = ["unshare", "-Ur", "sh", "-c", script]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a user namespace with a limit of its own cannot be made here")
    helper = Path(__file__).with_name("under_limit.py")
    here = {**os.environ, "PYTHONPATH": str(helper.parents[2])}
    done = subprocess.run(
        [*command, sys.executable, str(helper), str(root)],
        capture_output=True,
        check=True,
        env=here,
        text=True,
    )
    for statistics in json.loads(done.stdout.splitlines()[-1]):
        assert statistics["mode"] == "degraded: watch limit"
        assert 2 <= statistics["directories"] <= 40
        assert statistics["directories"] + statistics["directories_unwatched"] >= 63


# -- many and fast ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1, 50])
async def test_a_burst_of_files_is_a_few_batches(root: Path, spread: int) -> None:
    """Ten batches a second at the most, and a reader that obeys them ends up with every file."""
    files = [root / f"d{number % spread}" / f"{number}.md" for number in range(3_000)]

    def checkout() -> None:
        for path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
        (root / "last.md").write_text("x")

    read: set[Path] = set()
    number_of_batches, started_s = 0, time.monotonic()
    async with watching(root, timing=Timing()) as watcher:
        writing = asyncio.create_task(asyncio.to_thread(checkout))
        while not read.issuperset(files):
            batch = await take(watcher)
            number_of_batches += 1
            read.update(path for path in files if batch.covers(str(path)) and path.exists())
        await writing
    assert number_of_batches <= 30 + 10 * (time.monotonic() - started_s)


async def test_settling_makes_one_batch_of_one_save(root: Path) -> None:
    """Ten quick writes to three files are one batch."""
    async with watching(root, timing=Timing(step_ms=20, settle_ms=100)) as watcher:
        for number in range(10):
            (root / f"{number % 3}.md").write_text(str(number))
        batches = await covered(watcher, root / "0.md", root / "1.md", root / "2.md")
    assert len(batches) == 1


async def test_writes_never_stop(root: Path) -> None:
    """A file written without a pause holds a batch back for a few `max_settle_ms`, as this loop has them."""
    stop = asyncio.Event()
    spans = 0

    async def count_spans() -> None:
        nonlocal spans
        while not stop.is_set():
            await asyncio.sleep(0.2)
            spans += 1

    async def scribble() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (root / f"{number % 7}.md").write_bytes(b"%d" % number)
            await asyncio.sleep(0.002)

    async with watching(root, timing=Timing(step_ms=5, settle_ms=30, max_settle_ms=200)) as watcher:
        beside = [asyncio.create_task(scribble()), asyncio.create_task(count_spans())]
        await take(watcher)
        await take(watcher)
        passed = spans
        stop.set()
        await asyncio.gather(*beside)
    assert passed < 10


# -- the end ----------------------------------------------------------------------------------


async def test_closing_is_quick_and_leaves_nothing(root: Path, until: Until) -> None:
    """Closed before a pause of 100 ms is over that begins with it, even with a long step; no thread, no
    descriptor, no inotify instance remains.
    """
    me = psutil.Process()
    async with watching(root):
        pass
    before = me.num_fds()
    for _ in range(3):
        async with watching(root, timing=Timing(step_ms=50)) as watcher:
            closing, pause = (asyncio.ensure_future(each) for each in (watcher.aclose(), asyncio.sleep(0.1)))
            done, _ = await asyncio.wait([closing, pause], return_when=asyncio.FIRST_COMPLETED)
            assert closing in done
            await pause
    await until(lambda: me.num_fds() <= before)


@pytest.mark.slow
async def test_rebuilding_a_hundred_times_leaks_nothing(root: Path, until: Until) -> None:
    """Notifiers that were replaced give back their descriptors and watches."""
    me = psutil.Process()
    async with watching(root) as watcher:
        (root / "first").mkdir()
        await covered(watcher, root / "first")
        before = me.num_fds()
        for number in range(100):
            (root / f"n{number}").mkdir()
            await covered(watcher, root / f"n{number}")
        assert watcher.statistics().watcher_restarts_total == 0
        assert watcher.statistics().directories == 104
        more = watcher.statistics().notifiers - 1
        await until(lambda: me.num_fds() <= before + 3 * more)  # three descriptors each
        assert more <= 2
