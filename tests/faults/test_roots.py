"""A root that goes, comes, moves or is replaced: watchfiles reports nothing from then on, and no error."""

import shutil
from pathlib import Path

from tests.faults.plain import plain
from tests.faults.running import running, shows


def fill(root: Path, text: str) -> None:
    """A library with this text in its part."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "hello.md").write_text("Hello.\n<include>part.md</include>\n")
    (root / "part.md").write_text(text)


# -- deleted and recreated --------------------------------------------------------------------


def test_plain_a_recreated_root_is_not_watched(root: Path) -> None:
    """The deletion is reported, and nothing ever after."""
    with plain(root) as watch:
        shutil.rmtree(root)
        assert watch.reported()
        fill(root, "again")
        assert watch.reported() == set()


async def test_ours_a_recreated_root(root: Path) -> None:
    """Gone and back, three times; and what is written into it later is seen."""

    def recreate(text: str) -> None:
        shutil.rmtree(root)
        fill(root, text)

    async with running(root) as service:
        await shows(service, recreate)
        await shows(service, (root / "part.md").write_text)


async def test_ours_a_root_that_was_away_for_a_while(root: Path) -> None:
    """While it is gone there is nothing to be had, and nothing is forgotten but that."""
    async with running(root) as service:
        shutil.rmtree(root)
        await service.until(lambda: len(service.workspace.library) == 0)
        fill(root, "back\n")
        await service.until(lambda: len(service.workspace.library) == 2)
        assert "back" in await service.ask()
        (root / "part.md").write_text("watched\n")
        await service.warm("watched")


# -- renamed ----------------------------------------------------------------------------------


def test_plain_a_renamed_root_is_confused_with_its_successor(root: Path) -> None:
    """Writes to the old directory are reported by the root's name, writes to the new one are not."""
    with plain(root) as watch:
        root.rename(root.parent / "old")
        watch.reported()
        (root.parent / "old" / "part.md").write_text("elsewhere")
        assert str(root / "part.md") in watch.reported()
        fill(root, "new")
        assert watch.reported() == set()


async def test_ours_a_renamed_root_and_its_successor(root: Path) -> None:
    """The new directory is watched, and the old one is no longer."""
    number = iter(range(10))

    def move_and_fill(text: str) -> None:
        root.rename(root.parent / f"old{next(number)}")
        fill(root, text)

    async with running(root) as service:
        await shows(service, move_and_fill)
        await service.until(lambda: service.watcher.directories == 2)
        events = service.watcher.events
        (root.parent / "old0" / "part.md").write_text("elsewhere\n")
        (root / "part.md").write_text("here\n")
        await service.warm("here")
        assert service.watcher.events - events <= 2, "one for the file, one for a look at its permissions"


# -- re-pointed -------------------------------------------------------------------------------


def test_plain_a_re_pointed_root_is_not_watched(root: Path) -> None:
    """Neither the change of the link nor anything behind it is reported."""
    fill(root.parent / "v2", "v2")
    current = root.parent / "current"
    current.symlink_to(root)
    with plain(current) as watch:
        (root.parent / "next").symlink_to(root.parent / "v2")
        (root.parent / "next").rename(current)
        (current / "part.md").write_text("new")
        assert watch.reported() == set()


async def test_ours_a_re_pointed_root(root: Path) -> None:
    """Releases are switched by a link, as they are with capistrano or nix; old ones are watched no longer."""
    current = root.parent / "current"
    current.symlink_to(root)

    def release(text: str) -> None:
        version = root.parent / f"v-{text.split(maxsplit=1)[0]}"
        fill(version, text)
        (root.parent / "next").symlink_to(version)
        (root.parent / "next").rename(current)

    async with running(current) as service:
        await shows(service, release)
        await shows(service, (current / "part.md").write_text)
        await service.until(lambda: service.watcher.directories == 2)


async def test_ours_a_link_further_up_is_re_pointed(root: Path) -> None:
    """`…/current/lib` is the root, and `current` is a link to a link: no watch is anywhere near."""
    for version in ("v1", "v2"):
        fill(root.parent / "deep" / version / "lib", f"{version}\n")
    (root.parent / "stable").symlink_to("deep/v1")
    (root.parent / "current").symlink_to("stable")
    async with running(root.parent / "current" / "lib") as service:
        assert "v1" in await service.ask()
        (root.parent / "next").symlink_to("deep/v2")
        (root.parent / "next").rename(root.parent / "stable")
        await service.warm("v2")
        (root.parent / "deep" / "v2" / "lib" / "part.md").write_text("written\n")
        await service.warm("written")


# -- above ------------------------------------------------------------------------------------


def test_plain_an_ancestor_that_is_renamed_is_not_reported(root: Path) -> None:
    """And what takes its place is not watched."""
    with plain(root) as watch:
        root.parent.rename(root.parent.parent / "elsewhere")
        assert watch.reported() == set()
        fill(root, "new")
        assert watch.reported() == set()


async def test_ours_an_ancestor_that_is_renamed(root: Path) -> None:
    """Three levels above the root, where nothing of ours is watched: a round finds it."""
    top = root.parent / "a"
    library = top / "b" / "c" / "lib"
    fill(library, "zeroth text\n")
    number = iter(range(10))

    def move_and_fill(text: str) -> None:
        top.rename(root.parent / f"old{next(number)}")
        fill(library, text)

    async with running(library) as service:
        await shows(service, move_and_fill)
        await shows(service, (library / "part.md").write_text)
        assert service.watcher.watcher_restarts_total == 0
