"""The working tree: the only place where component files are opened.

Nothing outside the roots is ever read, nor asked: a file is opened with O_PATH (which reads nothing)
beneath its root (beneath.py), and only then opened for reading through that very descriptor, so that no
swapped symlink can come between. Only regular files up to a size are read. What lies on a file system that
may hang is asked in a thread that may be given up (patience.py). OSError becomes one of our errors here and
goes no further. All functions are safe in threads and keep no state but the running time of a stat.
"""

import errno
import hashlib
import itertools
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from promptd.config.schema import Config
from promptd.core.assembly.evidence import Evidence, ids_of
from promptd.core.library.library import Component
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.errors import ComponentError, ComponentTooLarge, EncodingError, OutsideRoot, UnreadableComponent
from promptd.sources.base import Listing
from promptd.sources.worktree import beneath, walk
from promptd.sources.worktree.beneath import (
    OUTSIDE,
    LeadsOut,
    OtherMount,
    RootPaths,
    Signatures,
    signature_from,
)
from promptd.sources.worktree.patience import HangGuard
from promptd.sources.worktree.sweep import FileBasis, Sweep
from promptd.watch.mounts import hanging

MAX_READ_ATTEMPTS = 3
TORN_WAIT_S, TORN_STEP_S = 0.1, 0.005
STAT_SMOOTHING = 0.05  # weight of the newest sweep in the running mean
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
_orders = itertools.count(1)
SILENT = FileSignature.unseen(errno.ETIMEDOUT)  # of what lies on a file system that does not answer


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
        self.beneath = RootPaths(self.roots)
        self.patience = HangGuard()
        self._hanging: frozenset[int] | None = None  # the roots that may not answer, once that was asked

    def __repr__(self) -> str:
        return f"<Worktree {', '.join(self.roots)}>"

    def path(self, place: Place) -> str:
        """The path of a place."""
        return f"{self.roots[place.root]}/{place.id}"

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
        """The same, and given up where the file system does not answer."""
        try:
            if place.root in self.hanging():
                return self.patience.ask(Place(place.root, ""), partial(self._read_often, place, False))
            try:
                return self._read_often(place, True)
            except OtherMount as other:
                return self.patience.ask(other.at, partial(self._read_often, place, False))
        except TimeoutError:
            problem = UnreadableComponent(
                f"{place.id} cannot be read: its file system does not answer", id=place.id
            )
            return Reading(place, SILENT, time.time_ns(), error=problem, order=next(_orders))

    def _read_often(self, place: Place, stay: bool) -> Reading:
        for _ in range(MAX_READ_ATTEMPTS):
            order = next(_orders)
            reading = self._read_once(place, stay)
            if reading.signature == self._signature(place, stay):
                break
        return replace(reading, order=order)

    def _signature(self, place: Place, stay: bool) -> FileSignature | None:
        found, _ = beneath.signatures(self.beneath, (place,), stay=stay)
        return found.get(place)

    def _read_once(self, place: Place, stay: bool) -> Reading:
        now = time.time_ns()  # before the read: a write after this moment must look newer or racy
        try:
            handle = self.beneath.open(place, stay=stay)
        except OtherMount:
            raise
        except LeadsOut as problem:
            return Reading(
                place, OUTSIDE, now, error=OutsideRoot(f"{place.id} {problem.strerror}", id=place.id)
            )
        except (OSError, ValueError) as problem:
            signature = beneath.unseen(problem) if isinstance(problem, OSError) else None
            return Reading(place, signature, now, error=_unreadable(place.id, problem) if signature else None)
        try:
            return self._seen(place, handle, now, stay)
        finally:
            os.close(handle)

    def _seen(self, place: Place, handle: int, now: int, stay: bool) -> Reading:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            return Reading(place)
        signature = signature_from(found)
        try:
            self._check(place, found)
            data = self._bytes(place, handle, found)
            real_id = self._real_id(place, handle, stay)
        except ComponentError as problem:
            return Reading(place, signature, now, error=problem)
        except OSError as problem:
            return Reading(place, signature, now, error=_unreadable(place.id, problem))
        if len(data) > self.max_bytes:
            return Reading(place, signature, now, error=self._too_large(place.id, len(data)))
        return replace(_decoded(place, signature, now, data), real_id=real_id)

    def _real_id(self, place: Place, handle: int, stay: bool) -> str:
        """The id of the file that a place leads to if it is a link itself, else "". Raises OSError."""
        if beneath.HAS_PROC and beneath.real_path_of(handle, "") == self.path(place):
            return ""  # there is no link on the way
        directory, _, name = place.id.rpartition("/")
        above = self.beneath.open(Place(place.root, directory), stay=stay)
        try:
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
        finally:
            os.close(above)
        if not is_link:
            return ""
        opened, way = self.beneath.walk(place, stay=stay)
        os.close(opened)
        return way.end.id if way.end is not None else ""

    def _check(self, place: Place, found: os.stat_result) -> None:
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

    def _bytes(self, place: Place, handle: int, found: os.stat_result) -> bytes:
        """All bytes, or one more than are allowed. A short read of a regular file is its end."""
        descriptor = self._readable(place, handle, found)
        try:
            pieces: list[bytes] = []
            left, want = self.max_bytes + 1, found.st_size + 1
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

    def _readable(self, place: Place, handle: int, found: os.stat_result) -> int:
        """A descriptor to read from of the regular file that was looked at. Raises OSError."""
        if beneath.HAS_PROC:
            return os.open(f"/proc/self/fd/{handle}", _READ_FLAGS)
        directory, way = self.beneath.walk(place)
        os.close(directory)
        end = way.end or place
        above, _, name = end.id.rpartition("/")
        directory = self.beneath.open(Place(end.root, above))
        try:
            descriptor = os.open(name, _READ_FLAGS | os.O_NOFOLLOW, dir_fd=directory)
        finally:
            os.close(directory)
        if not os.path.samestat(found, os.fstat(descriptor)):  # it was replaced meanwhile
            os.close(descriptor)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return descriptor

    # -- all files ----------------------------------------------------------------------------

    def scan(self) -> Listing:
        """List every component file below the roots, with its signature, in a fixed order."""
        order = next(_orders)
        self._hanging = None  # whatever was mounted meanwhile
        return replace(walk.scan(self._walk()), order=order)

    def directories(self, below: str | None = None) -> dict[str, str]:
        """Where each directory of the library really is, by its path. Looks at no file.

        `below` is a path: only that directory and what is below it, nothing if it is no part of the library.
        """
        return walk.directories(self._walk(), below)

    def _walk(self) -> walk.Bounds:
        return walk.Bounds(self.beneath, self.names, self.max_files, self.patience, self.hanging())

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places where there is something other than a directory."""
        found = self.look(places)
        return [place for place in places if found[place] is not None]

    # -- signatures ---------------------------------------------------------------------------

    def hanging(self) -> frozenset[int]:
        """The roots on file systems that may not answer: to be called in a thread."""
        if self._hanging is None:
            known = hanging(self.roots)  # of the others no part up to the first link can hang
            others = ((at, path) for at, path in enumerate(self.roots) if at not in known and _has_link(path))
            self._hanging = known | {at for at, path in others if self._leads_to_one(path)}
        return self._hanging

    def _leads_to_one(self, path: str) -> bool:
        """True if a link on the way to a root leads to a file system that may not answer."""
        try:
            real: str = self.patience.ask(path, partial(os.path.realpath, path))
        except TimeoutError:
            return True
        return bool(hanging([real]))

    def may_hang(self, places: Iterable[Place]) -> bool:
        """True if some of these are below a root whose file system may not answer."""
        hang = self._hanging
        return hang is not None and bool(hang) and any(place.root in hang for place in places)

    def glance(self, places: Iterable[Place]) -> Signatures:
        """The signatures of those places that are where their root is: other file systems are not asked."""
        return beneath.signatures(self.beneath, places, stay=True)[0]

    def look(self, places: Iterable[Place]) -> Signatures:
        """The signature of every place, SILENT where no answer comes: to be called in a thread."""
        places, hang = list(places), self.hanging()
        near = [place for place in places if place.root not in hang]
        found, left = beneath.signatures(self.beneath, near, stay=True)
        left += [(place, Place(place.root, "")) for place in places if place.root in hang]
        for place, at in left:
            found[place] = self._look_patiently(place, at)
        return found

    def _look_patiently(self, place: Place, at: Place) -> FileSignature | None:
        """The signature of a place on the file system that begins at another."""
        try:
            return self.patience.ask(at, partial(self._signature, place, False))
        except TimeoutError:
            return SILENT

    def evidence(self, components: Sequence[Component], absent: Sequence[Place]) -> Evidence:
        """Evidence of files: their signatures, and the places that are empty."""
        files = tuple((component, component.digest) for component in components)
        places = (*(component.place for component in components), *absent)
        return Evidence(
            tuple(components), ids_of(components, absent), FileBasis(files, tuple(absent), places)
        )

    def check(self) -> Sweep:
        """A sweep that has not looked at anything yet."""
        return Sweep(self)

    def observe_stats(self, count: int, seconds: float) -> None:
        """Take the time of a sweep's new stats into the running mean."""
        self.stat_s += STAT_SMOOTHING * (seconds / count - self.stat_s)


def _has_link(path: str) -> bool:
    """True if an absolute path is, or has above it, a link."""
    return any(os.path.islink(above) for above in (*map(str, reversed(Path(path).parents)), path))


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


def _unreadable(id: str, problem: OSError | ValueError) -> UnreadableComponent:
    said, number = getattr(problem, "strerror", None), getattr(problem, "errno", None)
    return UnreadableComponent(f"{id} cannot be read: {said or problem}", id=id, errno=number)


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
