"""Scenes that need a place of their own: `unshare … python -m tests.faults.inside SCENE DIRECTORY`.

Mounts and limits are changed here, in namespaces that end with the process. What happened is printed as one
line of JSON; the tests judge.
"""

import asyncio
import ctypes
import dataclasses
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from watchfiles._rust_notify import RustNotify

from promptd.watch import health_checks as rounds
from promptd.watch.inotify import instances
from tests.faults.house import (
    House,
    a_house,
    shows,
    until,
)
from tests.faults.plain import plain

Story = dict[str, Any]
LIBC = ctypes.CDLL(None, use_errno=True)
WATCHES = Path("/proc/sys/user/max_inotify_watches")
INSTANCES = Path("/proc/sys/user/max_inotify_instances")
DETACH = 2


def mount(source: str, target: Path, kind: str, options: str = "") -> None:
    """Mount something. Raises OSError."""
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), 0, options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def unmount(target: Path) -> None:
    """Unmount what is there, even if it is in use. Raises OSError."""
    if LIBC.umount2(os.fsencode(target), DETACH):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def fill(root: Path, text: str) -> None:
    """A library with this text in its part."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "hello.md").write_text("Hello.\n<include>part.md</include>\n")
    (root / "part.md").write_text(text)


def watcher_of(house: House) -> Story:
    """The watcher's statistics as JSON has them."""
    return dataclasses.asdict(house.watcher)


# -- mounts -----------------------------------------------------------------------------------


async def mounted(place: Path) -> Story:
    """The library is a mount: it is unmounted, mounted again, and another file system is put over it."""
    root = place / "lib"
    root.mkdir()
    mount("none", root, "tmpfs")
    fill(root, "mounted\n")
    with plain(root) as watch:
        unmount(root)
        watch.told()
        fill(root, "below\n")
        told = watch.told()
    mount("none", root, "tmpfs")
    fill(root, "mounted again\n")
    async with a_house(root) as house:
        unmount(root)
        await house.warm("below")
        (root / "part.md").write_text("below, written\n")
        await house.warm("below, written")
        mount("none", root, "tmpfs")
        await house.until(lambda: len(house.workspace.library) == 0)
        fill(root, "on top\n")
        await house.until(lambda: len(house.workspace.library) == 2)
        answer = await house.ask()
        (root / "part.md").write_text("on top, written\n")
        await house.warm("on top, written")
        return {"plain": sorted(told), "answer": answer, "watcher": watcher_of(house)}


async def mounted_inside(place: Path) -> Story:
    """A directory of the library becomes a mount point while it is watched; the root stays what it was."""
    root = place / "lib"
    fill(root, "part\n")
    (root / "sub").mkdir()
    (root / "hello.md").write_text("<include>sub/x.md</include>\n")
    (root / "sub" / "x.md").write_text("below\n")
    async with a_house(root) as house:
        mount("none", root / "sub", "tmpfs")
        (root / "sub" / "x.md").write_text("mounted\n")
        await house.warm("mounted")
        (root / "sub" / "x.md").write_text("written\n")
        await house.warm("written")
        unmount(root / "sub")
        await house.warm("below")
        return {"watcher": watcher_of(house)}


async def overlaid(place: Path) -> Story:
    """The library is an overlay, and its lower layer is changed underneath it."""
    mount("none", place, "tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        (place / name).mkdir()
    lower, root = place / "lower", place / "merged"
    fill(lower, "lower\n")
    mount("none", root, "overlay", f"lowerdir={lower},upperdir={place}/upper,workdir={place}/work")
    with plain(root) as watch:
        (lower / "part.md").write_text("told?\n")
        told = watch.told()
    async with a_house(root) as house:
        (lower / "part.md").write_text("under it\n")
        await house.warm("under it")
        scans = house.watcher.scans
        await shows(house, (root / "part.md").write_text)
        return {
            "plain": sorted(told),
            "scans": scans,
            "missed": house.missed,
            "watcher": watcher_of(house),
        }


# -- limits -----------------------------------------------------------------------------------


async def few_watches(place: Path) -> Story:
    """40 watches for 60 directories; then there are enough."""
    root = place / "lib"
    fill(root, "part\n")
    for number in range(60):
        (root / f"d{number:02}").mkdir()
    last = root / "d59" / "x.md"
    (root / "hello.md").write_text("<include>part.md</include>\n<include optional>d59/x.md</include>\n")
    WATCHES.write_text("40")
    try:
        RustNotify([str(root)], False, False, 0, True, False)
        refusal = ""
    except OSError as problem:
        refusal = str(problem)
    await until(lambda: instances() == 0)  # the refused one's watches are freed a moment later
    with plain(root / "d00") as watch:
        WATCHES.write_text("1")
        (root / "d00" / "new").mkdir()
        told = watch.told()
        (root / "d00" / "new" / "y.md").touch()
        told_later = watch.told()
    WATCHES.write_text("40")
    async with a_house(root) as house:
        before = watcher_of(house)
        await shows(house, (root / "part.md").write_text)
        last.write_text("unwatched\n")
        answer = await house.ask()
        await house.rest()
        last.write_text("unwatched again\n")
        await house.warm("unwatched again")
        is_heard = (watcher := house.maintenance.follower.watcher) is None or watcher.hears_of(str(last))
        scans = house.watcher.scans
        WATCHES.write_text("100000")
        await house.until(lambda: house.watcher.mode == "inotify")
        last.write_text("watched\n")
        await house.warm("watched")
        return {
            "refusal": refusal,
            "plain": [sorted(told), sorted(told_later)],
            "before": before,
            "answer": answer,
            "is_heard": is_heard,
            "scans": scans,
            "watcher": watcher_of(house),
        }


async def no_instances(place: Path) -> Story:
    """No inotify instance is to be had at first; then one is."""
    root = place / "lib"
    fill(root, "part\n")
    INSTANCES.write_text("0")
    async with a_house(root) as house:
        before = watcher_of(house)
        await shows(house, (root / "part.md").write_text)
        INSTANCES.write_text("128")
        await house.until(lambda: house.watcher.mode == "inotify")
        (root / "part.md").write_text("watched\n")
        await house.warm("watched")
        return {"before": before, "watcher": watcher_of(house)}


# -- the queue --------------------------------------------------------------------------------


async def listen(place: Path) -> Story:
    """Watch plainly; say so, wait for a file named `go`, and say how many files were told."""
    with plain(place) as watch:
        (place.parent / "listening").touch()
        await until((place.parent / "go").exists, 40.0)
        return {"told": len(watch.told(500))}


SCENES: dict[str, Callable[[Path], Awaitable[Story]]] = {
    scene.__name__: scene for scene in (mounted, mounted_inside, overlaid, few_watches, no_instances, listen)
}


def main() -> None:
    """Play one scene."""
    rounds.RETRY_S = 0.3
    story = asyncio.run(SCENES[sys.argv[1]](Path(sys.argv[2])))  # type: ignore[arg-type]
    print(json.dumps(story))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
