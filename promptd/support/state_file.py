"""A small file in the state directory: whole or not at all, and safe to delete.

One class for what all such files share. It writes only while this process holds the lock on the directory,
and atomically. A write that fails costs nothing but the file: it is logged when failing begins and when it
ends, and in between `last_error` says why. Reading is bounded; a file that is damaged, too large or
unreadable is logged and counts as missing. What the bytes mean is for the subclasses to know. Blocking:
call from a thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from promptd.support import log
from promptd.support.atomic import discard_leftovers, write_atomic
from promptd.support.locks import StateLock
from promptd.support.own_files import read_own

Decoded = TypeVar("Decoded")
_log = log.get_logger("promptd.state")


class StateFile:
    """One file; `content` names in the log what it holds.

    `lock` is the lock on its directory, None where no other process writes there.
    """

    def __init__(
        self, path: Path, content: str, *, max_bytes: int, lock: StateLock | None = None, mode: int = 0o644
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.last_error = ""
        self._content = content
        self._lock = lock
        self._mode = mode

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def load(self, decode: Callable[[bytes], Decoded]) -> Decoded | None:
        """What `decode` makes of the content; None if there is no file, or none that can be used.

        Whatever `decode` raises, the content is damaged: what is in the file must never end the daemon.
        """
        try:
            decoded = decode(read_own(self.path, self.max_bytes))
        except FileNotFoundError:
            return None
        except Exception as problem:
            _log.warning(f"{self._content} cannot be read, starting afresh", path=self.path, error=problem)
            return None
        discard_leftovers(self.path)
        return decoded

    def store(self, data: bytes) -> bool:
        """Replace the content; False if it could not be written."""
        try:
            if self._lock is not None:
                self._lock.assert_held()
            write_atomic(self.path, data, mode=self._mode)
        except OSError as problem:
            if not self.last_error:
                _log.warning(f"{self._content} not saved", path=self.path, error=problem)
            self.last_error = f"{self.path}: {problem.strerror or problem}"
            return False
        if self.last_error:
            _log.info(f"{self._content} saved again", path=self.path)
        self.last_error = ""
        return True
