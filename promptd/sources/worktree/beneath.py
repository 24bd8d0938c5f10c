"""Where a place really is: every way to a component, resolved without leaving the roots.

The kernel resolves (`openat2`, support.resolve): beneath the root, and through no magic link. What it refuses
(an absolute link, one from one root into another) is walked by hand, a component at a time and following
nothing: a link is read, and if it leads out of its root as it is written, the walk goes on at the root below
which it points, or ends. So nothing outside the roots is ever asked, neither opened nor stat-ed.

With `stay` a look does not cross into another file system either, which might not answer: the event loop asks
so, and leaves the rest to a thread (patience.py). All functions are safe in threads.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Self

from promptd.core.syntax.component import FileSignature, Place
from promptd.support.resolve import (
    BENEATH,
    HAS_OPENAT2,
    MAX_LINKS,
    NO_MAGICLINKS,
    NO_SYMLINKS,
    NO_XDEV,
    O_PATH,
    close_all,
    open_beneath,
    open_path,
)

HAS_PROC = os.path.isdir("/proc/self/fd")
fields_of = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")  # those of a Signature
OUTSIDE = FileSignature.unseen(errno.EXDEV)  # of a link that leads out: what it leads to is not asked
_KIND = stat.S_IFMT(0o177777)
_new = tuple.__new__
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_ELSEWHERE = (errno.EXDEV, errno.ELOOP, errno.ENOSYS, errno.EAGAIN)  # not as the crow flies: walk

Signatures = dict[Place, FileSignature | None]


class LeadsOut(OSError):
    """A link on the way leads out of the library: `link` is its id, `target` what is written in it."""

    def __init__(self, link: str, target: str) -> None:
        super().__init__(errno.EXDEV, f"leads out of the library through a symlink ({link} -> {target})")
        self.link, self.target = link, target


class OtherMount(OSError):
    """The way goes on in another file system; `at` is the place where it begins."""

    def __init__(self, at: Place) -> None:
        super().__init__(errno.EXDEV, "is on another file system")
        self.at = at


@dataclass(slots=True)
class Way:
    """How a place is reached: the links followed, each with its own signature, and where it ends.

    None of these places has a link on its own way. `end` is None if the way cannot be told without links.
    """

    links: list[tuple[Place, FileSignature]] = field(default_factory=list)
    end: Place | None = None


@dataclass(slots=True)
class _Steps:
    """A walk under way: descriptors and names from the root it is below, and the names still to go."""

    root: int
    left: deque[str]
    stack: list[int]
    names: list[str] = field(default_factory=list)
    way: Way = field(default_factory=Way)
    turns: set[tuple[Place, tuple[str, ...]]] = field(default_factory=set)  # links, and what was to go there

    def place(self, *more: str) -> Place:
        """Where the walk is, and below."""
        return Place(self.root, "/".join((*self.names, *more)))


class RootPaths:
    """The roots of a library, each opened anew for every look: it may be another directory by now."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)

    def __repr__(self) -> str:
        return f"<RootPaths {', '.join(self.paths)}>"

    def open_root(self, root: int) -> int:
        """A descriptor (O_PATH) of a root. Raises OSError."""
        return open_path(self.paths[root], O_PATH | os.O_DIRECTORY)

    def open(self, place: Place, flags: int = O_PATH, *, stay: bool = False) -> int:
        """A descriptor of what a place leads to: O_PATH, with which nothing has been read, or a directory's.

        Raises OSError: LeadsOut, OtherMount, or what the kernel says.
        """
        if not HAS_OPENAT2:
            return _reopened(self.walk(place, stay=stay)[0], flags)
        top = self.open_root(place.root)
        try:
            resolve = BENEATH | NO_MAGICLINKS | (NO_XDEV if stay else 0)
            return open_beneath(top, place.id or ".", flags, resolve)
        except OSError as problem:
            if problem.errno not in _ELSEWHERE:
                raise
        finally:
            os.close(top)
        return _reopened(self.walk(place, stay=stay)[0], flags)

    # -- step by step -------------------------------------------------------------------------

    def walk(self, place: Place, *, stay: bool = False) -> tuple[int, Way]:
        """The same, one component at a time, with the way that was gone. Raises as `open`."""
        walk = _Steps(place.root, deque(place.id.split("/")), [self.open_root(place.root)])
        try:
            while walk.left:
                self._step(walk, walk.left.popleft(), stay)
            walk.way.end = walk.place()
            return walk.stack.pop(), walk.way
        finally:
            close_all(walk.stack)

    def way(self, place: Place) -> Way:
        """How a place is reached, as far as something is there; its end may be empty. Raises OSError."""
        walk = _Steps(place.root, deque(place.id.split("/")), [self.open_root(place.root)])
        try:
            while walk.left:
                name = walk.left.popleft()
                try:
                    self._step(walk, name, True)
                except OSError as problem:
                    if problem.errno not in _NOTHING_THERE:
                        raise
                    rest = [each for each in (name, *walk.left) if each not in ("", ".")]
                    walk.way.end = None if ".." in rest else walk.place(*rest)
                    return walk.way
            walk.way.end = walk.place()
            return walk.way
        finally:
            close_all(walk.stack)

    def _step(self, walk: _Steps, name: str, stay: bool) -> None:
        if name in ("", "."):
            return
        if name == "..":
            self._up(walk)
            return
        below = self._below(walk, name, stay)
        try:
            found = os.fstat(below)
            if not stat.S_ISLNK(found.st_mode):
                walk.stack.append(below)
                walk.names.append(name)
                below = -1
                return
            target = os.readlink("", dir_fd=below)
        finally:
            if below >= 0:
                os.close(below)
        link = walk.place(name)
        walk.way.links.append((link, signature_from(found)))
        turn = link, tuple(walk.left)
        if turn in walk.turns:  # it goes round: the kernel would say so after MAX_LINKS
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        walk.turns.add(turn)
        self._follow(walk, name, target)

    def _below(self, walk: _Steps, name: str, stay: bool) -> int:
        """What is in the directory where the walk is, be it a link. Raises OtherMount if it may not cross."""
        if not (stay and HAS_OPENAT2):
            return os.open(name, O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=walk.stack[-1])
        try:
            resolve = BENEATH | NO_MAGICLINKS | NO_XDEV
            return open_beneath(walk.stack[-1], name, O_PATH | os.O_NOFOLLOW, resolve)
        except OSError as problem:
            if problem.errno != errno.EXDEV:
                raise
            raise OtherMount(walk.place(name)) from None

    def _follow(self, walk: _Steps, name: str, target: str) -> None:
        if len(walk.way.links) > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith("/"):
            self._anchor(walk, f"{target}/{'/'.join(walk.left)}", LeadsOut(walk.place(name).id, target))
        else:
            walk.left.extendleft(reversed(target.split("/")))

    def _up(self, walk: _Steps) -> None:
        if walk.names:
            os.close(walk.stack.pop())
            walk.names.pop()
            return
        above = os.path.dirname(self._real(walk))
        while walk.left and walk.left[0] == "..":
            walk.left.popleft()
            above = os.path.dirname(above)
        link = walk.way.links[-1][0].id if walk.way.links else ".."
        self._anchor(walk, f"{above.rstrip('/')}/{'/'.join(walk.left)}", LeadsOut(link, ".."))

    def _anchor(self, walk: _Steps, path: str, refusal: LeadsOut) -> None:
        """Go on at the root that an absolute path is below as it is written. Raises if there is none."""
        for root in dict.fromkeys((walk.root, *range(len(self.paths)))):
            for top in self._names_of(root):
                if path.startswith(f"{top.rstrip('/')}/"):
                    opened = self.open_root(root)
                    close_all(walk.stack)
                    walk.root, walk.stack, walk.names = root, [opened], []
                    walk.left = deque(path[len(top) :].split("/"))
                    return
        raise refusal

    def _names_of(self, root: int) -> Iterator[str]:
        """The path of a root as configured, and where it is now."""
        yield self.paths[root]
        with contextlib.suppress(OSError):
            opened = self.open_root(root)
            try:
                yield real_path_of(opened, self.paths[root])
            finally:
                os.close(opened)

    def _real(self, walk: _Steps) -> str:
        return real_path_of(walk.stack[0], self.paths[walk.root])


class Looks:
    """Signatures of many places, with each directory opened once; used and closed at once.

    With `stay` it raises OtherMount for a place in another file system.
    """

    def __init__(self, roots: RootPaths, *, stay: bool) -> None:
        self._roots = roots
        self._stay = stay
        self._opened: dict[tuple[int, str], int] = {}  # descriptors, or an errno as a negative number

    def __repr__(self) -> str:
        return f"<Looks at {self._roots!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close_all([opened for opened in self._opened.values() if opened >= 0])

    def signature(self, place: Place) -> FileSignature | None:
        """The signature of what a place leads to; None if there is nothing or a directory.

        OUTSIDE if it leads out, `FileSignature.unseen` for what cannot be looked at.
        """
        directory, _, name = place.id.rpartition("/")
        try:
            at = self.directory(place.root, directory)
            if at >= 0:
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
                if not stat.S_ISLNK(found.st_mode):
                    return _signature(found)
            elif -at in _NOTHING_THERE:
                return None
            return self._walked(place)
        except OtherMount:
            raise
        except OSError as problem:
            return unseen(problem)
        except ValueError:  # a NUL
            return None

    def directory(self, root: int, id: str) -> int:
        """A descriptor of a directory that is reached without any link, or an errno as a negative number."""
        key = root, id
        if key not in self._opened:
            try:
                self._opened[key] = self._open(root, id)
            except OSError as problem:
                self._opened[key] = -(problem.errno or errno.EIO)
        return self._opened[key]

    def _open(self, root: int, id: str) -> int:
        if not id:
            return self._roots.open_root(root)
        top = self.directory(root, "")
        if top < 0:
            return top
        resolve = BENEATH | NO_MAGICLINKS | NO_SYMLINKS | NO_XDEV
        return open_beneath(top, id, O_PATH | os.O_DIRECTORY, resolve)

    def _walked(self, place: Place) -> FileSignature | None:
        opened = self._roots.open(place, stay=self._stay)
        try:
            return _signature(os.fstat(opened))
        finally:
            os.close(opened)


def signatures(
    roots: RootPaths, places: Iterable[Place], *, stay: bool
) -> tuple[Signatures, list[tuple[Place, Place]]]:
    """The signature of each place; with `stay` without those in other file systems.

    These come second, each with the place where the other file system begins.
    """
    found, left = Signatures(), list[tuple[Place, Place]]()
    with Looks(roots, stay=stay) as looks:
        for place in places:
            try:
                found[place] = looks.signature(place)
            except OtherMount as other:
                left.append((place, other.at))
    return found, left


def _reopened(opened: int, flags: int) -> int:
    """What is open with O_PATH, opened as it is wanted."""
    if flags == O_PATH:
        return opened
    try:
        if HAS_PROC:
            return os.open(f"/proc/self/fd/{opened}", flags)
        return os.open(".", flags, dir_fd=opened)
    finally:
        os.close(opened)


def real_path_of(descriptor: int, path: str) -> str:
    """Where an open file or directory really is; without /proc as far as its path tells. Raises OSError."""
    return os.readlink(f"/proc/self/fd/{descriptor}") if HAS_PROC else os.path.realpath(path)


def signature_from(found: os.stat_result) -> FileSignature:
    """The signature of what was stat-ed."""
    return _new(FileSignature, fields_of(found))  # half the time of Signature(…): this is done for every fact


def _signature(found: os.stat_result) -> FileSignature | None:
    return None if found.st_mode & _KIND == stat.S_IFDIR else signature_from(found)


def unseen(problem: OSError) -> FileSignature | None:
    """The signature of what cannot be looked at; None if the failure says that nothing can be there."""
    return None if problem.errno in _NOTHING_THERE else FileSignature.unseen(problem.errno or 0)
