"""The index on disk: `index.bin` in the state directory, what was read and parsed of every file.

A seal (a digest of all that follows), then frames of msgpack: a header, and the entries of a few hundred
files each, so that neither writing nor reading holds the interpreter lock for long. The header names the
version of this format and whose parses these are: promptd's version and a digest of the very sources that
parse, so that no answer comes from another parser's work. It names the boot as well: after another one a
signature proves nothing, for a machine that lost power may have kept a file's times and lost its bytes;
files are then read again, though not parsed. Anything else than what was written (cut short, a flipped bit,
another version, too large) means that files are read and parsed again: time, and nothing more. What an
entry proves is for `core.library.parse_cache` to say. Blocking: call from a thread.
"""

import struct
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from promptd import __version__
from promptd.core import syntax
from promptd.core.library.parse_cache import IndexEntry, ParseCache, entry_of
from promptd.core.syntax import tolerant_yaml
from promptd.core.syntax.component import Reading
from promptd.engine.workspace import Workspace
from promptd.protocol import request
from promptd.support.locks import StateLock
from promptd.support.state_file import StateFile

FILE_NAME = "index.bin"
SCHEMA_VERSION = 1
MAX_ENTRIES = 1_000_000  # of about 300 bytes
MAX_FILE_BYTES = 256 * 1024 * 1024
BOOT = Path("/proc/sys/kernel/random/boot_id")
MAX_ENTRY_BYTES = 65_536  # a file with thousands of directives is parsed again instead
AT_ONCE = 256  # entries a frame: 1 ms to encode or to decode
_SEAL_BYTES = 32
_FRAME = struct.Struct("<II")  # bytes of the frame, number of the root its entries are from


class IndexedRoot(msgspec.Struct, frozen=True, array_like=True):
    """Where entries are from: a root, and the dialects that its files were parsed with."""

    root: str
    dialects: tuple[str, ...]


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The first frame."""

    schema_version: int
    parser: str
    boot: str
    roots: tuple[IndexedRoot, ...]


def indexed_roots_of(workspace: Workspace) -> list[IndexedRoot]:
    """The roots of a workspace, each with its dialects."""
    return list(map(IndexedRoot, workspace.source.roots, workspace.loader.dialects))


_encode = msgspec.msgpack.encode
_header = msgspec.msgpack.Decoder(Header)
_entries = msgspec.msgpack.Decoder(list[IndexEntry])


@cache
def parser_identity() -> str:
    """Whose parses these are: another version, another source or another interpreter parses differently."""
    seen = blake2b(digest_size=16)
    top = Path(syntax.__file__).parent
    for source in (*sorted(top.rglob("*.py")), Path(request.__file__)):  # the latter writes out scalars
        seen.update(source.read_bytes())
    python = ".".join(map(str, sys.version_info[:3]))
    return f"promptd {__version__} {seen.hexdigest()}, {tolerant_yaml.IDENTITY}, Python {python}"


@cache
def boot_identity() -> str:
    """The boot of the machine we run in; "" where the kernel does not tell."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


class Writing:
    """The frames of an index in the making: entries are added some at a time, then all are written."""

    def __init__(self, roots: Sequence[IndexedRoot]) -> None:
        header = _encode(Header(SCHEMA_VERSION, parser_identity(), boot_identity(), tuple(roots)))
        self.frames = [_FRAME.pack(len(header), 0), header]
        self.entries = self.size_bytes = 0

    def __repr__(self) -> str:
        return f"<Writing of {self.entries} entries, {self.size_bytes} bytes>"

    def add(self, readings: Sequence[Reading]) -> None:
        """Encode what can be saved of these; beyond the bounds nothing more is added."""
        entries: dict[int, list[bytes]] = {}
        for reading in readings:
            entry = entry_of(reading)
            if entry is not None and (encoded := _encoded(entry)):
                entries.setdefault(reading.place.root, []).append(encoded)
        for root, some in entries.items():
            self._frame(root, some)

    def _frame(self, root: int, some: Sequence[bytes]) -> None:
        size_bytes = sum(map(len, some)) + 5
        if self.entries + len(some) > MAX_ENTRIES or self.size_bytes + size_bytes > MAX_FILE_BYTES:
            return
        array = b"\xdd" + len(some).to_bytes(4, "big")  # msgpack: an array of so many
        self.frames += (_FRAME.pack(size_bytes, root), array, *some)
        self.entries += len(some)
        self.size_bytes += size_bytes


class IndexFile(StateFile):
    """Reads and writes `directory/index.bin`."""

    def __init__(self, directory: Path, lock: StateLock | None = None) -> None:
        super().__init__(directory / FILE_NAME, "index", max_bytes=MAX_FILE_BYTES, lock=lock, mode=0o600)

    def read(self, roots: Sequence[IndexedRoot]) -> ParseCache:
        """What was saved of files of these roots and dialects; nothing if the file cannot be used."""
        index = self.load(lambda data: _decoded(memoryview(data), roots))
        return _empty(roots) if index is None else index

    def write(self, writing: Writing) -> bool:
        """Replace what was saved; False if it could not be written."""
        return self.store(b"".join((_seal(writing.frames), *writing.frames)))


def _empty(roots: Sequence[IndexedRoot]) -> ParseCache:
    return ParseCache([root.dialects for root in roots])


def _decoded(data: memoryview, roots: Sequence[IndexedRoot]) -> ParseCache:
    """The index in these bytes; empty if it is of another version or parser. Raises if it is damaged."""
    index, frames = _empty(roots), _frames(data)
    header = _header.decode(next(frames, (0, b""))[1])
    if header.schema_version == SCHEMA_VERSION and header.parser == parser_identity():
        _fill(index, roots, header, frames)
    return index


def _frames(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The number of the root and the content of each frame. Raises ValueError: damaged."""
    if _seal([data[_SEAL_BYTES:]]) != data[:_SEAL_BYTES]:
        raise ValueError("the file is damaged")
    at = _SEAL_BYTES
    while at < len(data):
        size_bytes, number = _FRAME.unpack_from(data, at)
        at += _FRAME.size + size_bytes
        yield number, data[at - size_bytes : at]


def _fill(
    index: ParseCache, now: Sequence[IndexedRoot], header: Header, frames: Iterator[tuple[int, memoryview]]
) -> None:
    """Take the entries whose dialects are in use now; places only if boot and root are the same, too."""
    is_same_boot = header.boot == boot_identity() != ""
    useful = {root.dialects for root in now}
    for number, frame in frames:
        saved = header.roots[number]
        if saved.dialects in useful:
            same = [at for at, root in enumerate(now) if is_same_boot and root == saved]
            index.add(_entries.decode(frame), saved.dialects, same)


def _encoded(entry: IndexEntry) -> bytes:
    """An entry in msgpack; b"" if it is too large, or of letters that no encoding knows."""
    try:
        encoded = _encode(entry)
    except UnicodeEncodeError:  # front matter may spell out half of a surrogate pair
        return b""
    return encoded if len(encoded) <= MAX_ENTRY_BYTES else b""


def _seal(parts: Sequence[bytes | memoryview]) -> bytes:
    seen = blake2b(digest_size=_SEAL_BYTES)
    for part in parts:
        seen.update(part)
    return seen.digest()
