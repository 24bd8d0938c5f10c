"""The only door to component files: look at a place, list a root, sweep signatures.

Nothing outside the roots is ever read: a file is opened with O_PATH (which reads nothing and blocks on
nothing), asked of the kernel where it really is, and only then opened for reading through that very
descriptor, so that no swapped symlink can come between the check and the read. Only regular files up to a
size are read. OSError becomes one of our errors here and goes no further. All functions are safe in
threads; none keeps state but `Sweep`, which lives for one turn.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptd.engine.component import Place, Signature
from promptd.engine.resolve import Names
from promptd.errors import ComponentError, ComponentTooLarge, EncodingError, OutsideRoot, UnreadableComponent

MAX_READ_ATTEMPTS = 3
TORN_WAIT_S, TORN_STEP_S = 0.1, 0.005
MAX_DIRECTORY_DEPTH = 64
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
_O_PATH = getattr(os, "O_PATH", 0)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a place found: nothing, a file's text, or a file that cannot be used."""

    place: Place
    signature: Signature | None = None
    read_at_ns: int = 0
    digest: str = ""
    text: str | None = None
    error: ComponentError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Listing:
    """One scan of all roots. `problems` are sentences about what could not be listed."""

    found: dict[Place, Signature | None]
    directories: tuple[str, ...]
    problems: tuple[str, ...] = ()


class Files:
    """The files below some roots, under the naming rules of one library."""

    def __init__(
        self, roots: Sequence[str], names: Names, *, max_bytes: int = 1_048_576, max_files: int = 200_000
    ) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.names = names
        self.max_bytes = max_bytes
        self.max_files = max_files

    def __repr__(self) -> str:
        return f"<Files {', '.join(self.roots)}>"

    def path(self, place: Place) -> str:
        """The path of a place."""
        return f"{self.roots[place.root]}/{place.id}"

    def place(self, path: str) -> Place | None:
        """The place a path denotes, or None if it is below no root."""
        for root, directory in enumerate(self.roots):
            if path.startswith(directory + "/"):
                return Place(root, path[len(directory) + 1 :])
        return None

    # -- one file -----------------------------------------------------------------------------

    def look(self, place: Place, *, was_filled: bool = False) -> Look:
        """Read one file whole. Never raises for anything a file system can hold.

        Read, stat again, and read again if it changed meanwhile, three times at most. A file that was
        `was_filled` and is now empty is probably between truncate and write: it is given 100 ms.
        """
        started = time.perf_counter()
        deadline = started + TORN_WAIT_S
        while True:
            look = self._look_once(place)
            torn = was_filled and look.signature is not None and look.signature.size == 0
            if not torn or time.perf_counter() > deadline:
                break
            time.sleep(TORN_STEP_S)
        return _timed(look, time.perf_counter() - started)

    def _look_once(self, place: Place) -> Look:
        path = self.path(place)
        for _ in range(MAX_READ_ATTEMPTS):
            signature = None
            now = time.time_ns()  # before the read: a write after this moment must look newer or racy
            try:
                signature = signature_of(path)
                if signature is None:
                    return Look(place)
                data, read = self._read(place, path)
            except ComponentError as problem:
                return Look(place, signature, now, error=problem)
            except OSError as problem:
                if isinstance(problem, (FileNotFoundError, NotADirectoryError)):
                    continue
                return Look(place, signature, now, error=_unreadable(place.id, problem))
            if read == signature_of(path):
                break
        return _decoded(place, read, now, data) if signature else Look(place)

    def _read(self, place: Place, path: str) -> tuple[bytes, Signature]:
        descriptor = self._open_confined(place, path)
        try:
            before = os.fstat(descriptor)
            if before.st_size > self.max_bytes:
                raise ComponentTooLarge(
                    f"{place.id} has {before.st_size} bytes; library.max_component_bytes is {self.max_bytes}",
                    id=place.id,
                    limit=self.max_bytes,
                )
            read_at_signature = _signature(before)
            data = _read_all(descriptor, self.max_bytes + 1)
        finally:
            os.close(descriptor)
        if len(data) > self.max_bytes:
            raise ComponentTooLarge(
                f"{place.id} grew beyond {self.max_bytes} bytes", id=place.id, limit=self.max_bytes
            )
        return data, read_at_signature

    def _open_confined(self, place: Place, path: str) -> int:
        if not _O_PATH:
            return self._open_checked(place, path)
        handle = os.open(path, _O_PATH | os.O_CLOEXEC)
        try:
            self._check(place, os.fstat(handle).st_mode, os.readlink(f"/proc/self/fd/{handle}"))
            return os.open(f"/proc/self/fd/{handle}", _READ_FLAGS)
        finally:
            os.close(handle)

    def _open_checked(self, place: Place, path: str) -> int:
        """Without O_PATH (not Linux): check, open, and check that it is still the same file."""
        real = os.path.realpath(path)
        self._check(place, os.stat(real).st_mode, real)
        return os.open(real, _READ_FLAGS | os.O_NOFOLLOW)

    def _check(self, place: Place, mode: int, real: str) -> None:
        if not self.is_inside(real):
            raise OutsideRoot(f"{place.id} leads out of the library through a symlink", id=place.id)
        if not stat.S_ISREG(mode):
            raise UnreadableComponent(f"{place.id} is {_kind(mode)}, not a regular file", id=place.id)

    def is_inside(self, real: str) -> bool:
        """True if a resolved path lies below the resolved path of a root."""
        return any(real.startswith(os.path.realpath(root).rstrip("/") + "/") for root in self.roots)

    # -- all files ----------------------------------------------------------------------------

    def scan(self) -> Listing:
        """List every component file below the roots, with its signature, in a fixed order."""
        scan = _Scan(self)
        for root in range(len(self.roots)):
            scan.root(root)
        return Listing(scan.found, tuple(scan.directories), tuple(scan.problems))

    def directories(self, below: str | None = None) -> dict[str, str]:
        """Where each directory of the library really is, by its path. Looks at no file.

        `below` is a path: only that directory and what is below it, nothing if it is no part of the library.
        """
        walk = _Walk(self)
        for number, top in enumerate(self.roots):
            if below is None or below == top:
                walk.root(number)
            elif below.startswith(top + "/") and not self.names.is_ignored(below[len(top) + 1 :]):
                walk.below(number, below)
        return walk.reals

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Those of the places where there is something other than a directory."""
        return [place for place in places if _safe_signature(self.path(place)) is not None]


@dataclass
class _Scan:
    files: Files
    found: dict[Place, Signature | None] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reals: dict[str, str] = field(default_factory=dict)

    def root(self, root: int) -> None:
        self.tree(root, self.files.roots[root], "", frozenset())

    def tree(self, root: int, top: str, prefix: str, above: frozenset[str]) -> None:
        """List `top` and what is below; `above` are the real paths that would make it a circle."""
        stack = [(top, prefix, above)]
        while stack:
            directory, prefix, above = stack.pop()
            real = os.path.realpath(directory)
            if real in above or len(above) > MAX_DIRECTORY_DEPTH:
                continue
            self.reals[directory] = real
            below = self.directory(root, directory, prefix)
            stack += [(path, f"{prefix}{name}/", above | {real}) for path, name in reversed(below)]

    def directory(self, root: int, directory: str, prefix: str) -> list[tuple[str, str]]:
        """List one directory; returns its subdirectories as (path, name)."""
        self.directories.append(directory)
        below: list[tuple[str, str]] = []
        for entry in self.entries(directory):
            if _is_directory(entry):
                if self.stays_inside(entry):
                    below.append((entry.path, entry.name))
            elif self.files.names.is_discovered(entry.name):
                if len(self.found) >= self.files.max_files:
                    self.problems.append(f"more than {self.files.max_files} files: raise library.max_files")
                    return []
                self.found[Place(root, prefix + entry.name)] = _safe_signature(entry.path)
        return below

    def stays_inside(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink() or self.files.is_inside(os.path.realpath(entry.path)):
            return True
        self.problems.append(f"{entry.path}: a symlink out of the library; not followed")
        return False

    def entries(self, directory: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as problem:
            self.problems.append(f"{directory}: cannot be listed ({problem.strerror})")
            return
        for entry in entries:
            if self.files.names.is_ignored_part(entry.name):
                continue
            try:
                entry.name.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(entry.path).decode(errors="replace")
                self.problems.append(f"{shown}: the name is not UTF-8; not served")
                continue
            yield entry


class _Walk(_Scan):
    """A scan that sees directories only."""

    def below(self, root: int, top: str) -> None:
        """List a directory somewhere below a root."""
        above, directory = set[str](), top
        while directory != self.files.roots[root]:
            directory = os.path.dirname(directory)
            above.add(os.path.realpath(directory))
        if os.path.isdir(top) and self.files.is_inside(os.path.realpath(top)):
            self.tree(root, top, "", frozenset(above))

    def directory(self, root: int, directory: str, prefix: str) -> list[tuple[str, str]]:
        """The subdirectories of one directory as (path, name)."""
        found = filter(_is_directory, self.entries(directory))
        return [(entry.path, entry.name) for entry in found if self.stays_inside(entry)]


class Sweep:
    """Signatures as of one turn of the loop: each path is looked at once, however many ask."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._signatures: dict[str, Signature | None] = {}
        self._looks: dict[Place, Look] = {}

    def signature(self, path: str) -> Signature | None:
        """The signature of a path, None if there is nothing or a directory."""
        try:
            return self._signatures[path]
        except KeyError:
            signature = self._signatures[path] = _safe_signature(path)
            return signature

    def look(self, place: Place) -> Look:
        """The file itself, read once a sweep: for those whose signature proves nothing yet."""
        look = self._looks.get(place)
        if look is None:
            look = self._looks[place] = self.files.look(place)
        return look


def signature_of(path: str) -> Signature | None:
    """The signature of what a path leads to; None if there is nothing or a directory."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if stat.S_ISDIR(found.st_mode) else _signature(found)


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


def _safe_signature(path: str) -> Signature | None:
    try:
        return signature_of(path)
    except (OSError, ValueError):
        return None


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of symlinks
        return False


def _signature(found: os.stat_result) -> Signature:
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_all(descriptor: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    while limit > 0 and (piece := os.read(descriptor, min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


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
    return kinds.get(stat.S_IFMT(mode), "a directory" if stat.S_ISDIR(mode) else "something else")


def _timed(look: Look, seconds: float) -> Look:
    return Look(look.place, look.signature, look.read_at_ns, look.digest, look.text, look.error, seconds)


def library_path(text: str) -> str:
    """A path as typed by a person: `~` expanded, made absolute, symlinks kept."""
    return str(Path(text).expanduser().absolute())
