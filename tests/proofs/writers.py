"""Writers who know what they wrote, and readers of a daemon's replies who can tell which versions they show.

A file of version k says `NAME=k` in eight digits, so that every version has the same size; writers take
turns at the ways of writing: renamed over, and in place with one `pwrite` of as many bytes.
"""

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.proofs.register import Pair, Read, Writes

_SHOWN = re.compile(r"^([a-z]+[0-9]*/[a-z]+)=([0-9]{8})$", re.MULTILINE)


def content(name: str, version: int) -> bytes:
    """What a file holds at a version; the name is without its suffix."""
    return b"%s=%08d\n" % (name.encode(), version)


def shown_in(text: str) -> dict[str, int]:
    """The versions of files that a prompt shows, by name."""
    return {name: int(version) for name, version in _SHOWN.findall(text)}


class VersionedPairs:
    """Pairs of files in a library, each with a prompt `pairs/N` that includes both, and their writes."""

    def __init__(self, root: Path, pairs: int) -> None:
        self.root = root
        self.pairs: list[Pair] = [(f"p{number}/first", f"p{number}/second") for number in range(pairs)]
        self.writes = {name: Writes() for pair in self.pairs for name in pair}
        (root / "pairs").mkdir(parents=True, exist_ok=True)
        for number, pair in enumerate(self.pairs):
            (root / f"p{number}").mkdir()
            for name in pair:
                self.path(name).write_bytes(content(name, 0))
            both = "".join(f"<include>{name}.md</include>\n" for name in pair)
            (root / f"pairs/{number}.md").write_text(both)
        everything = "".join(f"<include>pairs/{number}.md</include>\n" for number in range(pairs))
        (root / "all.md").write_text(everything)

    def path(self, name: str) -> Path:
        """The file of a name."""
        return self.root / f"{name}.md"

    def write(self, number: int, *, in_place: bool) -> None:
        """Write the next version of a pair: its first file, then its second."""
        for name in self.pairs[number]:
            writes = self.writes[name]
            version = writes.begin(time.monotonic_ns())
            _put(self.path(name), content(name, version), in_place=in_place)
            writes.complete(time.monotonic_ns())

    def read_of(self, result: Mapping[str, Any], sent_ns: int, received_ns: int) -> Read:
        """A daemon's answer to a request for a prompt of these files."""
        return Read(sent_ns, received_ns, shown_in(result["text"]), result["consistent"])


def _put(path: Path, data: bytes, *, in_place: bool) -> None:
    if in_place:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)
    else:
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(data)
        temporary.replace(path)


class Writers:
    """Threads that write versioned pairs until they are stopped, each its own; use it with `with`.

    `pause_s` lies between two writes of one writer.
    """

    def __init__(self, versioned: VersionedPairs, pairs: Sequence[int], *, pause_s: float) -> None:
        self._board = versioned
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in pairs]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        turn = 0
        while not self._stopping.wait(self._pause_s):
            turn += 1
            self._board.write(number, in_place=turn % 2 == 0)
