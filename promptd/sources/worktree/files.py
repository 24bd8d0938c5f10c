"""The only door to component files: look at a place, list the roots, sweep signatures.

Nothing outside the roots is ever read: a file is opened with O_PATH (which reads nothing and blocks on
nothing), asked of the kernel where it really is, and only then opened for reading through that very
descriptor, so that no swapped symlink can come between the check and the read. Only regular files up to a
size are read. OSError becomes one of our errors here and goes no further. All functions are safe in
threads; none keeps state but `Sweep`, which lives for one turn.
"""

import hashlib
import itertools
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promptd.core.assembly.evidence import Evidence
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place, Signature
from promptd.errors import (
    ComponentError,
    ComponentTooLarge,
    EncodingError,
    OutsideRoot,
    UnreadableComponent,
)
from promptd.sources.worktree import walk as listing
from promptd.sources.worktree.walk import (
    Listing,
    real_path_of,
    signature_from,
    signature_of,
    way_of,
)

MAX_READ_ATTEMPTS = 3
TORN_WAIT_S, TORN_STEP_S = 0.1, 0.005
SLOW_STAT_S = 0.0001  # local file systems take 0.002 ms; 50 facts at this rate hold the event loop for 5 ms
STAT_SMOOTHING = 0.05  # weight of the newest sweep in the running mean
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
_orders = itertools.count(1)
_O_PATH = getattr(os, "O_PATH", 0) if listing.HAS_PROC else 0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a place found: nothing, a file's text, or a file that cannot be used."""

    place: Place
    signature: Signature | None = None
    read_at_ns: int = 0
    digest: str = ""
    text: str | None = None
    error: ComponentError | None = None
    order: int = 0
    seconds: float = 0.0


class Files:
    """The files below some roots, under the naming rules of one library."""

    def __init__(
        self,
        roots: Sequence[str],
        names: NamingRules,
        *,
        max_bytes: int = 1_048_576,
        max_files: int = 200_000,
    ) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.names = names
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.stat_s = 0.0  # running mean of one stat of a sweep

    def __repr__(self) -> str:
        return f"<Files {', '.join(self.roots)}>"

    def path(self, place: Place) -> str:
        """The path of a place."""
        return f"{self.roots[place.root]}/{place.id}"

    def ways(self, places: Iterable[Place]) -> tuple[str, ...]:
        """Each directory below a root through which places are reached, and those that are links."""
        found: dict[str, None] = {}
        for root, id in places:
            if os.path.islink(path := f"{self.roots[root]}/{id}"):
                found[path] = None
            directory = id.rpartition("/")[0]
            while directory and (way := f"{self.roots[root]}/{directory}") not in found:
                found[way] = None
                directory = directory.rpartition("/")[0]
        return tuple(found)

    def places(self, path: str) -> list[Place]:
        """The places a path denotes: one for each root it lies below."""
        return [
            Place(root, path[len(directory) + 1 :])
            for root, directory in enumerate(self.roots)
            if path.startswith(directory + "/")
        ]

    def place(self, path: str) -> Place | None:
        """The first place a path denotes, or None if it is below no root."""
        return next(iter(self.places(path)), None)

    # -- one file -----------------------------------------------------------------------------

    def look(self, place: Place, *, was_filled: bool = False) -> Look:
        """Read one file whole. Never raises for anything a file system can hold.

        Read, stat again, and read again if it changed meanwhile, three times at most. A file that was
        `was_filled` and is now empty is probably between truncate and write: it is given 100 ms.
        """
        deadline = time.perf_counter() + TORN_WAIT_S
        while True:
            started = time.perf_counter()
            look = self._look_steadily(place)
            if not (was_filled and look.text == "") or started > deadline:
                return replace(look, seconds=time.perf_counter() - started)
            time.sleep(TORN_STEP_S)

    def _look_steadily(self, place: Place) -> Look:
        path = self.path(place)
        for _ in range(MAX_READ_ATTEMPTS):
            order = next(_orders)
            look = self._look_once(place, path)
            if look.signature == signature_of(path):
                break
        return replace(look, order=order)

    def _look_once(self, place: Place, path: str) -> Look:
        now = time.time_ns()  # before the read: a write after this moment must look newer or racy
        try:
            handle = self._handle(place, path)
        except OSError as problem:
            signature = listing.unseen(problem) and signature_of(path)
            return Look(place, signature, now, error=_unreadable(place.id, problem) if signature else None)
        except ComponentError as problem:
            return Look(place, signature_of(path), now, error=problem)
        try:
            return self._seen(place, path, handle, now)
        finally:
            os.close(handle)

    def _seen(self, place: Place, path: str, handle: int, now: int) -> Look:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            return Look(place)
        signature = signature_from(found)
        try:
            self._check(place, found, real_path_of(handle, path))
            data = self._read(handle, found.st_size)
        except ComponentError as problem:
            return Look(place, signature, now, error=problem)
        except OSError as problem:
            return Look(place, signature, now, error=_unreadable(place.id, problem))
        if len(data) > self.max_bytes:
            return Look(place, signature, now, error=self._too_large(place.id, len(data)))
        return _decoded(place, signature, now, data)

    def _check(self, place: Place, found: os.stat_result, real: str) -> None:
        if not self.is_inside(real, first=place.root):
            raise OutsideRoot(f"{place.id} leads out of the library through a symlink", id=place.id)
        if not stat.S_ISREG(found.st_mode):
            kind = _kind(found.st_mode)
            raise UnreadableComponent(f"{place.id} is {kind}, not a regular file", id=place.id)
        if found.st_size > self.max_bytes:
            raise self._too_large(place.id, found.st_size)

    def _too_large(self, id: str, size_bytes: int) -> ComponentTooLarge:
        return ComponentTooLarge(
            f"{id} has {size_bytes} bytes; library.max_component_bytes is {self.max_bytes}",
            id=id,
            limit=self.max_bytes,
        )

    def _read(self, handle: int, size: int) -> bytes:
        """All bytes, or one more than are allowed. A short read of a regular file is its end."""
        descriptor = os.open(f"/proc/self/fd/{handle}", _READ_FLAGS) if _O_PATH else os.dup(handle)
        try:
            pieces: list[bytes] = []
            left, want = self.max_bytes + 1, size + 1
            while left > 0:
                want = min(left, max(want, 1 << 16))
                piece = os.read(descriptor, want)
                pieces.append(piece)
                left -= len(piece)
                if len(piece) < want:
                    break
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def _handle(self, place: Place, path: str) -> int:
        """A descriptor of whatever the path leads to, with which nothing has been read yet."""
        if _O_PATH:
            return os.open(path, _O_PATH | os.O_CLOEXEC)
        return self._handle_by_steps(place, path)

    def _handle_by_steps(self, place: Place, path: str) -> int:
        """Without O_PATH: down from the root along the resolved path, following no symlink any more."""
        real = os.path.realpath(path, strict=True)
        top = next((top for top in map(_top, self.roots) if real.startswith(f"{top}/")), None)
        if top is None:
            raise OutsideRoot(f"{place.id} leads out of the library through a symlink", id=place.id)
        *directories, name = real[len(top) + 1 :].split("/")
        at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for directory in directories:
                below = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = below
            _refuse_devices(place.id, os.stat(name, dir_fd=at, follow_symlinks=False))
            return os.open(name, _READ_FLAGS | os.O_NOFOLLOW, dir_fd=at)
        finally:
            os.close(at)

    def is_inside(self, real: str, first: int = 0) -> bool:
        """True if a resolved path lies below where a root is now; the root `first` is asked first."""
        return any(real.startswith(f"{top}/") for top in map(_top, (self.roots[first], *self.roots)))

    # -- all files ----------------------------------------------------------------------------

    def scan(self) -> Listing:
        """List every component file below the roots, with its signature, in a fixed order."""
        order = next(_orders)
        found = listing.scan(self.roots, self.names, self.is_inside, self.max_files)
        return replace(found, order=order)

    def directories(self, below: str | None = None) -> dict[str, str]:
        """Where each directory of the library really is, by its path. Looks at no file.

        `below` is a path: only that directory and what is below it, nothing if it is no part of the library.
        """
        return listing.directories(self.roots, self.names, self.is_inside, self.max_files, below)

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places where there is something other than a directory."""
        return [place for place in places if signature_of(self.path(place)) is not None]

    @property
    def is_slow(self) -> bool:
        """True if a stat takes so long that sweeps must not be made on the event loop."""
        return self.stat_s > SLOW_STAT_S

    def observe_stats(self, count: int, seconds: float) -> None:
        """Take the time of a sweep's new stats into the running mean."""
        self.stat_s += STAT_SMOOTHING * (seconds / count - self.stat_s)


class Sweep:
    """Signatures as of one turn of the loop: each path is looked at once, however many ask.

    `seen` are the signatures so far, None where there was nothing or a directory; `held` are the facts that
    were found to hold, and at which revision of the library.
    """

    __slots__ = ("_looks", "_ways", "files", "held", "seen")

    def __init__(self, files: Files) -> None:
        self.files = files
        self.seen: dict[str, Signature | None] = {}
        self.held: dict[Evidence, int] = {}
        self._looks: dict[Place, Look] = {}
        self._ways: dict[str, tuple[Signature | None, bool]] = {}

    def __repr__(self) -> str:
        return f"<Sweep of {len(self.seen)} paths, {len(self._looks)} looks>"

    def signature(self, path: str) -> Signature | None:
        """The signature of a path, None if there is nothing or a directory."""
        try:
            return self.seen[path]
        except KeyError:
            signature = self.seen[path] = signature_of(path)
            return signature

    def unswept(self, paths: Iterable[str]) -> list[str]:
        """The paths not looked at yet."""
        seen = self.seen
        return [path for path in paths if path not in seen]

    def stat(self, paths: Iterable[str]) -> None:
        """Look at all of these paths now, and measure how long that takes."""
        new = self.unswept(paths)
        if new:
            started = time.perf_counter()
            self.seen.update(zip(new, map(signature_of, new), strict=True))
            self.files.observe_stats(len(new), time.perf_counter() - started)

    def ask(self, facts: Evidence) -> bool:
        """Have the proof of some facts asked, unless a stat is slow, and measure how long that takes."""
        files = self.files
        if facts.proof is None or not facts.paths or files.stat_s > SLOW_STAT_S:
            return False
        started = time.perf_counter()
        is_same = facts.proof()
        files.observe_stats(len(facts.paths), time.perf_counter() - started)
        return is_same

    def way(self, path: str) -> Signature | None:
        """What stands at a directory or a link itself, as it was when `are_inside` was asked of it."""
        return self._ways[path][0]

    def are_inside(self, ways: Iterable[str]) -> bool:
        """True if none of these directories and links is by now a symlink that leads out of the library.

        A directory that was moved away and linked to leaves the signatures of its files as they were.
        """
        for path in ways:
            if path not in self._ways:
                self._ways[path] = (
                    way_of(path),
                    self._is_inside(path),
                )  # in this order: what changes between differs
            if not self._ways[path][1]:
                return False
        return True

    def _is_inside(self, way: str) -> bool:
        return not os.path.islink(way) or self.files.is_inside(f"{os.path.realpath(way)}/")

    def looked(self, place: Place) -> Look | None:
        """What was read of a place in this sweep, if it was."""
        return self._looks.get(place)

    def read(self, places: Iterable[Place]) -> None:
        """Read these places whole: for those whose signature proves nothing yet."""
        for place in places:
            if place not in self._looks:
                self._looks[place] = self.files.look(place)


def _top(root: str) -> str:
    """Where a root is now: asked of the kernel in 4 µs; never what it was when last asked."""
    if not _O_PATH:
        return os.path.realpath(root)
    try:
        handle = os.open(root, _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return "\0"  # there is no root, so nothing is below it
    try:
        return real_path_of(handle, root).rstrip("/")
    finally:
        os.close(handle)


def _refuse_devices(id: str, found: os.stat_result) -> None:
    """Opening some devices does something; a FIFO or a socket is told apart without opening it."""
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise UnreadableComponent(f"{id} is {_kind(found.st_mode)}, not a regular file", id=id)


def _decoded(place: Place, signature: Signature, now: int, data: bytes) -> Look:
    digest = hashlib.sha256(data).hexdigest()
    try:
        return Look(place, signature, now, digest, data.decode())
    except UnicodeDecodeError as problem:
        error = EncodingError(
            f"{place.id} is not UTF-8: byte 0x{data[problem.start]:02x} at offset {problem.start};"
            " save it as UTF-8",
            id=place.id,
            offset=problem.start,
        )
        return Look(place, signature, now, digest, error=error)


def _unreadable(id: str, problem: OSError) -> UnreadableComponent:
    return UnreadableComponent(
        f"{id} cannot be read: {problem.strerror or problem}", id=id, errno=problem.errno
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def library_path(text: str) -> str:
    """A path as typed by a person: `~` expanded, made absolute, symlinks kept."""
    return str(Path(text).expanduser().absolute())
