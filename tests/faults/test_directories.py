"""Directories that appear with content, move, are swapped, or lead elsewhere: missed by watchfiles only."""

import shutil
from pathlib import Path

from watchfiles import DefaultFilter
from watchfiles.main import Change

from tests.faults.plain import plain
from tests.faults.running import running, shows


def hello(root: Path, *ids: str) -> None:
    """Write a `hello.md` that includes these."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "hello.md").write_text("".join(f"<include>{id}</include>\n" for id in ids))


# -- nested directories -----------------------------------------------------------------------


def test_plain_nested_directories_are_missed(root: Path) -> None:
    """`mkdir -p` and a write: one of twenty writes at least is never reported."""

    def is_missed(number: int) -> bool:
        with plain(root) as watch:
            deep = root / f"n{number}" / "b" / "c" / "d"
            deep.mkdir(parents=True)
            (deep / "x.md").touch()
            return str(deep / "x.md") not in watch.reported(50)

    assert any(is_missed(number) for number in range(20))


async def test_ours_nested_directories(root: Path) -> None:
    """Ten times `mkdir -p` and a write, and a write again into what has just been made."""
    hello(root, *(f"n{number}/b/c/d/x.md" for number in range(10)))
    async with running(root) as service:
        for number in range(10):
            deep = root / f"n{number}" / "b" / "c" / "d"
            deep.mkdir(parents=True)
            (deep / "x.md").write_text(f"made {number}\n")
            await service.warm(f"made {number}")
            (deep / "x.md").write_text(f"written {number}\n")
            await service.warm(f"written {number}")
        assert service.missed == 0


# -- moved in ---------------------------------------------------------------------------------


def test_plain_files_in_a_directory_that_is_moved_in_are_missed(root: Path) -> None:
    """Only the directory is reported, twenty times of twenty."""
    missed = 0
    for number in range(20):
        outside = root.parent / f"outside{number}"
        outside.mkdir()
        (outside / "x.md").touch()
        with plain(root) as watch:
            outside.rename(root / f"in{number}")
            missed += str(root / f"in{number}" / "x.md") not in watch.reported(30)
    assert missed == 20


async def test_ours_a_directory_that_is_moved_in_and_out(root: Path) -> None:
    """Its files are taken in with it, and go with it."""
    hello(root, "in/x.md")

    def move_in(text: str) -> None:
        if (root / "in").exists():
            (root / "in").rename(root.parent / f"out-{text.split(maxsplit=1)[0]}")
        coming = root.parent / "coming"
        coming.mkdir()
        (coming / "x.md").write_text(text)
        coming.rename(root / "in")

    async with running(root) as service:
        await shows(service, move_in)
        (root / "in" / "x.md").write_text("written\n")
        await service.warm("written")
        assert service.missed == 0


# -- replaced ---------------------------------------------------------------------------------


async def test_ours_a_directory_that_is_replaced(root: Path) -> None:
    """`rm -rf sub && mv new sub`: the new one is watched, not the inode of the old one."""
    hello(root, "sub/x.md")
    (root / "sub").mkdir()

    def replace(text: str) -> None:
        shutil.rmtree(root / "sub")
        new = root.parent / "new"
        new.mkdir()
        (new / "x.md").write_text(text)
        new.rename(root / "sub")

    async with running(root) as service:
        await shows(service, replace)
        (root / "sub" / "x.md").write_text("written\n")
        await service.warm("written")


# -- Kubernetes -------------------------------------------------------------------------------


def volume(root: Path) -> None:
    """A directory as a ConfigMap makes it: files are links through `..data` to a versioned directory."""
    (root / "..v0").mkdir(parents=True)
    (root / "..v0" / "map.md").write_text("zeroth text\n")
    (root / "..data").symlink_to("..v0")
    (root / "map.md").symlink_to("..data/map.md")


def swap(root: Path, text: str) -> None:
    """What the kubelet does when a ConfigMap changes."""
    version = root / f"..v-{text.split(maxsplit=1)[0]}"
    version.mkdir()
    (version / "map.md").write_text(text)
    (root / "..data_tmp").symlink_to(version.name)
    (root / "..data_tmp").rename(root / "..data")


def test_plain_a_volume_swap_tells_of_no_file(root: Path) -> None:
    """Neither of the link that is read nor of the file behind it."""
    volume(root)
    with plain(root) as watch:
        swap(root, "new")
        reported = watch.reported()
    assert str(root / "..data") in reported
    assert str(root / "map.md") not in reported


async def test_ours_a_volume_swap(root: Path) -> None:
    """The directory beside `..data` is read again."""
    volume(root / "config")
    hello(root, "config/map.md")
    async with running(root) as service:
        await shows(service, lambda text: swap(root / "config", text))
        assert service.missed == 0


# -- links ------------------------------------------------------------------------------------


def test_plain_a_link_leads_the_watch_out_of_the_library(root: Path) -> None:
    """What is written outside is reported: that place is watched, however large it is."""
    outside = root.parent / "outside" / "deep"
    outside.mkdir(parents=True)
    (root / "link").symlink_to(outside.parent)
    with plain(root) as watch:
        (outside / "secret.md").touch()
        assert str(root / "link" / "deep" / "secret.md") in watch.reported()


async def test_ours_a_link_out_of_the_library_is_neither_watched_nor_read(root: Path) -> None:
    """Not when it was there before, not when it comes later, and not when it takes a directory's place."""
    outside = root.parent / "outside" / "deep"
    outside.mkdir(parents=True)
    (outside / "secret.md").write_text("secret\n")
    (root / "link").symlink_to(outside.parent)
    (root / "sub").mkdir()
    hello(root, "link/deep/secret.md", "later/deep/secret.md", "sub/deep/secret.md", "part.md")
    async with running(root) as service:
        (root / "later").symlink_to(outside.parent)
        (root / "sub").rmdir()
        (root / "sub").symlink_to(outside.parent)
        (root / "part.md").write_text("after\n")
        await service.warm("after")
        await service.until(lambda: service.watcher.directories == 2)
        (outside / "secret.md").write_text("secret again\n")
        (root / "part.md").write_text("and after\n")
        await service.warm("and after")
        assert "secret" not in await service.ask()
        assert service.watcher.directories == 2


async def test_ours_a_directory_with_two_names(root: Path) -> None:
    """A link inside the library: one inode, one watch, and components by both names."""
    (root / "real").mkdir()
    (root / "real" / "x.md").write_text("zeroth text\n")
    (root / "alias").symlink_to("real")
    hello(root, "alias/x.md", "real/x.md")

    async with running(root) as service:
        await shows(service, (root / "real" / "x.md").write_text)
        await shows(service, (root / "alias" / "x.md").write_text)
        assert (await service.ask()).count("third text") == 2
        assert service.missed == 0


# -- names ------------------------------------------------------------------------------------


def test_plain_the_default_filter_ignores_a_whole_library_by_its_place() -> None:
    """It looks at every part of the path, that of the root included."""
    seen = DefaultFilter()
    assert not seen(Change.modified, "/home/ann/.venv/prompts/a.md")
    assert seen(Change.modified, "/home/ann/prompts/a.md")


async def test_ours_a_library_below_an_ignored_name(place: Path) -> None:
    """`.venv`, `.git` and the like hide what is below them in a library, not the library itself."""
    root = place / ".venv" / ".git" / "lib"
    hello(root, "part.md")
    async with running(root) as service:
        await shows(service, (root / "part.md").write_text)
