"""Scenarios that need a place of their own: `unshare … python -m tests.faults.inside SCENARIO DIRECTORY`.

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

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place
from promptd.engine import procedures
from promptd.errors import PromptdError
from promptd.protocol.request import request_of
from promptd.sources.worktree.files import Worktree
from promptd.watch import health_checks
from promptd.watch.inotify import instances
from tests.faults.plain import plain
from tests.faults.running import (
    Service,
    running,
    shows,
    until,
)

Outcome = dict[str, Any]
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


def watcher_of(service: Service) -> Outcome:
    """The watcher's statistics as JSON has them."""
    return dataclasses.asdict(service.watcher)


# -- mounts -----------------------------------------------------------------------------------


async def mounted(place: Path) -> Outcome:
    """The library is a mount: it is unmounted, mounted again, and another file system is put over it."""
    root = place / "lib"
    root.mkdir()
    mount("none", root, "tmpfs")
    fill(root, "mounted\n")
    with plain(root) as watch:
        unmount(root)
        watch.reported()
        fill(root, "below\n")
        reported = watch.reported()
    mount("none", root, "tmpfs")
    fill(root, "mounted again\n")
    async with running(root) as service:
        unmount(root)
        await service.warm("below")
        (root / "part.md").write_text("below, written\n")
        await service.warm("below, written")
        mount("none", root, "tmpfs")
        await service.until(lambda: len(service.workspace.library) == 0)
        fill(root, "on top\n")
        await service.until(lambda: len(service.workspace.library) == 2)
        answer = await service.ask()
        (root / "part.md").write_text("on top, written\n")
        await service.warm("on top, written")
        return {"plain": sorted(reported), "answer": answer, "watcher": watcher_of(service)}


async def mounted_inside(place: Path) -> Outcome:
    """A directory of the library becomes a mount point while it is watched; the root stays what it was."""
    root = place / "lib"
    fill(root, "part\n")
    (root / "sub").mkdir()
    (root / "hello.md").write_text("<include>sub/x.md</include>\n")
    (root / "sub" / "x.md").write_text("below\n")
    async with running(root) as service:
        mount("none", root / "sub", "tmpfs")
        (root / "sub" / "x.md").write_text("mounted\n")
        await service.warm("mounted")
        (root / "sub" / "x.md").write_text("written\n")
        await service.warm("written")
        unmount(root / "sub")
        await service.warm("below")
        return {"watcher": watcher_of(service)}


async def overlaid(place: Path) -> Outcome:
    """The library is an overlay, and its lower layer is changed underneath it."""
    mount("none", place, "tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        (place / name).mkdir()
    lower, root = place / "lower", place / "merged"
    fill(lower, "lower\n")
    mount("none", root, "overlay", f"lowerdir={lower},upperdir={place}/upper,workdir={place}/work")
    with plain(root) as watch:
        (lower / "part.md").write_text("reported?\n")
        reported = watch.reported()
    async with running(root) as service:
        (lower / "part.md").write_text("under it\n")
        await service.warm("under it")
        scans = service.watcher.scans
        await shows(service, (root / "part.md").write_text)
        return {
            "plain": sorted(reported),
            "scans": scans,
            "missed": service.missed,
            "watcher": watcher_of(service),
        }


# -- limits -----------------------------------------------------------------------------------


async def few_watches(place: Path) -> Outcome:
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
        reported = watch.reported()
        (root / "d00" / "new" / "y.md").touch()
        reported_later = watch.reported()
    WATCHES.write_text("40")
    async with running(root) as service:
        before = watcher_of(service)
        await shows(service, (root / "part.md").write_text)
        last.write_text("unwatched\n")
        answer = await service.ask()
        await service.rest()
        last.write_text("unwatched again\n")
        await service.warm("unwatched again")
        is_watched = (watcher := service.maintenance.follower.watcher) is None or watcher.is_watched(
            str(last)
        )
        scans = service.watcher.scans
        WATCHES.write_text("100000")
        await service.until(lambda: service.watcher.mode == "inotify")
        last.write_text("watched\n")
        await service.warm("watched")
        return {
            "refusal": refusal,
            "plain": [sorted(reported), sorted(reported_later)],
            "before": before,
            "answer": answer,
            "is_watched": is_watched,
            "scans": scans,
            "watcher": watcher_of(service),
        }


async def no_instances(place: Path) -> Outcome:
    """No inotify instance is to be had at first; then one is."""
    root = place / "lib"
    fill(root, "part\n")
    INSTANCES.write_text("0")
    async with running(root) as service:
        before = watcher_of(service)
        await shows(service, (root / "part.md").write_text)
        INSTANCES.write_text("128")
        await service.until(lambda: service.watcher.mode == "inotify")
        (root / "part.md").write_text("watched\n")
        await service.warm("watched")
        return {"before": before, "watcher": watcher_of(service)}


# -- a file system that does not answer --------------------------------------------------------


def hang(target: Path) -> None:
    """Mount a FUSE file system whose server never reads a request: whoever looks at it waits."""
    target.mkdir()
    server = os.open("/dev/fuse", os.O_RDWR)  # open until this process ends: that ends the waiting as well
    mount("hung", target, "fuse", f"fd={server},rootmode=40000,user_id=0,group_id=0")


async def hung(place: Path) -> Outcome:
    """A mount inside the library, one that links lead to, and a root that is one: all hang."""
    root, out = place / "lib", place / "out"
    fill(root, "part\n")
    hang(root / "sub")
    hang(out)
    (root / "inside.md").write_text("<include>sub/x.md</include>\n")
    (root / "link.md").symlink_to(out / "x.md")
    (root / "linked").symlink_to(out)
    lag_ms, answers = [0.0], dict[str, str]()

    async def feel() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(0.005)
            lag_ms[0] = max(lag_ms[0], 1000 * (loop.time() - before_s))

    async with running(root) as service:
        feeling = asyncio.create_task(feel())
        workspace = service.workspace

        async def ask(name: str) -> None:
            request = request_of((name,))
            try:
                asked = procedures.assemble(workspace, request, workspace.source.check())
                prompt = await procedures.drive(workspace, asked)
                answers[name] = "".join((prompt.text, *(one.message for one in prompt.warnings)))
            except PromptdError as problem:
                answers[name] = problem.message

        for _ in range(2):
            await asyncio.gather(*map(ask, ("inside", "sub/x.md", "link", "linked/x", "hello")))
        listing = await asyncio.to_thread(workspace.source.scan)
        hanging = Worktree([str(out)], NamingRules((".md",)))
        reading = await asyncio.to_thread(hanging.read, Place(0, "x.md"))
        feeling.cancel()
    return {
        "answers": answers,
        "problems": listing.problems,
        "lag_ms": lag_ms[0],
        "root": str(reading.error),
        "may_hang": hanging.may_hang([Place(0, "x.md")]),
    }


# -- the queue --------------------------------------------------------------------------------


async def listen(place: Path) -> Outcome:
    """Watch plainly; say so, wait for a file named `go`, and say how many files were reported."""
    with plain(place) as watch:
        (place.parent / "listening").touch()
        await until((place.parent / "go").exists, 40.0)
        return {"reported": len(watch.reported(500))}


SCENARIOS: dict[str, Callable[[Path], Awaitable[Outcome]]] = {
    scenario.__name__: scenario
    for scenario in (mounted, mounted_inside, overlaid, few_watches, no_instances, hung, listen)
}


def main() -> None:
    """Play one scenario."""
    health_checks.RETRY_S = 0.3
    outcome = asyncio.run(SCENARIOS[sys.argv[1]](Path(sys.argv[2])))  # type: ignore[arg-type]
    print(json.dumps(outcome))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
