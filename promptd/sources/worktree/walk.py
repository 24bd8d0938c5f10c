"""All files below the roots: names, places and signatures, without opening one of them.

Every directory is opened, asked of the kernel where it really is, and listed through that descriptor, so
that no symlink swapped meanwhile can lead the walk out of the library; outward symlinks and those that
lead back to their own parents are not followed. Bounded in files, directories and depth. What could not
be listed is a sentence in `problems`, never an exception.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from errno import ENAMETOOLONG, EXDEV
from operator import attrgetter

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Signature
from promptd.sources.base import Listing

MAX_DIRECTORY_DEPTH = 64
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
HAS_PROC = os.path.isdir("/proc/self/fd")  # Linux; elsewhere paths are walked step by step
fields_of = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")  # those of a Signature
_KIND = stat.S_IFMT(0o177777)
_new = tuple.__new__
_NOTHING_THERE = (FileNotFoundError, NotADirectoryError)

IsInside = Callable[[str], bool]


def scan(roots: Sequence[str], names: NamingRules, is_inside: IsInside, max_files: int) -> Listing:
    """List every component file below the roots, in a fixed order."""
    walk = _Walk(names, is_inside, max_files)
    for root, top in enumerate(roots):
        walk.tree(root, _Step(top))
    walk.found |= _behind(walk)
    found, links, lookalikes = walk.found, frozenset(walk.links), tuple(walk.lookalikes)
    return Listing(found, tuple(walk.problems), links, lookalikes=lookalikes)


def directories(
    roots: Sequence[str], names: NamingRules, is_inside: IsInside, max_files: int, below: str | None = None
) -> dict[str, str]:
    """Where each directory really is, by its path; no file is looked at. See `Worktree.directories`."""
    walk = _Walk(names, is_inside, max_files, wants_files=False)
    for root, top in enumerate(roots):
        if below is None or below == top:
            walk.tree(root, _Step(top))
        elif below.startswith(f"{top}/") and not names.is_ignored(below[len(top) + 1 :]):
            walk.tree(root, _Step(below, f"{below[len(top) + 1 :]}/", _identities(top, below)))
    return walk.directories


@dataclass(frozen=True, slots=True)
class _Step:
    """A directory still to be listed; `above` are the identities of those it was reached through."""

    path: str
    prefix: str = ""
    above: frozenset[tuple[int, int]] = frozenset()


@dataclass
class _Walk:
    names: NamingRules
    is_inside: IsInside
    max_files: int
    wants_files: bool = True
    found: dict[Place, Signature] = field(default_factory=dict)
    directories: dict[str, str] = field(default_factory=dict)  # as reached -> where it really is
    problems: list[str] = field(default_factory=list)
    links: set[Place] = field(default_factory=set)
    closed: list[Place] = field(default_factory=list)  # directories that were not looked into; ids end in "/"
    lookalikes: list[Place] = field(default_factory=list)

    def tree(self, root: int, top: _Step) -> None:
        steps = [top]
        while steps:
            if max(len(self.found), len(self.directories)) >= self.max_files:
                self.problems.append(
                    f"{top.path}: more than {self.max_files} files or directories; raise library.max_files"
                )
                return
            steps += reversed(self.step(root, steps.pop()))

    def step(self, root: int, at: _Step) -> list[_Step]:
        """List one directory; returns those below it."""
        try:
            descriptor = os.open(at.path, _DIRECTORY_FLAGS)
        except OSError as problem:
            if at.prefix == "" or not isinstance(problem, _NOTHING_THERE):  # it may have gone meanwhile
                self.problems.append(f"{at.path}: cannot be listed ({problem.strerror})")
            if not isinstance(problem, _NOTHING_THERE):
                self.closed.append(Place(root, at.prefix))
            return []
        try:
            return self.opened(root, at, descriptor)
        except OSError as problem:
            self.problems.append(f"{at.path}: cannot be listed ({problem.strerror})")
            self.closed.append(Place(root, at.prefix))
            return []
        finally:
            os.close(descriptor)

    def opened(self, root: int, at: _Step, descriptor: int) -> list[_Step]:
        real = real_path_of(descriptor, at.path)
        if not self.is_inside(f"{real}/"):
            self.problems.append(f"{at.path}: a symlink out of the library; not followed")
            self.closed.append(Place(root, at.prefix))
            return []
        identity = _identity(os.fstat(descriptor))
        if identity in at.above:
            self.closed.append(Place(root, at.prefix))
            return []
        if len(at.above) >= MAX_DIRECTORY_DEPTH:
            self.problems.append(f"{at.path}: deeper than {MAX_DIRECTORY_DEPTH} directories; not followed")
            self.closed.append(Place(root, at.prefix))
            return []
        self.directories[at.path] = real
        below: list[_Step] = []
        for entry in self.entries(at.path, descriptor):
            if (is_directory := _is_directory(entry)) is None:
                self.closed.append(Place(root, f"{at.prefix}{entry.name}/"))
            if is_directory:
                step = _Step(f"{at.path}/{entry.name}", f"{at.prefix}{entry.name}/", at.above | {identity})
                below.append(step)
            elif self.wants_files and self.names.is_discovered(entry.name):
                self.file(Place(root, at.prefix + entry.name), at.path, entry)
            elif self.wants_files and _has_other_case(entry.name, self.names.suffixes):
                self.lookalikes.append(Place(root, at.prefix + entry.name))
        return below

    def file(self, place: Place, directory: str, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            self.links.add(place)
        try:
            self.found[place] = signature_from(entry.stat())
            if place in self.links and not self.is_inside(os.path.realpath(f"{directory}/{entry.name}")):
                self.found[place] = FileSignature.unseen(EXDEV)  # whatever it is: what it was is no proof
        except _NOTHING_THERE:
            return  # a dangling symlink, or gone meanwhile
        except OSError as problem:
            self.found[place] = FileSignature.unseen(problem.errno or 0)
            self.problems.append(f"{directory}/{entry.name}: cannot be looked at ({problem.strerror})")

    def entries(self, directory: str, descriptor: int) -> Iterator[os.DirEntry[str]]:
        with os.scandir(descriptor) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if self.names.is_ignored_part(entry.name):
                continue
            try:
                entry.name.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(f"{directory}/{entry.name}").decode(errors="replace")
                self.problems.append(f"{shown}: the name is not UTF-8; not served")
                continue
            yield entry


def _has_other_case(name: str, suffixes: Sequence[str]) -> bool:
    """True for `A.MD` where `.md` is a component's suffix."""
    stem, _, suffix = name.rpartition(".")
    return stem != "" and not suffix.islower() and f".{suffix.lower()}" in suffixes


def _identities(top: str, below: str) -> frozenset[tuple[int, int]]:
    """Those of the directories from `top` down to the parent of `below`."""
    found = set()
    while below != top:
        below = os.path.dirname(below)
        with suppress(OSError):
            found.add(_identity(os.stat(below)))
    return frozenset(found)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def real_path_of(descriptor: int, path: str) -> str:
    """Where an open file or directory really is; without /proc as far as its path tells. Raises OSError."""
    return os.readlink(f"/proc/self/fd/{descriptor}") if HAS_PROC else os.path.realpath(path)


def signature_from(found: os.stat_result) -> FileSignature:
    """The signature of what was stat-ed."""
    return _new(FileSignature, fields_of(found))  # half the time of Signature(…): this is done for every fact


def signature_of(path: str) -> FileSignature | None:
    """The signature of what a path leads to; None if there is nothing or a directory."""
    try:
        found = os.stat(path)
    except ValueError:
        return None
    except OSError as problem:
        return unseen(problem)
    return None if found.st_mode & _KIND == stat.S_IFDIR else signature_from(found)


def ancestor_signature(path: str) -> FileSignature | None:
    """The signature of what is at a path itself, be it a directory or a link; None if nothing is."""
    try:
        return signature_from(os.lstat(path))
    except OSError as problem:
        return unseen(problem)


def unseen(problem: OSError) -> FileSignature | None:
    """The signature of what cannot be looked at; None if the failure says that nothing can be there."""
    if isinstance(problem, _NOTHING_THERE) or problem.errno == ENAMETOOLONG:
        return None
    return FileSignature.unseen(problem.errno or 0)


def _is_directory(entry: os.DirEntry[str]) -> bool | None:
    try:
        return entry.is_dir()
    except OSError:  # a loop of symlinks: who asks for what is below it is told so
        return None


def _behind(walk: _Walk) -> dict[Place, Signature]:
    """Places in closed directories that would hide a file of a later root: something may be there.

    A request looks there first and is told what is wrong; so a listing has them read as well.
    """
    closed = frozenset(walk.closed)
    if not closed:
        return {}
    hiding = (
        Place(earlier, id)
        for root, id in walk.found
        for earlier in range(root)
        if any(Place(earlier, above) in closed for above in _above(id))
    )
    return {place: FileSignature.unseen(EXDEV) for place in hiding if place not in walk.found}


def _above(id: str) -> Iterator[str]:
    """The directories above an id, the root first: "", "a/", "a/b/"."""
    yield ""
    yield from (id[: match + 1] for match, character in enumerate(id) if character == "/")
