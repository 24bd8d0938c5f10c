"""The formats an index could have, on 10,000 and 100,000 entries: `python -m benchmarks.index_formats`.

Processor time of encoding or writing everything, and of reading it back into the engine's records.
"""

import gc
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.scaling import _reading
from promptd.core.library.parse_cache import IndexEntry, entry_of
from promptd.core.syntax.component import FileSignature, Parsed
from promptd.daemon.state.index_file import IndexedRoot, IndexFile, Writing

ROOTS = [IndexedRoot("/nowhere", ("include",))]
_encode = msgspec.msgpack.encode
_signature, _parsed = msgspec.msgpack.Decoder(FileSignature), msgspec.msgpack.Decoder(Parsed)


def _ms(call: Callable[[], object]) -> str:
    gc.collect()
    started = time.process_time()
    call()
    return f"{1000 * (time.process_time() - started):.0f} ms"


def _write_sqlite(path: str, entries: list[IndexEntry]) -> None:
    with sqlite3.connect(path) as base:
        base.execute(
            "create table entry (id text primary key, signature, read_at, digest, parsed) without rowid"
        )
        rows = (
            (one.id, _encode(one.signature), one.read_at_ns, one.digest, _encode(one.parsed))
            for one in entries
        )
        base.executemany("insert into entry values (?, ?, ?, ?, ?)", rows)


def _read_sqlite(path: str) -> list[IndexEntry]:
    with sqlite3.connect(path) as base:
        rows = base.execute("select id, signature, read_at, digest, parsed from entry")
        return [
            IndexEntry(id, _signature.decode(seen), at, digest, _parsed.decode(parsed))
            for id, seen, at, digest, parsed in rows
        ]


def _compare(size: int, directory: str) -> None:
    readings = [_reading(at, size, 0) for at in range(size)]
    entries = [entry for reading in readings if (entry := entry_of(reading)) is not None]
    file, writing, base = IndexFile(Path(directory)), Writing(ROOTS), f"{directory}/index.db"
    wrote = _ms(lambda: (writing.add(readings), file.write(writing)))
    print(f"{size:>7,} frames of msgpack: write {wrote}, read {_ms(lambda: file.read(ROOTS))}")
    wrote = _ms(lambda: _write_sqlite(base, entries))
    sizes = f"{file.path.stat().st_size >> 10} KB against {os.path.getsize(base) >> 10} KB"
    print(f"{size:>7,} sqlite: write {wrote}, read {_ms(lambda: _read_sqlite(base))} ({sizes})")


def main() -> None:
    """Print a line for each format and size; collection is off, as in a daemon's start."""
    gc.disable()
    for size in (10_000, 100_000):
        with tempfile.TemporaryDirectory() as directory:
            _compare(size, directory)


if __name__ == "__main__":
    main()
