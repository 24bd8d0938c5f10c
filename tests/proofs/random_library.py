"""A real directory that is changed in every way a file system knows, one operation at a time.

An operation takes the library, two numbers that choose places, and a text. Numbers choose among what exists
where something must exist, so every operation finds something to do; one that cannot (a directory moved
into itself, a link where something stands) leaves all as it was, which is a case too. Nothing here knows
promptd beyond the ways a directive is written.
"""

import contextlib
import mmap
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

DIRECTORIES = ("", "a", "a/b", "c", "c/d")
NAMES = ("one.md", "two.md", "three.md")
IDS = tuple(f"{directory}/{name}".lstrip("/") for directory in DIRECTORIES for name in NAMES)
LINKS = ("link.md", "a/link.md")
TREES = ("a", "a/b", "c", "c/d", "moved", "c/moved", "a/moved")
AGED_S = 2.05  # for 2 s after a change a file's signature proves nothing yet

PIECES = (
    *(f"<include>{id}</include>\n" for id in (*IDS[:9], *LINKS, "moved/one.md", "c/moved/two.md")),
    '<include component="a/b/two"/>\n',
    "{{component: c/one.md}}\n",
    "@./two.md\n",
    "@../one.md and @./moved/one.md\n",
    '<include optional="true">nowhere.md</include>\n',
    '<include mode="reference">one.md</include>\n',
    "<include>a/one.md#Part</include>\n",
    "---\nincludes: [c/d/three.md]\nname: x\n---\n",
    "---\nbroken: [\n",
    "## Part\nA part.\n",
    "```\n<include>one.md</include>\n```\n",
    "Always say {who}. éß\n",
    "word " * 40 + "\n",
    "\udcff\udcfe",  # not UTF-8 once it is written
)
PLAIN = "Nothing but a line.\n"


class RandomLibrary:
    """The library at `root`, and a place beside it from where hard links reach in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outside = root.with_name(f"{root.name}-outside")
        self.clear()

    def clear(self) -> None:
        """An empty library again, in the same directory."""
        for directory in (self.root, self.outside):
            directory.mkdir(exist_ok=True)
            for entry in os.scandir(directory):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)

    def files(self) -> list[Path]:
        """Every regular file, symlinks left out, in order."""
        return sorted(
            Path(directory) / name
            for directory, _, names in os.walk(self.root)
            for name in names
            if not os.path.islink(os.path.join(directory, name))
        )

    def file(self, number: int) -> Path:
        """One of the files; one is made if there is none."""
        files = self.files()
        if not files:
            (self.root / NAMES[0]).write_text(PLAIN)
            files = self.files()
        return files[number % len(files)]

    def tree(self, number: int) -> Path:
        """One of the directories below the root; one is made if there is none."""
        found = sorted(path for tree in TREES if (path := self.root / tree).is_dir())
        if not found:
            found = [self.root / TREES[0]]
            found[0].mkdir()
        return found[number % len(found)]

    def place(self, number: int) -> Path:
        """Where a file may be; its directory is made."""
        path = self.root / IDS[number % len(IDS)]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def newest_ns(self) -> int:
        """The latest change of anything in it, by the file system's clock."""
        return max(os.lstat(path).st_ctime_ns for path in (self.root, *self.root.rglob("*")))


Operation = Callable[[RandomLibrary, int, int, str], None]
OPERATIONS: dict[str, Operation] = {}


def _operation(act: Operation) -> Operation:
    OPERATIONS[act.__name__.replace("_", " ")] = act
    return act


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _other(data: bytes) -> bytes:
    """As many bytes, but others."""
    return bytes(byte ^ 1 if chr(byte).isalpha() and byte < 128 else byte for byte in data)


@_operation
def create(library: RandomLibrary, first: int, _second: int, text: str) -> None:
    """A file anywhere, new or written anew."""
    library.place(first).write_bytes(_bytes(text))


@_operation
def edit(library: RandomLibrary, first: int, _second: int, text: str) -> None:
    """Truncate and write, in place."""
    library.file(first).write_bytes(_bytes(text))


@_operation
def atomic_save(library: RandomLibrary, first: int, _second: int, text: str) -> None:
    """As editors do: a temporary file renamed over the old one."""
    path = library.file(first)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(_bytes(text))
    temporary.replace(path)


@_operation
def truncate(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """Shorter by some bytes, down to nothing."""
    path = library.file(first)
    os.truncate(path, path.stat().st_size * (second % 4) // 4)


@_operation
def append(library: RandomLibrary, first: int, _second: int, text: str) -> None:
    """More at the end."""
    with library.file(first).open("ab") as file:
        file.write(_bytes(text))


@_operation
def rewrite_at_same_size(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """Other bytes, as many of them, in the same inode."""
    path = library.file(first)
    data = _other(path.read_bytes())
    with path.open("r+b") as file:
        file.write(data)


@_operation
def rewrite_with_restored_mtime(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """Same size and same mtime, other bytes."""
    path = library.file(first)
    before = path.stat()
    path.write_bytes(_other(path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@_operation
def rename(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """To a place that is free."""
    target = library.place(second)
    if not os.path.lexists(target):
        library.file(first).rename(target)


@_operation
def rename_over(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """To a place that is taken; what stood there is gone."""
    source, target = library.file(first), library.file(second)
    source.replace(target)


@_operation
def unlink(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """A file less."""
    library.file(first).unlink()


@_operation
def make_directory(library: RandomLibrary, first: int, second: int, text: str) -> None:
    """A directory, several levels of them at once, with a file at its end or without."""
    directory = library.root / TREES[first % len(TREES)]
    directory.mkdir(parents=True, exist_ok=True)
    if second % 2:
        (directory / NAMES[second % len(NAMES)]).write_bytes(_bytes(text))


@_operation
def remove_directory(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """A directory with all that is in it."""
    shutil.rmtree(library.tree(first))


@_operation
def move_tree(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """A directory elsewhere, files and all."""
    target = library.root / TREES[second % len(TREES)]
    if target.parent.is_dir() and not target.exists():
        with contextlib.suppress(OSError):  # into itself
            library.tree(first).rename(target)


@_operation
def swap_symlink(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """A symlink that leads to another file from one moment to the next."""
    link = library.root / LINKS[second % len(LINKS)]
    target = library.file(first)
    link.parent.mkdir(exist_ok=True)
    temporary = link.with_name("link.tmp")
    temporary.symlink_to(os.path.relpath(target, link.parent))
    temporary.replace(link)


@_operation
def chmod(library: RandomLibrary, first: int, second: int, _text: str) -> None:
    """Other permissions, perhaps none at all."""
    library.file(first).chmod((0o644, 0o000, 0o600)[second % 3])


@_operation
def write_through_hard_link(library: RandomLibrary, first: int, _second: int, text: str) -> None:
    """Through a second name outside of the library: no event tells of it."""
    alias = library.outside / "alias"
    alias.unlink(missing_ok=True)
    alias.hardlink_to(library.file(first))
    alias.write_bytes(_bytes(text))


@_operation
def write_through_mmap(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """A store into mapped memory, synced: no event tells of it."""
    path = library.file(first)
    if not path.stat().st_size:
        path.write_text(PLAIN)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = _other(mapped[:])
        mapped.flush()


@_operation
def touch(library: RandomLibrary, first: int, _second: int, _text: str) -> None:
    """New times on the same bytes."""
    os.utime(library.file(first))


def operate(library: RandomLibrary, kind: str, first: int, second: int, text: str) -> None:
    """Do one operation; where permissions that an earlier one took away forbid it, nothing."""
    with contextlib.suppress(PermissionError):
        OPERATIONS[kind](library, first, second, text)


def age(library: RandomLibrary) -> None:
    """Wait until all times are old enough to prove something."""
    due_ns = library.newest_ns() + int(AGED_S * 1e9)
    time.sleep(max(0, due_ns - time.time_ns()) / 1e9)
