"""The use counts on disk: `hot.json` in the state directory.

How often each component was used, as weights that decay (engine/hot_set), so that the hot set survives a
restart. Without the file the daemon starts with no counts. Blocking: call from a thread.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from promptd.support.locks import StateLock
from promptd.support.state_file import StateFile

FILE_NAME = "hot.json"
SCHEMA_VERSION = 1
MAX_FILE_BYTES = 256 * 1024 * 1024  # a million ids of 250 characters


class SavedUseCounts(msgspec.Struct, frozen=True):
    """The file's content: weights of ids as of one time."""

    schema_version: int
    saved_unix_s: float
    weights: dict[str, float]


class UseCountsFile(StateFile):
    """Reads and writes `directory/hot.json`."""

    def __init__(self, directory: Path, lock: StateLock | None = None) -> None:
        super().__init__(directory / FILE_NAME, "use counts", max_bytes=MAX_FILE_BYTES, lock=lock)

    def read(self) -> SavedUseCounts | None:
        """What was saved; None if there is nothing, it is damaged, or of another version."""
        saved = self.load(msgspec.json.Decoder(SavedUseCounts).decode)
        return saved if saved is not None and saved.schema_version == SCHEMA_VERSION else None

    def write(self, weights: Mapping[str, float], now_unix_s: float) -> bool:
        """Replace what was saved; False if it could not be written."""
        return self.store(msgspec.json.encode(SavedUseCounts(SCHEMA_VERSION, now_unix_s, dict(weights))))
