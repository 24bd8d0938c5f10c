"""Token counts on disk: `counts.bin` in the state directory, by content, whole or not at all.

A header says the version and whose counts they are (encoding and tiktoken's version), a checksum that the
rest is what was written. Anything else means counting afresh, which costs time and nothing more. Blocking:
call from a thread.
"""

from array import array
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from promptd.core.tokens.segments import DIGEST_BYTES, MAX_KEPT, Segments
from promptd.support import log
from promptd.support.atomic import discard_leftovers, write_atomic
from promptd.support.locks import StateLock

FILE_NAME = "counts.bin"
SCHEMA_VERSION = 1
GROWTH = 1.1  # a file that is rewritten for every new line would never be left alone
MAX_FILE_BYTES = 2 * MAX_KEPT * (DIGEST_BYTES + 4)

_log = log.get_logger("promptd.daemon")


class KeptTokenCounts(msgspec.Struct, frozen=True, array_like=True):
    """The file's content: digests one after another, and a 32-bit count for each."""

    schema_version: int
    encoding: str
    digests: bytes
    counts: bytes
    checksum: bytes


class TokenCountsFile:
    """Reads and writes `directory/counts.bin`."""

    def __init__(self, directory: Path, claim: StateLock | None = None) -> None:
        self.path = directory / FILE_NAME
        self._claim = claim
        self.kept = 0  # how many counts the file holds
        self.last_error = ""

    def __repr__(self) -> str:
        return f"<TokenCountsFile {self.path}, {self.kept} counts>"

    def read(self, encoding: str) -> dict[bytes, int]:
        """The counts for an encoding; nothing if there are none, or the file cannot be trusted."""
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError("the file is too large")
            kept = msgspec.msgpack.decode(self.path.read_bytes(), type=KeptTokenCounts)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.MsgspecError) as problem:
            _log.warning("token counts cannot be read, counting afresh", path=self.path, error=problem)
            return {}
        discard_leftovers(self.path)
        if kept.schema_version != SCHEMA_VERSION or kept.encoding != encoding:
            return {}
        counts = _unpacked(kept)
        if counts is None:
            _log.warning("token counts are damaged, counting afresh", path=self.path)
        self.kept = len(counts or {})
        return counts or {}

    def keep(self, segments: Segments, encoding: str) -> None:
        """Write the counts if there are a tenth more of them than the file holds."""
        known = min(segments.statistics().known, MAX_KEPT)
        if known >= self.kept * GROWTH and known > self.kept:
            self.write(encoding, segments.export())

    def write(self, encoding: str, counts: Mapping[bytes, int]) -> None:
        """Replace what was kept. A failure is logged once, and costs only the next start."""
        digests = b"".join(counts)
        packed = array("I", counts.values()).tobytes()
        checksum = _checksum(encoding, digests, packed)
        kept = KeptTokenCounts(SCHEMA_VERSION, encoding, digests, packed, checksum)
        try:
            if self._claim is not None:
                self._claim.assert_held()
            write_atomic(self.path, msgspec.msgpack.encode(kept))
            self.kept, self.last_error = len(counts), ""
        except OSError as problem:
            if not self.last_error:
                _log.warning("token counts not kept", path=self.path, error=problem)
            self.last_error = str(problem)


def _unpacked(kept: KeptTokenCounts) -> dict[bytes, int] | None:
    """Counts by digest, or None for anything but what was written."""
    counts = array("I")
    if kept.checksum != _checksum(kept.encoding, kept.digests, kept.counts):
        return None
    counts.frombytes(kept.counts)
    digests = (kept.digests[at : at + DIGEST_BYTES] for at in range(0, len(kept.digests), DIGEST_BYTES))
    return dict(zip(digests, counts, strict=True))


def _checksum(encoding: str, digests: bytes, counts: bytes) -> bytes:
    seen = blake2b(encoding.encode(), digest_size=DIGEST_BYTES)
    for part in (digests, counts):
        seen.update(len(part).to_bytes(8, "little"))
        seen.update(part)
    return seen.digest()
