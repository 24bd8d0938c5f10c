"""The use counts on disk: `hot.json` in the state directory, whole or not at all.

A missing or damaged file means starting afresh, a directory that cannot be written means that counts last
as long as the process: both are said once and are nobody else's problem. Blocking: call from a thread.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from promptd.support import log
from promptd.support.atomic import discard_leftovers, write_atomic
from promptd.support.locks import StateLock

FILE_NAME = "hot.json"
SCHEMA_VERSION = 1

_log = log.get_logger("promptd.daemon")


class KeptUseCounts(msgspec.Struct, frozen=True):
    """The file's content: weights of ids as of one time."""

    schema_version: int
    saved_unix_s: float
    weights: dict[str, float]


class UseCountsFile:
    """Reads and writes `directory/hot.json`; `last_error` is "" unless the last write failed."""

    def __init__(self, directory: Path, claim: StateLock | None = None) -> None:
        self.path = directory / FILE_NAME
        self._claim = claim
        self.last_error = ""

    def __repr__(self) -> str:
        return f"<UseCountsFile {self.path}>"

    def read(self) -> KeptUseCounts | None:
        """What was kept, or None: there is nothing, it is damaged, or of another version."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=KeptUseCounts)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            _log.warning("use counts cannot be read, starting afresh", path=self.path, error=problem)
            return None
        discard_leftovers(self.path)
        return kept if kept.schema_version == SCHEMA_VERSION else None

    def write(self, weights: Mapping[str, float], now_unix_s: float) -> None:
        """Replace what was kept. A failure is logged when it begins and when it ends."""
        kept = KeptUseCounts(SCHEMA_VERSION, now_unix_s, dict(weights))
        try:
            if self._claim is not None:
                self._claim.assert_held()
            write_atomic(self.path, msgspec.json.encode(kept))
        except OSError as problem:
            if not self.last_error:
                _log.warning("use counts not kept", path=self.path, error=problem)
            self.last_error = f"{self.path}: {problem.strerror or problem}"
        else:
            if self.last_error:
                _log.info("use counts kept again", path=self.path)
            self.last_error = ""
