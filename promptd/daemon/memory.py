"""Memory: the daemon's own ceiling, looked at four times a second.

Near `serve.memory_max` caches are emptied but for the hot set, above it requests about the library are
refused with Busy until there is room again: whatever clients do, the machine does not swap because of us.
What Python has freed is given back to the system once it is much; large prompts that nobody asks for go.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from promptd.engine.current import Current
from promptd.errors import Busy
from promptd.server.dispatch import Dispatcher
from promptd.support import log

CHECK_S = 0.25
LET_GO_S = 4.0  # how long a large prompt that nobody asks for stays in memory, at least
SHED_AT, ROOM_AT = 0.75, 0.9  # of the ceiling: empty caches from here on; accept requests again below
TRIM_BYTES = 8_388_608  # more than after the last trim: what was freed since is given back
MAX_UNTRIMMED_S = 2.0
MAPPED_BYTES = 524_288  # blocks from here on are mapped by themselves
MAX_ARENAS = 2  # heaps that threads share: each keeps what it once had
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_log = log.get_logger("promptd.daemon")


def resident_bytes() -> int:
    """Resident memory of this process; 0 where /proc does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def keep_compact() -> None:
    """Have the C library map large blocks by themselves, so that they go back to the system when freed.

    By itself it raises the threshold to the largest block it has seen, and then leaves holes of megabytes.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        set_option(_M_ARENA_MAX, MAX_ARENAS)


def trim() -> None:
    """Have the C library give freed memory back; nothing happens where it cannot."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


class MemoryWatch:
    """Keeps the daemon below `max_bytes`, which follows the configuration of the moment."""

    def __init__(
        self,
        current: Current,
        dispatcher: Dispatcher,
        max_bytes: Callable[[], int],
        measure: Callable[[], int] = resident_bytes,
    ) -> None:
        self._current = current
        self._dispatcher = dispatcher
        self._max_bytes = max_bytes
        self._measure = measure
        self._trimmed_bytes = 0  # what was resident after the last trim
        self._shed_bytes = 0  # and after caches were last emptied: doing it again at once would gain nothing
        self._at_rest_bytes = 0  # of a library that has just been read: it is not what makes memory short
        self.shed = 0

    def __repr__(self) -> str:
        return f"<MemoryWatch, {self.shed} times shed>"

    async def run(self) -> None:
        """Look until cancelled."""
        ticks = 0
        keep_compact()
        self._at_rest_bytes = self._measure()
        while True:
            await asyncio.sleep(CHECK_S)
            ticks += 1
            if not ticks % int(LET_GO_S / CHECK_S):
                self._current.workspace.let_go()
            shed, resident = self.shed, self.look()
            is_time = not ticks % int(MAX_UNTRIMMED_S / CHECK_S)
            if shed < self.shed or (is_time and resident > self._trimmed_bytes + TRIM_BYTES):
                await asyncio.to_thread(trim)
                self._trimmed_bytes = self._measure()
                self._shed_bytes = min(self._shed_bytes, self._trimmed_bytes)

    def look(self) -> int:
        """Act by what is resident now; returns that, in bytes."""
        resident, ceiling = self._measure(), max(self._max_bytes(), int(self._at_rest_bytes / SHED_AT))
        if resident > max(SHED_AT * ceiling, self._shed_bytes + TRIM_BYTES):
            self._current.workspace.shed()
            self.shed += 1
            resident = self._shed_bytes = self._measure()
        if resident > ceiling and self._dispatcher.refusal is None:
            _log.warning("memory is short", resident_bytes=resident, memory_max=ceiling)
            self._dispatcher.refusal = Busy(
                f"the daemon uses {resident} bytes of memory, more than serve.memory_max ({ceiling}):"
                " ask again in a moment",
                limit="serve.memory_max",
                max_bytes=ceiling,
            )
        elif resident < ROOM_AT * ceiling:
            self._dispatcher.refusal = None
            self._shed_bytes = min(self._shed_bytes, resident)
        return resident
