"""What a daemon saves for its next start: use counts, token counts and the index.

`restore` takes back what the last run saved, `save` writes what is known now. Nothing is written before it
was taken back, so that a daemon that ends during its start leaves everything as it was.
"""

import asyncio
import time
from itertools import islice

from promptd.core.library.parse_cache import ParseCache
from promptd.daemon.state.index_file import AT_ONCE, IndexFile, Writing, indexed_roots_of
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.daemon.state.use_counts import UseCountsFile
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.support.locks import StateLock

INDEX_EVERY_S = 300.0  # writes of an index whose library changes all the time; 3 MB for 10,000 files


class SavedState:
    """The files of one daemon in the directory of `lock`."""

    def __init__(self, current: Current, lock: StateLock) -> None:
        self._current = current
        self._use_counts = UseCountsFile(lock.directory, lock)
        self._token_counts = TokenCountsFile(lock.directory, lock)
        self._index = IndexFile(lock.directory, lock)
        self._indexed: tuple[int, Workspace] | None = None  # what the index on disk says
        self._indexed_s = -INDEX_EVERY_S
        self._is_restored = False

    def __repr__(self) -> str:
        return f"<SavedState in {self._index.path.parent}>"

    def problems(self) -> list[str]:
        """What an operator should know, one sentence each."""
        error = self._use_counts.last_error
        return [f"use counts are not saved: {error}"] if error else []

    async def restore(self) -> None:
        """Take back the index, the use counts and the token counts of the last run, if there are any."""
        workspace = self._current.workspace
        await self.lend_index(workspace)
        uses = await asyncio.to_thread(self._use_counts.read)
        if uses is not None:
            workspace.hot.restore(uses.weights, time.time() - uses.saved_unix_s)
        counts = await asyncio.to_thread(self._token_counts.read, workspace.tokenizer.identity)
        workspace.segments.recall(counts)
        self._is_restored = True

    async def lend_index(self, workspace: Workspace) -> None:
        """Give a workspace that is about to be filled the index that was saved last."""
        workspace.loader.index = await asyncio.to_thread(self._index.read, indexed_roots_of(workspace))

    def note_recalled(self, index: ParseCache) -> None:
        """The current workspace was filled from this index: if nothing differed, it says all there is."""
        if index.is_all_of(self._current.workspace.library):
            self._indexed = self._mark

    async def save(self, *, is_last: bool = False) -> None:
        """Write use counts and token counts, and now and then, or if this `is_last`, the index."""
        workspace, now_s = self._current.workspace, time.time()
        workspace.fold_uses(now_s)
        if self._is_restored:
            await asyncio.to_thread(self._use_counts.write, workspace.hot.weights(now_s), now_s)
            await asyncio.to_thread(self._token_counts.save, workspace.segments, workspace.tokenizer.identity)
        if is_last or time.monotonic() - self._indexed_s >= INDEX_EVERY_S:
            await self._save_index()

    @property
    def _mark(self) -> tuple[int, Workspace]:
        workspace = self._current.workspace
        return workspace.library.mark, workspace

    async def _save_index(self) -> None:
        """Write what was read of every file, some at a time, unless that is what the index says already."""
        mark = self._mark
        _, workspace = mark
        if not workspace.scanned.is_complete or self._indexed == mark:
            return
        readings = workspace.library.readings()
        writing = await asyncio.to_thread(Writing, indexed_roots_of(workspace))
        while some := list(islice(readings, AT_ONCE)):
            await asyncio.to_thread(writing.add, some)
        if await asyncio.to_thread(self._index.write, writing):
            self._indexed = mark
        self._indexed_s = time.monotonic()
