"""stdout and stderr while a command runs: what is written arrives whole, or the command ends.

`sys.stdout` may be a pipe whose reader leaves, a full disk, a file at its size limit, a pipe that does not
block, or closed; Python's own streams then write a part (unbuffered), raise late (at exit) or are None. These
write at once and until all of it is written. A result that cannot be written ends the command with the code
that docs/cli.md gives; what cannot be written to stderr is dropped.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from promptd.cli.exits import Exit

STDERR_PATIENCE_S = 10.0  # for a stderr that does not block and is full


class OutputLost(SystemExit):
    """stdout cannot be written; the code says why. No `except Exception` on the way takes it for its own."""


class Whole(io.RawIOBase):
    """Writes to a descriptor until all is written. After a failure nothing more is written; a log goes on.

    Args:
        descriptor: where to.
        failed: called with the error that ends the writing.
        patience_s: how long to wait for a descriptor that does not block; None waits as long as it takes.
    """

    def __init__(
        self, descriptor: int, failed: Callable[[OSError], None], patience_s: float | None = None
    ) -> None:
        self.patience_s = patience_s
        self.failed = failed
        self._descriptor = descriptor
        self._is_lost = False

    def __repr__(self) -> str:
        return f"<Whole to {self._descriptor}{', lost' if self._is_lost else ''}>"

    def write(self, data: Any, /) -> int:
        """Write all of `data`; returns its length."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left and not self._is_lost:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError as error:
                self._wait(error)
            except OSError as error:
                self._lose(error)
        return size

    def _wait(self, full: BlockingIOError) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(None if self.patience_s is None else 1000 * self.patience_s):
            self._lose(full)

    def _lose(self, error: OSError) -> None:
        self._is_lost = self.failed is not _raise
        self.failed(error)

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """True if the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor


@contextmanager
def whole_streams() -> Iterator[None]:
    """Replace `sys.stdout` and `sys.stderr`, None included, by streams that write whole, for a while."""
    _occupy_closed_descriptors()
    before = sys.stdout, sys.stderr
    err = _text(Whole(_descriptor(sys.stderr, 2), lambda _: None, STDERR_PATIENCE_S), sys.stderr)
    out = _text(Whole(_descriptor(sys.stdout, 1), _end), sys.stdout)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def make_stderr_a_log() -> None:
    """Raise what goes wrong, and never wait: a log counts the lines that are lost, and a daemon goes on."""
    raw = getattr(sys.stderr, "buffer", None)
    if isinstance(raw, Whole):
        raw.patience_s, raw.failed = 0.0, _raise


def _raise(error: OSError) -> None:
    raise error


def _end(error: OSError) -> None:
    """End the command: the reader has left, or the result has no place."""
    if error.errno == errno.EPIPE:
        raise OutputLost(int(Exit.PIPE_CLOSED))
    from promptd.cli.output import fail

    is_closed = error.errno == errno.EBADF
    fail(f"cannot write to stdout: {'it is closed or read-only' if is_closed else error.strerror}")
    raise OutputLost(int(Exit.CANNOT_CREATE))


def _occupy_closed_descriptors() -> None:
    """Open something on a standard descriptor that is closed, or the next file opened would take its place.

    Reading finds nothing and stderr goes nowhere; stdout is opened for reading, so that writing a result to
    it is the error that it is.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free, which is this one


def _descriptor(stream: TextIO | None, usual: int) -> int:
    try:
        return usual if stream is None else stream.fileno()
    except (OSError, ValueError):  # a stream in memory, or one that was closed
        return usual


def _text(raw: Whole, before: TextIO | None) -> TextIO:
    encoding = getattr(before, "encoding", None) or "utf-8"
    return io.TextIOWrapper(raw, encoding, "backslashreplace", write_through=True)  # type: ignore[type-var]
