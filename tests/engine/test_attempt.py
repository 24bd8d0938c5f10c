"""A state machine over a real directory: after every step the warm engine equals a cold one.

Steps are what people and programs do to files, in any order, on a handful of names so that they meet:
includes appear and vanish, names become ambiguous, cycles close and open, links lead in and out, an earlier
root hides a later one. Between the steps the engine gets hints as a watcher gives them: some, none, wrong
ones. It runs with files that are young, where bytes are compared, and with files that look old, where the
signature alone must tell; there a step begins only when the clock of the file system has moved on.
"""

import mmap
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from promptd import Engine
from promptd.engine import procedures
from promptd.sources.worktree import files as module
from tests.freshness import (
    answer,
    assert_hold_the_same,
    cold_one,
    make_files_look_old,
    ticks,
    whole,
)
from tests.suite.examples import examples

pytestmark = pytest.mark.timeout(300)  # a few seconds, on a machine that has nothing else to do

NAMES = ("a.md", "a.txt", "b.md", "d/b.md", "d/c.md", "e/c.md", "e/CLAUDE.md", "raw.xml")
REQUESTS = (("a",), ("a.md",), ("b", "d/c"), ("d/b",), ("e/c.md",), ("e/CLAUDE",))
PIECES = (
    "one\n",
    "two\n",
    "<include>a</include>\n",
    "<include>a.md</include>\n",
    "<include>b.md</include>\n",
    "<include>d/c</include> in a line {name}\n",
    "<include optional='true'>e/c.md</include>\n",
    "<include mode='reference'>d/b.md</include>\n",
    "@c.md\n",
    "@raw.xml and @../a.md\n",
    "see @b.md and @./e/c.md\n",
    "Read @e/CLAUDE.md\n",
    "<include>d/b.md#Part</include>\n",
    "# Part\n",
    "---\nincludes: [e/c]\n---\n",
    "---\nrequires: [b]\ndescription: text\n---\n",
    "<include>../outside.md</include>\n",
)
names = st.sampled_from(NAMES)
roots = st.sampled_from([0, 0, 0, 1])
texts = st.lists(st.sampled_from(PIECES), max_size=3).map("".join)


class Library(RuleBasedStateMachine):
    """Two roots on disk, one engine that has seen everything, and a new one after each step."""

    looks_old = False

    @initialize()
    def begin(self) -> None:
        """Two roots with something in them, and something outside."""
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "TORN_WAIT_S", 0.0)  # every emptied file here is meant to be empty
        if self.looks_old:
            make_files_look_old(self.patch)
        self.home = Path(tempfile.mkdtemp(prefix="promptd-"))
        self.roots = [self.home / "first", self.home / "second"]
        for root in self.roots:
            root.mkdir()
        (self.home / "outside.md").write_text("SECRET")
        (self.home / "away").mkdir()
        (self.home / "away" / "c.md").write_text("SECRET")
        self.clock = ticks(self.home / "marker")
        self.touched: list[str] = []
        self.path(0, "a.md").write_text("<include>b.md</include>\n")
        self.warm = Engine.open(self.roots)
        self.followed: dict[str, Any] = {}
        self.since: str | None = None

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "home"):
            self.patch.undo()
            self.warm.close()
            shutil.rmtree(self.home)

    def path(self, root: int, name: str) -> Path:
        """Return the path of a name, with its directory made if that can be; opening it will not block."""
        next(self.clock)
        path = self.roots[root] / name
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_fifo():
                path.unlink()
        self.touched.append(str(path))
        return path

    def leads_away(self, path: Path) -> bool:
        """Whether a path goes through a link out of the library: a rename from there would really move in
        what is outside, and then it may be read.
        """
        return Path(os.path.realpath(path.parent)) == self.home / "away"

    @rule(root=roots, name=names, text=texts)
    def write(self, root: int, name: str, text: str) -> None:
        """Write a file in place, or create it."""
        with suppress(OSError):
            self.path(root, name).write_text(text)

    @rule(root=roots, name=names, text=texts)
    def save_atomically(self, root: int, name: str, text: str) -> None:
        """Write beside and rename over."""
        path = self.path(root, name)
        with suppress(OSError):
            temporary = path.with_name(".new.tmp")
            temporary.write_text(text)
            temporary.replace(path)

    @rule(root=roots, name=names)
    def rewrite_in_the_same_size(self, root: int, name: str) -> None:
        """Change bytes and neither size nor time of modification."""
        path = self.path(root, name)
        with suppress(OSError):
            before = path.stat()
            path.write_bytes(path.read_bytes().translate(bytes.maketrans(b"abcot", b"bcato")))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(root=roots, name=names, text=texts)
    def append(self, root: int, name: str, text: str) -> None:
        """Make a file longer."""
        with suppress(OSError), self.path(root, name).open("a") as file:
            file.write(text)

    @rule(root=roots, name=names, size=st.integers(0, 30))
    def truncate(self, root: int, name: str, size: int) -> None:
        """Cut a file, or fill it up with zeros."""
        with suppress(OSError):
            os.truncate(self.path(root, name), size)

    @rule(root=roots, name=names)
    def map_and_write(self, root: int, name: str) -> None:
        """Write through a mapping."""
        path = self.path(root, name)
        if path.is_file() and path.stat().st_size:
            with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
                pages[:1] = b"M"

    @rule(root=roots, name=names, text=texts)
    def write_through_a_hard_link(self, root: int, name: str, text: str) -> None:
        """Write by another name of the same file."""
        path, other = self.path(root, name), self.home / "hard"
        with suppress(OSError):
            os.link(path, other)
            other.write_text(text)
        other.unlink(missing_ok=True)

    @rule(root=roots, name=names)
    def delete(self, root: int, name: str) -> None:
        """Remove a file or a link."""
        with suppress(OSError):
            self.path(root, name).unlink()

    @rule(root=roots, name=names, to_root=roots, to=names)
    def rename(self, root: int, name: str, to_root: int, to: str) -> None:
        """Rename, over whatever is there."""
        path, other = self.path(root, name), self.path(to_root, to)
        if not self.leads_away(path):
            with suppress(OSError):
                path.rename(other)

    @rule(root=roots, name=names, to=names)
    def swap(self, root: int, name: str, to: str) -> None:
        """Let two files change places."""
        one, other = self.path(root, name), self.path(root, to)
        if self.leads_away(one) or self.leads_away(other):
            return
        with suppress(OSError):
            one.rename(self.home / "swap")
            with suppress(OSError):
                other.rename(one)
            (self.home / "swap").rename(other)

    @rule(root=roots, name=names, to=st.sampled_from([*NAMES, "outside.md", "away", "d", "nowhere"]))
    def link(self, root: int, name: str, to: str) -> None:
        """Put a symlink, inwards, outwards or to nothing, in the place of a file."""
        base = self.home if to in ("outside.md", "away") else self.roots[0]
        path = self.path(root, name)
        with suppress(OSError):
            (self.home / "link").symlink_to(base / to)
            (self.home / "link").replace(path)
        (self.home / "link").unlink(missing_ok=True)

    @rule(root=roots, name=st.sampled_from(["d", "e"]), to=st.sampled_from(["d", "e", "away", "kept"]))
    def link_directory(self, root: int, name: str, to: str) -> None:
        """Move a directory aside and put a symlink in its place."""
        path = self.path(root, f"{name}/x").parent
        with suppress(OSError):
            path.rename(self.roots[root] / "kept")
        with suppress(OSError):
            path.symlink_to(self.home / "away" if to == "away" else self.roots[root] / to)

    @rule(root=roots, name=st.sampled_from(["d", "e", "d/sub"]))
    def move_directory_away_or_back(self, root: int, name: str) -> None:
        """Move a whole directory out of the library, or one that is outside into it."""
        path, outside = self.path(root, f"{name}/x").parent, self.home / f"moved{root}"
        with suppress(OSError):
            if outside.exists():
                shutil.rmtree(path)
                outside.rename(path)
            else:
                path.rename(outside)

    @rule(root=roots, name=st.sampled_from(["d", "e", "a.md", "b.md"]))
    def make_or_remove_directory(self, root: int, name: str) -> None:
        """A directory where there was nothing, or nothing where there was one."""
        path = self.path(root, name)
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.mkdir()

    @rule(root=roots)
    def replace_root(self, root: int) -> None:
        """Put another directory in its place, with the same entries."""
        path, old = self.roots[root], self.home / "old"
        next(self.clock)
        path.rename(old)
        path.mkdir()
        for entry in list(old.iterdir()):
            entry.rename(path / entry.name)
        old.rmdir()

    @rule(root=roots, name=names, mode=st.sampled_from([0o000, 0o644]))
    def change_mode(self, root: int, name: str, mode: int) -> None:
        """Take permissions away or give them back."""
        with suppress(OSError):
            self.path(root, name).chmod(mode)

    @rule(root=roots, name=names)
    def touch(self, root: int, name: str) -> None:
        """Change times and nothing else."""
        with suppress(OSError):
            os.utime(self.path(root, name), ns=(1, 1))

    @rule(root=roots, name=names)
    def spoil(self, root: int, name: str) -> None:
        """Write bytes that are no text."""
        with suppress(OSError):
            self.path(root, name).write_bytes(b"\xff\xfe")

    @rule(root=roots, name=names)
    def make_fifo(self, root: int, name: str) -> None:
        """Put something in the way that is no regular file."""
        path = self.path(root, name)
        with suppress(OSError):
            path.unlink()
            os.mkfifo(path)

    @rule(data=st.data())
    def hint(self, data: st.DataObject) -> None:
        """Say of some paths that something happened there: late, twice, or where nothing did."""
        known = [*self.touched, str(self.roots[0] / "b.md"), str(self.home / "elsewhere.md")]
        paths = data.draw(st.lists(st.sampled_from(known), max_size=4))
        tree = self.warm.workspace.source
        places = [place for path in paths for place in tree.places(path)]
        procedures.run(self.warm.workspace, procedures.follow(self.warm.workspace, places))
        self.touched.clear()

    @rule()
    def look_at_the_whole(self) -> None:
        """List, graph and check are those of a cold engine too; nothing is left over or missing."""
        with cold_one(self.warm) as cold:
            assert whole(self.warm) == whole(cold)
            assert_hold_the_same(self.warm, cold)

    @rule()
    def follow_the_changes(self) -> None:
        """The list of some time ago, with the changes since then applied, is the list there is now."""
        said = msgspec.json.decode(self.warm.call("changes", {"since": self.since}))
        assert said["full_resync"] == (self.since is None)
        self.followed |= {row["id"]: row for row in said["components"]}
        for id in said["removed"]:
            self.followed.pop(id, None)
        self.since = said["clock"]
        assert list(map(self.followed.get, sorted(self.followed))) == whole(self.warm)["list"]["components"]
        assert len(self.followed) == said["total"]

    @invariant()
    def warm_equals_cold(self) -> None:
        """Text, manifest, warnings, tokens, errors: all the same; and never anything from outside."""
        with cold_one(self.warm) as cold:
            for request in REQUESTS:
                said = answer(self.warm, *request, variables={"name": "value"})
                assert said == answer(cold, *request, variables={"name": "value"}), request
                assert "SECRET" not in str(said)


class OldLibrary(Library):
    """The same with files that look old when they are read: signatures must tell by themselves."""

    looks_old = True


run = settings(max_examples=examples(20), stateful_step_count=15, deadline=None)
TestYoungFiles = Library.TestCase
TestYoungFiles.settings = run
TestOldFiles = OldLibrary.TestCase
TestOldFiles.settings = run
