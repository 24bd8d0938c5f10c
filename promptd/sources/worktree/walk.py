"""All files below the roots: names, places and signatures, without opening one of them.

Every directory is opened beneath its root (beneath.py) and listed through that descriptor, so that no
symlink swapped meanwhile can lead the walk out of the library. No directory is listed twice: a link to one
that the walk reaches anyway, by its own name, is not followed, so that links to each other do not multiply.
Where a link leads out is said as it is written in it; what is there is not asked. Bounded in files,
directories and depth. What could not be listed is a sentence in `problems`, never an exception.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Signature
from promptd.sources.base import Listing
from promptd.sources.worktree.beneath import (
    OUTSIDE,
    LeadsOut,
    OtherMount,
    RootPaths,
    real_path_of,
    signature_from,
    unseen,
)
from promptd.sources.worktree.patience import HangGuard

MAX_DIRECTORY_DEPTH = 64
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_NOTHING_THERE = (FileNotFoundError, NotADirectoryError)
_UNPROVED = FileSignature.unseen(0)  # whatever it is: what it was is no proof


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a walk goes by: the roots, the names, and the numbers of the roots that may not answer."""

    roots: RootPaths
    names: NamingRules
    max_files: int
    patience: HangGuard
    hanging: frozenset[int]

    def key_of(self, root: int) -> Place | None:
        """Where a root's file system begins if it may not answer, None if it will."""
        return Place(root, "") if root in self.hanging else None


def scan(bounds: Bounds) -> Listing:
    """List every component file below the roots, in a fixed order."""
    walk = _Walk(bounds)
    for root in range(len(bounds.roots.paths)):
        walk.tree(_Step(Place(root, ""), bounds.key_of(root)))
    walk.found |= _behind(walk)
    found, links, lookalikes = walk.found, frozenset(walk.links), tuple(walk.lookalikes)
    return Listing(found, tuple(walk.problems), links, lookalikes=lookalikes)


def directories(bounds: Bounds, below: str | None = None) -> dict[str, str]:
    """Where each directory really is, by its path; no file is looked at. See `Worktree.directories`."""
    walk = _Walk(bounds, wants_files=False)
    for root, top in enumerate(bounds.roots.paths):
        id = "" if below is None or below == top else below.removeprefix(f"{top}/")
        if not id or (id != below and not bounds.names.is_ignored(id)):
            walk.tree(_Step(Place(root, id), bounds.key_of(root), id.count("/") + bool(id)))
    return walk.directories


@dataclass(frozen=True, slots=True)
class _Step:
    """A directory still to be listed; `key` is where its file system begins if that may not answer."""

    place: Place
    key: Place | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class _Listed:
    """One name in a directory: what a link leads to if it is one.

    `signature` is None for a directory, and for what is gone. `target` is what is written in a link that
    leads out, `end` where a link to a directory ends.
    """

    name: str
    is_directory: bool
    signature: FileSignature | None = None
    is_link: bool = False
    target: str = ""
    end: Place | None = None


@dataclass(frozen=True, slots=True)
class _Directory:
    """One directory as it was listed: where it is, which one it is, and what is in it."""

    real: str
    identity: tuple[int, int]
    entries: tuple[_Listed, ...]
    problems: tuple[str, ...]


@dataclass
class _Walk:
    bounds: Bounds
    wants_files: bool = True
    found: dict[Place, Signature] = field(default_factory=dict)
    directories: dict[str, str] = field(default_factory=dict)  # as reached -> where it really is
    problems: list[str] = field(default_factory=list)
    links: set[Place] = field(default_factory=set)
    visited: set[tuple[int, int, int]] = field(default_factory=set)  # root, device, inode
    closed: set[Place] = field(default_factory=set)  # what was not looked into, and may be a directory
    lookalikes: list[Place] = field(default_factory=list)

    def path(self, place: Place) -> str:
        """The path of a place, for people."""
        return "/".join(filter(None, (self.bounds.roots.paths[place.root], place.id)))

    def tree(self, top: _Step) -> None:
        """List a directory and all below it."""
        steps = [top]
        while steps:
            if max(len(self.found), len(self.directories)) >= self.bounds.max_files:
                self.problems.append(
                    f"{self.path(top.place)}: more than {self.bounds.max_files} files or directories; raise"
                    " library.max_files"
                )
                return
            steps += reversed(self.step(steps.pop()))

    def step(self, at: _Step) -> list[_Step]:
        """List one directory; returns those below it."""
        path = self.path(at.place)
        try:
            listed, key = self.listed(at)
        except LeadsOut:
            self.problems.append(f"{path}: a symlink out of the library; not followed")
        except TimeoutError:
            self.problems.append(f"{path}: cannot be listed (its file system does not answer)")
        except _NOTHING_THERE as problem:
            if not at.place.id:  # else it has gone meanwhile
                self.problems.append(f"{path}: cannot be listed ({problem.strerror})")
            return []
        except OSError as problem:
            self.problems.append(f"{path}: cannot be listed ({problem.strerror})")
        else:
            return self.taken(replace(at, key=key), listed)
        self.closed.add(at.place)
        return []

    def listed(self, at: _Step) -> tuple[_Directory, Place | None]:
        """One directory, and the `key` of the file system if it was asked patiently. Raises OSError."""
        patience = self.bounds.patience
        if at.key is not None:
            return patience.ask(at.key, partial(self.look_into, at.place, False)), at.key
        try:
            return self.look_into(at.place, True), None
        except OtherMount as other:
            return patience.ask(other.at, partial(self.look_into, at.place, False)), other.at

    def taken(self, at: _Step, listed: _Directory) -> list[_Step]:
        """Note what is in a directory, unless it was listed before; returns the directories below it."""
        identity = at.place.root, *listed.identity
        if identity in self.visited:
            self.closed.add(at.place)
            return []
        path = self.path(at.place)
        if at.depth >= MAX_DIRECTORY_DEPTH:
            self.problems.append(f"{path}: deeper than {MAX_DIRECTORY_DEPTH} directories; not followed")
            self.closed.add(at.place)
            return []
        self.visited.add(identity)
        self.directories[path] = listed.real
        self.problems += listed.problems
        below: list[_Step] = []
        for entry in listed.entries:
            place = Place(at.place.root, "/".join(filter(None, (at.place.id, entry.name))))
            if not entry.is_directory:
                self.file(place, entry)
            elif entry.end is None or not self.is_reached_anyway(place.root, entry.end):
                below.append(_Step(place, at.key, at.depth + 1))
            else:
                self.closed.add(place)
        return below

    def is_reached_anyway(self, root: int, end: Place) -> bool:
        """True if the walk lists this directory by its own name."""
        return end.root == root and (not end.id or not self.bounds.names.is_ignored(end.id))

    def file(self, place: Place, entry: _Listed) -> None:
        """Note a file, or a link that leads out."""
        if entry.is_link and entry.signature is not None and entry.signature.device == -1:
            self.closed.add(place)
        if not self.bounds.names.is_discovered(entry.name):
            if entry.target and "." not in entry.name:  # it reads like a directory
                path = self.path(place)
                self.problems.append(f"{path}: a symlink out of the library ({entry.target}); not followed")
            elif self.wants_files and _has_other_case(entry.name, self.bounds.names.suffixes):
                self.lookalikes.append(place)
        elif entry.signature is not None and self.wants_files:
            self.found[place] = entry.signature
            if entry.is_link:
                self.links.add(place)
            if entry.signature.device == -1 and entry.signature != OUTSIDE and not entry.is_link:
                reason = os.strerror(entry.signature.inode)
                self.problems.append(f"{self.path(place)}: cannot be looked at ({reason})")

    # -- one directory: only looked at, for its file system may answer when the walk is over ---------

    def look_into(self, place: Place, stay: bool) -> _Directory:
        """What is in a directory. Raises OSError."""
        roots = self.bounds.roots
        opened = roots.open(place, _LISTED, stay=stay)
        try:
            found, problems = os.fstat(opened), list[str]()
            real = real_path_of(opened, self.path(place))
            entries = tuple(self.entries(place, opened, stay, problems))
            return _Directory(real, (found.st_dev, found.st_ino), entries, tuple(problems))
        finally:
            os.close(opened)

    def entries(self, at: Place, opened: int, stay: bool, problems: list[str]) -> Iterator[_Listed]:
        """What is in an opened directory, by name."""
        with os.scandir(opened) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        names = self.bounds.names
        for entry in entries:
            if names.is_ignored_part(entry.name):
                continue
            try:
                entry.name.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(f"{self.path(at)}/{entry.name}").decode(errors="replace")
                problems.append(f"{shown}: the name is not UTF-8; not served")
                continue
            if entry.is_symlink():
                yield self.link(Place(at.root, "/".join(filter(None, (at.id, entry.name)))), entry.name, stay)
            elif entry.is_dir(follow_symlinks=False):
                yield _Listed(entry.name, True)
            elif self.wants_files and (
                names.is_discovered(entry.name) or _has_other_case(entry.name, names.suffixes)
            ):
                yield _Listed(entry.name, False, _signature_of(entry))

    def link(self, place: Place, name: str, stay: bool) -> _Listed:
        """What a link leads to, if that is in the library."""
        try:
            opened, way = self.bounds.roots.walk(place, stay=stay)
        except LeadsOut as out:
            return _Listed(name, False, OUTSIDE, True, out.target)
        except OtherMount:
            return _Listed(name, False, _UNPROVED, True)
        except OSError as problem:
            return _Listed(name, False, unseen(problem), True)
        try:
            found = os.fstat(opened)
        finally:
            os.close(opened)
        if stat.S_ISDIR(found.st_mode):
            return _Listed(name, True, None, True, "", way.end)
        return _Listed(name, False, signature_from(found), True)


def _signature_of(entry: os.DirEntry[str]) -> FileSignature | None:
    try:
        return signature_from(entry.stat(follow_symlinks=False))
    except OSError as problem:
        return unseen(problem)


def _has_other_case(name: str, suffixes: Sequence[str]) -> bool:
    """True for `A.MD` where `.md` is a component's suffix."""
    stem, _, suffix = name.rpartition(".")
    return stem != "" and not suffix.islower() and f".{suffix.lower()}" in suffixes


def _behind(walk: _Walk) -> dict[Place, Signature]:
    """Places in closed directories that would hide a file of a later root: something may be there.

    A request looks there first and is told what is wrong; so a listing has them read as well.
    """
    closed = walk.closed
    if not closed:
        return {}
    hiding = (
        Place(earlier, id)
        for root, id in walk.found
        for earlier in range(root)
        if any(Place(earlier, above) in closed for above in _above(id))
    )
    return {place: _UNPROVED for place in hiding if place not in walk.found}


def _above(id: str) -> Iterator[str]:
    """The directories above an id, the root first: "", "a", "a/b"."""
    yield ""
    yield from (id[:match] for match, character in enumerate(id) if character == "/")
