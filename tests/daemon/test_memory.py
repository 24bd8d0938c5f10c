"""The memory ceiling: caches go first, then requests are refused, and both end when there is room again."""

import subprocess
import sys
from pathlib import Path

import pytest

from promptd.daemon.memory import MemoryWatch
from promptd.engine.current import Current
from promptd.errors import Busy
from promptd.server.dispatch import Dispatcher
from tests.daemon.workspaces import workspace_of
from tests.server.peers import Tasks

CEILING = 100_000_000


class Table:
    """A memory watch over a small library, and the resident memory that it believes in."""

    def __init__(self, root: Path) -> None:
        self.current = Current(workspace_of(root))
        self.dispatcher = Dispatcher(self.current, {}, Tasks().spawn, lambda _error, _method: None)
        self.resident = 0
        self.watch = MemoryWatch(self.current, self.dispatcher, lambda: CEILING, lambda: self.resident)

    def look(self, resident: int) -> Busy | None:
        """What requests are told at so much memory."""
        self.resident = resident
        self.watch.look()
        return self.dispatcher.refusal


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """With one component whose text is in the cache."""
    (tmp_path / "a.md").write_text("text\n")
    return Table(tmp_path)


def test_caches_go_before_anything_is_refused(table: Table) -> None:
    """From three quarters of the ceiling on."""
    assert table.look(int(0.7 * CEILING)) is None
    assert table.watch.shed == 0
    assert table.look(int(0.8 * CEILING)) is None
    assert table.watch.shed == 1


def test_above_the_ceiling_requests_are_refused_by_name(table: Table) -> None:
    """The error names the setting; below it, with some room, they are answered again."""
    busy = table.look(CEILING + 1)
    assert busy is not None
    assert "serve.memory_max" in busy.message
    assert table.look(int(0.95 * CEILING)) is busy
    assert table.look(int(0.85 * CEILING)) is None


def test_what_gained_nothing_is_not_done_again_at_once(table: Table) -> None:
    """Emptying caches that are empty would only cost the next requests their texts."""
    for _ in range(5):
        table.look(int(0.8 * CEILING))
    assert table.watch.shed == 1
    table.look(int(0.95 * CEILING))
    assert table.watch.shed == 2


BLOCKS = """
from promptd.daemon import memory
memory.keep_compact()
before = memory.resident_bytes()
blocks = [bytes([at]) * 1_048_576 for at in range(1, 40)]
full = memory.resident_bytes()
del blocks[1::2]
print(full - before, memory.resident_bytes() - before)
"""


def test_a_large_block_goes_back_to_the_system() -> None:
    """The C library is asked to map it by itself; without that it keeps what it once had."""
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True)
    full, half = map(int, done.stdout.split())
    assert full > 36_000_000
    assert half < 0.6 * full
