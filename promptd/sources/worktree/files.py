"""The working tree: the only place where component files are opened.

Nothing outside the roots is ever read: a file is opened with O_PATH (which reads nothing and blocks on
nothing), asked of the kernel where it really is, and only then opened for reading through that very
descriptor, so that no swapped symlink can come between the check and the read. Only regular files up to a
size are read. OSError becomes one of our errors here and goes no further. All functions are safe in
threads and keep no state but the running time of a stat.
"""

import hashlib
import itertools
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from promptd.config.schema import Config
from promptd.core.assembly.evidence import Evidence, ids_of
from promptd.core.library.library import Component
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.errors import ComponentError, ComponentTooLarge, EncodingError, OutsideRoot, UnreadableComponent
from promptd.sources.base import Listing
from promptd.sources.worktree import walk
from promptd.sources.worktree.sweep import FileBasis, Sweep
from promptd.sources.worktree.walk import real_path_of, signature_from, signature_of

MAX_READ_ATTEMPTS = 3
TORN_WAIT_S, TORN_STEP_S = 0.1, 0.005
STAT_SMOOTHING = 0.05  # weight of the newest sweep in the running mean
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
_orders = itertools.count(1)
_O_PATH = getattr(os, "O_PATH", 0) if walk.HAS_PROC else 0


class Worktree:
    """The working tree as a source: the files below some roots, under the naming rules of one library."""

    name = "worktree"
    is_immutable = False

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
        return f"<Worktree {', '.join(self.roots)}>"

    def path(self, place: Place) -> str:
        """The path of a place."""
        return f"{self.roots[place.root]}/{place.id}"

    def ancestors(self, places: Iterable[Place]) -> tuple[str, ...]:
        """Each directory below a root through which places are reached, and those of them that are links."""
        found: dict[str, None] = {}
        for root, id in places:
            if os.path.islink(path := f"{self.roots[root]}/{id}"):
                found[path] = None
            directory = id.rpartition("/")[0]
            while directory and (above := f"{self.roots[root]}/{directory}") not in found:
                found[above] = None
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

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Read one file whole. Never raises for anything a file system can hold.

        Read, stat again, and read again if it changed meanwhile, three times at most. A file that was
        `was_filled` and is now empty is probably between truncate and write: it is given 100 ms.
        """
        deadline = time.perf_counter() + TORN_WAIT_S
        while True:
            started = time.perf_counter()
            reading = self._read_steadily(place)
            if not (was_filled and reading.text == "") or started > deadline:
                return replace(reading, seconds=time.perf_counter() - started)
            time.sleep(TORN_STEP_S)

    def _read_steadily(self, place: Place) -> Reading:
        path = self.path(place)
        for _ in range(MAX_READ_ATTEMPTS):
            order = next(_orders)
            reading = self._read_once(place, path)
            if reading.signature == signature_of(path):
                break
        return replace(reading, order=order)

    def _read_once(self, place: Place, path: str) -> Reading:
        now = time.time_ns()  # before the read: a write after this moment must look newer or racy
        try:
            handle = self._handle(place, path)
        except OSError as problem:
            signature = walk.unseen(problem) and signature_of(path)
            return Reading(place, signature, now, error=_unreadable(place.id, problem) if signature else None)
        except ComponentError as problem:
            return Reading(place, signature_of(path), now, error=problem)
        try:
            return self._seen(place, path, handle, now)
        finally:
            os.close(handle)

    def _seen(self, place: Place, path: str, handle: int, now: int) -> Reading:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            return Reading(place)
        signature = signature_from(found)
        try:
            real = real_path_of(handle, path)
            self._check(place, found, real)
            data = self._bytes(handle, found.st_size)
        except ComponentError as problem:
            return Reading(place, signature, now, error=problem)
        except OSError as problem:
            return Reading(place, signature, now, error=_unreadable(place.id, problem))
        if len(data) > self.max_bytes:
            return Reading(place, signature, now, error=self._too_large(place.id, len(data)))
        reading = _decoded(place, signature, now, data)
        return replace(reading, real_id=self._id_of(real, place.root)) if os.path.islink(path) else reading

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

    def _bytes(self, handle: int, size: int) -> bytes:
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

    def _id_of(self, real: str, first: int) -> str:
        """What a resolved path is called below the root it is in; "" below none."""
        tops = map(_top, (self.roots[first], *self.roots))
        return next((real[len(top) + 1 :] for top in tops if real.startswith(f"{top}/")), "")

    # -- all files ----------------------------------------------------------------------------

    def scan(self) -> Listing:
        """List every component file below the roots, with its signature, in a fixed order."""
        order = next(_orders)
        return replace(walk.scan(self.roots, self.names, self.is_inside, self.max_files), order=order)

    def directories(self, below: str | None = None) -> dict[str, str]:
        """Where each directory of the library really is, by its path. Looks at no file.

        `below` is a path: only that directory and what is below it, nothing if it is no part of the library.
        """
        return walk.directories(self.roots, self.names, self.is_inside, self.max_files, below)

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places where there is something other than a directory."""
        return [place for place in places if signature_of(self.path(place)) is not None]

    def evidence(self, components: Sequence[Component], absent: Sequence[Place]) -> Evidence:
        """Evidence of files: their signatures, those of empty places, and the directories on the way."""
        path = self.path
        files = tuple((component, component.digest, path(component.place)) for component in components)
        missing = tuple((path(place), place) for place in absent)
        paths = (*(at for _, _, at in files), *(at for at, _ in missing))
        ancestors = self.ancestors(component.place for component in components if component.error is None)
        basis = FileBasis(files, missing, paths, ancestors)
        return Evidence(tuple(components), ids_of(components, absent), basis)

    def check(self) -> Sweep:
        """A sweep that has not looked at anything yet."""
        return Sweep(self)

    def observe_stats(self, count: int, seconds: float) -> None:
        """Take the time of a sweep's new stats into the running mean."""
        self.stat_s += STAT_SMOOTHING * (seconds / count - self.stat_s)


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
    """Opening some devices does something; a FIFO or a socket is recognised without opening it."""
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise UnreadableComponent(f"{id} is {_kind(found.st_mode)}, not a regular file", id=id)


def _decoded(place: Place, signature: FileSignature, now: int, data: bytes) -> Reading:
    digest = hashlib.sha256(data).hexdigest()
    try:
        return Reading(place, signature, now, digest, data.decode())
    except UnicodeDecodeError as problem:
        error = EncodingError(
            f"{place.id} is not UTF-8: byte 0x{data[problem.start]:02x} at offset {problem.start};"
            " save it as UTF-8",
            id=place.id,
            offset=problem.start,
        )
        return Reading(place, signature, now, digest, error=error)


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


def worktree_of(config: Config) -> Worktree:
    """The working tree that a configuration names."""
    library = config.library
    names = NamingRules(library.suffixes, library.aliases, library.ignore)
    roots = [root.path for root in config.roots]
    return Worktree(roots, names, max_bytes=library.max_component_bytes, max_files=library.max_files)
