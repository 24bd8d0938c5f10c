"""Run by test_watcher_real in a user namespace whose inotify limit is small: prints what the watcher says."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from promptd.core.library.resolve import NamingRules
from promptd.sources.worktree.files import Worktree
from promptd.watch.watcher import Timing, Watcher

ROOT = Path(sys.argv[1])
TREE = Worktree([str(ROOT)], NamingRules((".md",)))


async def main() -> None:
    """Enter, wait for a file at the top, add directories, wait for one more file, print two statistics."""
    timing = Timing(step_ms=5, settle_ms=10)
    async with Watcher([str(ROOT)], TREE.directories, lambda _: False, timing) as watcher:
        before = asdict(watcher.statistics())
        for number in range(2):
            (ROOT / f"new{number}").mkdir()
            (ROOT / f"{number}.md").write_text("x")
            async with asyncio.timeout(10):
                while not (await anext(watcher)).covers(f"{ROOT}/{number}.md"):
                    pass
        print(json.dumps([before, asdict(watcher.statistics())]))  # noqa: T201 (its answer)


asyncio.run(main())
