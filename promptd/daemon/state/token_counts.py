"""Token counts on disk: `counts.bin` in the state directory, by digest of what was counted.

A header says the version and whose counts they are (encoding and tiktoken's version); a checksum with a key
that only its owner can read (`key`, beside it) proves that the rest is what a daemon of ours wrote. Even so
the counts are held against the tokenizer once it is loaded (`Segments.verify`). Without a file that can be
used everything is counted again, which costs time and nothing more. Blocking: call from a thread.
"""

import hmac
import secrets
from array import array
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from promptd.core.tokens.segments import DIGEST_BYTES, MAX_KEPT, Segments
from promptd.support.atomic import write_atomic
from promptd.support.locks import StateLock
from promptd.support.own_files import read_own
from promptd.support.state_file import StateFile

FILE_NAME = "counts.bin"
KEY_NAME = "key"
KEY_BYTES = 32
SCHEMA_VERSION = 2  # 2: the checksum has a key
GROWTH = 1.1  # a file that is rewritten for every new line would never be left alone
COUNT_BYTES = array("I").itemsize
MAX_FILE_BYTES = 2 * MAX_KEPT * (DIGEST_BYTES + COUNT_BYTES)


class SavedTokenCounts(msgspec.Struct, frozen=True, array_like=True):
    """The file's content: digests one after another, and a 32-bit count for each."""

    schema_version: int
    encoding: str
    digests: bytes
    counts: bytes
    checksum: bytes


class TokenCountsFile(StateFile):
    """Reads and writes `directory/counts.bin`."""

    def __init__(self, directory: Path, lock: StateLock | None = None) -> None:
        super().__init__(directory / FILE_NAME, "token counts", max_bytes=MAX_FILE_BYTES, lock=lock)
        self.saved = 0  # how many counts the file holds

    def __repr__(self) -> str:
        return f"<TokenCountsFile {self.path}, {self.saved} counts>"

    def read(self, encoding: str) -> dict[bytes, int]:
        """The counts for an encoding; none if there is no file that can be used."""
        counts = self.load(lambda data: _decoded(data, encoding, self._key())) or {}
        self.saved = len(counts)
        return counts

    def save(self, segments: Segments, encoding: str) -> None:
        """Write the counts if there are a tenth more of them than the file holds."""
        known = min(segments.statistics().known, MAX_KEPT)
        if known >= self.saved * GROWTH and known > self.saved:
            self.write(encoding, segments.export())

    def write(self, encoding: str, counts: Mapping[bytes, int]) -> bool:
        """Replace what was saved; False if it could not be written."""
        digests = b"".join(counts)
        packed = array("I", counts.values()).tobytes()
        try:
            key = self._key() or self._new_key()
        except OSError:  # `store` says why nothing can be written here
            key = b""
        checksum = _checksum(key, encoding, digests, packed)
        content = SavedTokenCounts(SCHEMA_VERSION, encoding, digests, packed, checksum)
        is_written = self.store(msgspec.msgpack.encode(content))
        if is_written:
            self.saved = len(counts)
        return is_written

    def _key(self) -> bytes:
        """The key that only we can read; empty if there is none."""
        try:
            key = read_own(self.path.with_name(KEY_NAME), KEY_BYTES)
        except FileNotFoundError:
            return b""
        return key if len(key) == KEY_BYTES else b""

    def _new_key(self) -> bytes:
        if self._lock is not None:
            self._lock.assert_held()
        key = secrets.token_bytes(KEY_BYTES)
        write_atomic(self.path.with_name(KEY_NAME), key, mode=0o600)
        return key


def _decoded(data: bytes, encoding: str, key: bytes) -> dict[bytes, int]:
    """Counts by digest, none if they are of another encoding or version. Raises ValueError: damaged."""
    saved = msgspec.msgpack.decode(data, type=SavedTokenCounts)
    if saved.schema_version != SCHEMA_VERSION or saved.encoding != encoding:
        return {}
    expected = _checksum(key, saved.encoding, saved.digests, saved.counts)
    if not key or not hmac.compare_digest(saved.checksum, expected):
        raise ValueError("the file is damaged, or another's")
    if len(saved.digests) * COUNT_BYTES != len(saved.counts) * DIGEST_BYTES:
        raise ValueError("the file has not one count for each digest")
    counts = array("I")
    counts.frombytes(saved.counts)
    digests = (saved.digests[at : at + DIGEST_BYTES] for at in range(0, len(saved.digests), DIGEST_BYTES))
    return dict(zip(digests, counts, strict=True))


def _checksum(key: bytes, encoding: str, digests: bytes, counts: bytes) -> bytes:
    seen = blake2b(encoding.encode(), digest_size=DIGEST_BYTES, key=key)
    for part in (digests, counts):
        seen.update(len(part).to_bytes(8, "little"))
        seen.update(part)
    return seen.digest()
