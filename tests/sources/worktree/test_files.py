"""Component files: which are read, and that nothing else ever is."""

import ctypes
import errno
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.errors import (
    ComponentTooLarge,
    EncodingError,
    OutsideRoot,
    UnreadableComponent,
)
from promptd.sources.worktree import beneath
from promptd.sources.worktree import files as worktree_files
from promptd.sources.worktree.files import Worktree, library_path
from promptd.sources.worktree.sweep import SLOW_STAT_S, Sweep
from promptd.support import resolve

SECRET = "SECRET that must not be read"
PR_SET_DUMPABLE = 4
NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty library beside a directory of secrets."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.md").write_text(SECRET)
    (tmp_path / "library").mkdir()
    return tmp_path / "library"


@pytest.fixture
def secret(root: Path) -> Path:
    """A file outside the library."""
    return root.parent / "outside" / "secret.md"


def files_of(*roots: Path, **bounds: int) -> Worktree:
    """Return the working tree of these roots."""
    return Worktree([str(root) for root in roots], NamingRules((".md", ".txt"), {}, (".git", "*~")), **bounds)


def look(root: Path, id: str = "a.md", **bounds: int) -> Reading:
    """Return one look at a place of one root."""
    return files_of(root, **bounds).read(Place(0, id))


@pytest.fixture(params=["openat2", "by steps", "without /proc"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test each way: by openat2, by steps where that is missing, and without /proc."""
    if request.param == "by steps":
        monkeypatch.setattr(resolve, "HAS_OPENAT2", False)
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)
    if request.param == "without /proc":
        monkeypatch.setattr(beneath, "HAS_PROC", False)
    return str(request.param)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Do something without the rights of root; /proc must stay readable to the process itself."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others may enter, which those of pytest are not."""
    directory = Path(tempfile.mkdtemp()).resolve()
    directory.chmod(0o755)
    yield directory
    for path in [directory, *directory.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(directory)


# -- one look -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
def test_a_look_brings_text_digest_and_signature(root: Path) -> None:
    """The text as it stands, line endings and all; the digest of its bytes; what stat says of it."""
    data = "\ufeffé\r\n\U0001f600 no newline at the end".encode()
    (root / "a.md").write_bytes(data)
    seen = look(root)
    found = (root / "a.md").stat()
    assert seen.text == data.decode()
    assert seen.digest == hashlib.sha256(data).hexdigest()
    assert seen.signature == FileSignature(
        found.st_dev, found.st_ino, len(data), found.st_mtime_ns, found.st_ctime_ns
    )
    assert (seen.error, seen.seconds > 0) == (None, True)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_files_of_any_size_are_read_whole(root: Path, size: int) -> None:
    """Around the size of one read there is no edge."""
    (root / "a.md").write_bytes(b"x" * size)
    assert look(root).text == "x" * size


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "id", ["gone.md", "a.md/below.md", "gone/x.md", "directory.md", "x" * 300 + ".md", "dangling.md"]
)
def test_nothing_is_there(root: Path, id: str) -> None:
    """Absent, below a file, a directory, a name no file can have, a dangling link: all the same nothing."""
    (root / "a.md").write_text("a")
    (root / "directory.md").mkdir()
    (root / "dangling.md").symlink_to("nowhere")
    assert look(root, id).signature is None
    assert look(root, id).error is None
    assert Sweep(files_of(root)).signature(Place(0, id)) is None


@pytest.mark.usefixtures("way")
def test_what_is_not_utf8_is_an_error_that_says_where(root: Path) -> None:
    """The offset of the first wrong byte, and what to do."""
    (root / "a.md").write_bytes(b"fine \xff\xfe")
    seen = look(root)
    assert isinstance(seen.error, EncodingError)
    assert seen.error.details["offset"] == 5
    assert "save it as UTF-8" in seen.error.message
    assert (seen.text, bool(seen.digest)) == (None, True)


@pytest.mark.usefixtures("way")
def test_an_oversized_file_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known by its size, without a byte being read; a file just as large as allowed is."""
    (root / "a.md").write_text("x" * 101)
    (root / "b.md").write_text("x" * 100)
    assert look(root, "b.md", max_bytes=100).text == "x" * 100
    files = files_of(root, max_bytes=100)
    files.hanging()  # reads the mount table
    monkeypatch.setattr(os, "read", None)
    seen = files.read(Place(0, "a.md"))
    assert isinstance(seen.error, ComponentTooLarge)
    assert "101 bytes" in seen.error.message


def test_a_file_that_grows_while_it_is_read_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size that stat gave is no promise: at most one byte more than allowed is taken in."""
    (root / "a.md").write_text("x" * 10)
    real, taken = os.read, []

    def read(descriptor: int, count: int) -> bytes:
        with (root / "a.md").open("a") as more:
            more.write("x" * 200_000)
        taken.append(real(descriptor, count))
        return taken[-1]

    monkeypatch.setattr(os, "read", read)
    seen = look(root, max_bytes=100_000)
    assert isinstance(seen.error, ComponentTooLarge)
    assert all(len(data) <= 100_001 for data in taken)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read, stat again, and read again: three times at most."""
    path = root / "a.md"
    path.write_text("0")
    real, reads = os.read, []

    def read(descriptor: int, count: int) -> bytes:
        data = real(descriptor, count)
        reads.append(data)
        if len(reads) < 3:
            path.write_text(f"{len(reads)}" * (len(reads) + 1))
        return data

    files = files_of(root)
    files.hanging()  # reads the mount table
    monkeypatch.setattr(os, "read", read)
    assert files.read(Place(0, "a.md")).text == "222"
    assert len(reads) == 3


def test_a_file_that_vanishes_between_the_looks_is_absent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There for stat and gone for open, again and again: nothing is there, and nothing is raised."""
    (root / "a.md").write_text("x")

    def gone(*_: Any, **__: Any) -> int:
        raise FileNotFoundError(errno.ENOENT, "gone")

    monkeypatch.setattr(beneath, "open_beneath", gone)
    seen = look(root)
    assert (seen.signature, seen.text, seen.error) == (None, None, None)


def test_no_descriptors_left_is_an_error_of_the_moment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look says so; it proves nothing, so that the file is looked at again."""
    (root / "a.md").write_text("x")

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(beneath, "open_path", full)
        seen = look(root)
    assert isinstance(seen.error, UnreadableComponent)
    assert seen.error.details["errno"] == errno.EMFILE
    reading = Reading(seen.place, seen.signature, seen.read_at_ns, error=seen.error)
    assert not reading.is_settled


class TornFile:
    """A file between truncate and write: empty for some looks, then written."""

    def __init__(self, path: Path, empty_looks: int) -> None:
        self.path = path
        self.left = empty_looks
        path.write_text("")

    def step(self, _seconds: float) -> None:
        """Stand in for a sleep: a moment passes, and one of them is the write."""
        self.left -= 1
        if self.left == 0:
            self.path.write_text("whole")


def test_a_torn_write_is_waited_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was filled and is empty is given a moment to be written."""
    torn = TornFile(root / "a.md", 3)
    monkeypatch.setattr(worktree_files.time, "sleep", torn.step)
    assert files_of(root).read(Place(0, "a.md"), was_filled=True).text == "whole"


def test_an_emptied_file_is_believed_after_a_while(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be meant: after 100 ms of emptiness it is empty."""
    (root / "a.md").write_text("")
    now, waited = [0.0], []
    monkeypatch.setattr(worktree_files.time, "perf_counter", lambda: now[0])

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(worktree_files.time, "sleep", sleep)
    assert files_of(root).read(Place(0, "a.md"), was_filled=True).text == ""
    assert sum(waited) == pytest.approx(worktree_files.TORN_WAIT_S, abs=2 * worktree_files.TORN_STEP_S)


@pytest.mark.parametrize("was_filled", [True, False])
def test_only_what_was_filled_and_is_empty_is_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, was_filled: bool
) -> None:
    """New empty files, and filled ones that can no longer be read, are answered at once."""
    (root / "empty.md").write_text("")
    (root / "bad.md").write_bytes(b"\xff")
    monkeypatch.setattr(worktree_files.time, "sleep", None)
    files = files_of(root)
    assert files.read(Place(0, "empty.md")).text == ""
    assert files.read(Place(0, "bad.md"), was_filled=was_filled).error is not None
    assert files.read(Place(0, "gone.md"), was_filled=was_filled).signature is None


# -- confinement ----------------------------------------------------------------------------------


def refused(seen: Reading, kind: type[Exception] = OutsideRoot) -> bool:
    """Return whether a look was refused with this error and brought nothing."""
    return isinstance(seen.error, kind) and seen.text is None and seen.digest == ""


@pytest.mark.usefixtures("way")
def test_symlinks_inside_the_library_are_followed(root: Path) -> None:
    """Absolute or relative, to a file or through a directory: it is the library's own text."""
    (root / "real").mkdir()
    (root / "real" / "x.md").write_text("inside")
    (root / "a.md").symlink_to("real/x.md")
    (root / "b.md").symlink_to(root / "real" / "x.md")
    (root / "alias").symlink_to("real")
    for id in ("a.md", "b.md", "alias/x.md"):
        assert look(root, id).text == "inside"


@pytest.mark.usefixtures("way")
def test_a_symlink_says_where_its_file_really_is(root: Path, way: str) -> None:
    """As an id, below whichever root it is in; other files do not, nor those below a linked directory."""
    other = root.parent / "other"
    (root / "real").mkdir()
    (other / "deep").mkdir(parents=True)
    (root / "real" / "x.md").write_text("x")
    (other / "deep" / "y.md").write_text("y")
    (root / "a.md").symlink_to("real/x.md")
    (root / "b.md").symlink_to(other / "deep" / "y.md")
    (root / "alias").symlink_to("real")
    tree = files_of(root, other)
    read = {id: tree.read(Place(0, id)).real_id for id in ("a.md", "b.md", "alias/x.md", "real/x.md")}
    assert read == {"a.md": "real/x.md", "b.md": "deep/y.md", "alias/x.md": "", "real/x.md": ""}


def test_symlinks_out_of_the_library_are_refused(root: Path, secret: Path) -> None:
    """A file link, a directory link, a chain of links, a relative one: the secret is never read."""
    (root / "file.md").symlink_to(secret)
    (root / "relative.md").symlink_to("../outside/secret.md")
    (root / "directory").symlink_to(secret.parent)
    (root / "chain.md").symlink_to("file.md")
    for id in ("file.md", "relative.md", "directory/secret.md", "chain.md"):
        seen = look(root, id)
        assert refused(seen), seen
        assert seen.signature is not None


@pytest.mark.usefixtures("way")
def test_a_sibling_with_the_same_beginning_is_outside(root: Path) -> None:
    """`/x/library-old` is not below `/x/library`."""
    sibling = root.with_name("library-old")
    sibling.mkdir()
    (sibling / "secret.md").write_text(SECRET)
    (root / "a.md").symlink_to(sibling / "secret.md")
    assert refused(look(root))


@pytest.mark.usefixtures("way")
def test_a_link_from_one_root_into_another_is_inside(root: Path, tmp_path: Path) -> None:
    """What any root holds is the library's."""
    other = tmp_path / "second"
    other.mkdir()
    (other / "x.md").write_text("second")
    (root / "a.md").symlink_to(other / "x.md")
    assert refused(look(root))
    assert files_of(root, other).read(Place(0, "a.md")).text == "second"


@pytest.mark.usefixtures("way")
def test_a_root_that_is_a_symlink_may_be_pointed_elsewhere(root: Path, secret: Path) -> None:
    """Inside is where the root leads now, not where it led when it was opened."""
    for name in ("v1", "v2"):
        (root / name).mkdir()
        (root / name / "a.md").write_text(name)
    (root / "v2" / "back.md").symlink_to(root / "v1" / "a.md")
    current = root / "current"
    current.symlink_to("v1")
    files = files_of(current)
    assert files.read(Place(0, "a.md")).text == "v1"
    current.unlink()
    current.symlink_to("v2")
    assert files.read(Place(0, "a.md")).text == "v2"
    assert refused(files.read(Place(0, "back.md")))
    current.unlink()
    assert files.read(Place(0, "a.md")).signature is None


@pytest.mark.usefixtures("way")
def test_what_is_no_regular_file_is_refused_without_waiting(root: Path) -> None:
    """A FIFO without a writer, a socket, a device, links to devices: recognised without opening them."""
    os.mkfifo(root / "fifo.md")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(root / "socket.md"))
    (root / "zero.md").symlink_to("/dev/zero")
    assert refused(look(root, "fifo.md"), UnreadableComponent)
    assert "a FIFO" in str(look(root, "fifo.md").error)
    assert "a socket" in str(look(root, "socket.md").error)
    assert refused(look(root, "zero.md"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
@pytest.mark.usefixtures("way")
def test_a_device_inside_the_library_is_refused(root: Path) -> None:
    """An endless one would fill the memory."""
    try:
        os.mknod(root / "zero.md", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no right to make a device here")
    assert "a device" in str(look(root, "zero.md").error)


@pytest.mark.usefixtures("way")
def test_loops_of_symlinks_are_errors_of_that_place(root: Path) -> None:
    """A link to itself, and a path through one: something is there, it cannot be looked at."""
    (root / "a.md").symlink_to("a.md")
    (root / "d").symlink_to("d")
    for id in ("a.md", "d/x.md"):
        seen = look(root, id)
        assert refused(seen, UnreadableComponent)
        assert (
            seen.signature
            == FileSignature.unseen(errno.ELOOP)
            == Sweep(files_of(root)).signature(Place(0, id))
        )


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_a_swapped_symlink_never_lets_the_outside_in(root: Path, secret: Path) -> None:
    """A thread swaps links in a loop, inwards and outwards, file and directory, while we read."""
    (root / "inside").mkdir()
    (root / "inside" / "secret.md").write_text("inside")
    targets = {"a.md": [root / "inside" / "secret.md", secret], "d": [root / "inside", secret.parent]}
    stop, swaps = threading.Event(), [0]

    def swap() -> None:
        while not stop.is_set():
            for name, (inward, outward) in targets.items():
                for target in (inward, outward):
                    (root.parent / "new").symlink_to(target)
                    (root.parent / "new").replace(root / name)
                    swaps[0] += 1

    for name, (inward, _) in targets.items():
        (root / name).symlink_to(inward)
    swapper = threading.Thread(target=swap)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    swapper.start()
    try:
        files, seen, listed = files_of(root), [], set()
        while swaps[0] < 400 and len(seen) < 4_000:
            seen += [files.read(Place(0, id)) for id in ("a.md", "d/secret.md") for _ in range(5)]
            listed |= set(files.scan().found)
    finally:
        stop.set()
        swapper.join()
        sys.setswitchinterval(before)
    assert {one.text for one in seen} <= {"inside", None}
    assert all(
        one.text or refused(one, (OutsideRoot, UnreadableComponent)) or one.signature is None for one in seen
    )
    assert {place.id for place in listed} <= {"a.md", "inside/secret.md", "d/secret.md"}
    assert swaps[0] > 20


# -- permissions ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
def test_a_file_without_read_permission(public: Path) -> None:
    """It is there and it is an error; when the permission comes back it is read."""
    path = public / "a.md"
    path.write_text("x")
    path.chmod(0)
    with as_nobody():
        denied = look(public)
        assert refused(denied, UnreadableComponent)
        assert "Permission denied" in str(denied.error)
        assert denied.signature == Sweep(files_of(public)).signature(Place(0, "a.md"))
    path.chmod(0o644)
    with as_nobody():
        assert look(public).text == "x"


@pytest.mark.usefixtures("way")
def test_an_unreadable_directory_is_an_error_of_what_is_below(public: Path) -> None:
    """Whether a file is below cannot be known; the rest of the library is unaffected."""
    (public / "closed").mkdir()
    (public / "closed" / "x.md").write_text("x")
    (public / "a.md").write_text("a")
    (public / "closed").chmod(0)
    with as_nobody():
        denied = look(public, "closed/x.md")
        assert refused(denied, UnreadableComponent)
        assert denied.signature == FileSignature.unseen(errno.EACCES)
        assert look(public).text == "a"
        listing = files_of(public).scan()
    assert [place.id for place in listing.found] == ["a.md"]
    assert listing.problems == (f"{public}/closed: cannot be listed (Permission denied)",)


def test_a_directory_one_may_list_and_not_enter(public: Path) -> None:
    """Its files are named, each with what is wrong; nothing vanishes silently."""
    (public / "half").mkdir()
    (public / "half" / "x.md").write_text("x")
    (public / "half").chmod(0o744)
    with as_nobody():
        listing = files_of(public).scan()
    assert listing.found == {Place(0, "half/x.md"): FileSignature.unseen(errno.EACCES)}
    assert listing.problems == (f"{public}/half/x.md: cannot be looked at (Permission denied)",)


# -- listing --------------------------------------------------------------------------------------


def ids(root: Path, **bounds: int) -> list[str]:
    """Return the ids a scan of one root finds, in its order."""
    return [place.id for place in files_of(root, **bounds).scan().found]


@pytest.mark.usefixtures("way")
def test_a_scan_finds_components_in_a_fixed_order(root: Path) -> None:
    """By suffix, below every directory that is not ignored, with the signatures a look would have."""
    others = ("a/raw.xml", ".git/x.md", "old.md~", ".md", "a/B.MD", "c.Txt", ".MD", "d.XML")
    for name in ("b.md", "a/z.md", "a/b/c.txt", "a.md", *others):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    files = files_of(root)
    scanned = files.scan()
    assert [place.id for place in scanned.found] == ["a.md", "b.md", "a/z.md", "a/b/c.txt"]
    assert tuple(files.directories()) == (f"{root}", f"{root}/a", f"{root}/a/b")
    assert scanned.problems == ()
    assert [place.id for place in scanned.lookalikes] == ["c.Txt", "a/B.MD"]
    assert all(files.read(place).signature == signature for place, signature in scanned.found.items())


@pytest.mark.usefixtures("way")
def test_outward_directories_are_not_walked(root: Path, secret: Path) -> None:
    """A link to a large tree outside is named as a problem; nothing below it is listed or opened."""
    (root / "away").symlink_to("/usr")
    (root / "near").symlink_to(secret.parent)
    (root / "a.md").write_text("a")
    files = files_of(root)
    scanned = files.scan()
    assert [place.id for place in scanned.found] == ["a.md"]
    assert tuple(files.directories()) == (f"{root}",)
    assert scanned.problems == tuple(
        f"{root}/{name}: a symlink out of the library ({target}); not followed"
        for name, target in (("away", "/usr"), ("near", secret.parent))
    )


@pytest.mark.usefixtures("way")
def test_an_outward_file_is_listed_and_then_refused(root: Path, secret: Path) -> None:
    """The author sees the error at that component."""
    (root / "a.md").symlink_to(secret)
    assert ids(root) == ["a.md"]
    assert refused(look(root))


def test_directories_that_contain_themselves_are_walked_once(root: Path) -> None:
    """A link upward, or beside, leads to what is listed by its own name; by the other it can be read."""
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x.md").write_text("x")
    (root / "a" / "b" / "up").symlink_to("../..")
    (root / "a" / "self").symlink_to(".")
    (root / "twin").symlink_to("a")
    assert ids(root) == ["a/b/x.md"]
    assert look(root, "twin/b/x.md").text == "x"


def test_a_directory_is_listed_by_a_link_if_it_has_no_name_of_its_own(root: Path, tmp_path: Path) -> None:
    """What is in another root, or in a directory that is ignored: once, however many links lead there."""
    other = tmp_path / "other"
    for directory in (other, root / ".git"):
        directory.mkdir()
        (directory / "x.md").write_text("x")
        (directory / "up").symlink_to(root)
    for name in ("first", "second"):
        (root / name).symlink_to(other)
        (root / f"{name}-git").symlink_to(".git")
    scanned = files_of(root, other).scan()
    assert list(scanned.found) == [
        *(Place(0, id) for id in ("first/x.md", "first-git/x.md")),
        *(Place(1, id) for id in ("x.md", "up/first-git/x.md")),
    ]


@pytest.mark.timeout(20)
def test_directories_that_link_to_each_other_do_not_multiply_without_end(root: Path) -> None:
    """34 directories with a link to each other have 34! ways through them: each is listed once."""
    for number in range(34):
        (root / f"d{number}").mkdir()
        (root / f"d{number}" / "x.md").write_text("x")
    for number in range(34):
        for other in range(34):
            (root / f"d{number}" / f"to{other}").symlink_to(f"../d{other}")
    files = files_of(root)
    scanned = files.scan()
    assert len(files.directories()) == 35
    assert len(scanned.found) == 34
    assert scanned.problems == ()


def test_too_many_directories_are_said_once(root: Path) -> None:
    """The walk is bounded in directories as well as in files."""
    for number in range(30):
        (root / f"d{number}").mkdir()
    files = files_of(root, max_files=20)
    assert len(files.directories()) == 20
    assert files.scan().problems == (f"{root}: more than 20 files or directories; raise library.max_files",)


def test_a_tree_deeper_than_allowed_is_said_to_be(root: Path) -> None:
    """64 directories deep is deep enough; what is below is named."""
    deep = root
    for _ in range(70):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x.md").write_text("x")
    scanned = files_of(root).scan()
    assert scanned.found == {}
    assert len(scanned.problems) == 1
    assert "deeper than 64 directories" in scanned.problems[0]


def test_too_many_files_are_said_once(root: Path) -> None:
    """However many directories there still are."""
    for number in range(20):
        (root / f"{number:02}").mkdir()
        (root / f"{number:02}" / "x.md").write_text("x")
    scanned = files_of(root, max_files=10).scan()
    assert 9 <= len(scanned.found) <= 11
    assert len(scanned.problems) == 1


def test_a_name_that_is_not_utf8_costs_only_itself(root: Path) -> None:
    """It cannot be asked for; the listing says so and goes on."""
    (root / "a.md").write_text("a")
    with open(os.fsencode(root) + b"/\xff.md", "w") as odd:
        odd.write("odd")
    os.mkdir(os.fsencode(root) + b"/\xfe")
    scanned = files_of(root).scan()
    assert [place.id for place in scanned.found] == ["a.md"]
    assert len(scanned.problems) == 2
    assert all("not UTF-8" in problem for problem in scanned.problems)


def test_a_root_that_is_gone_is_a_problem_and_not_an_end(root: Path, tmp_path: Path) -> None:
    """The other roots are listed."""
    (root / "a.md").write_text("a")
    scanned = files_of(tmp_path / "gone", root).scan()
    assert list(scanned.found) == [Place(1, "a.md")]
    assert scanned.problems == (f"{tmp_path}/gone: cannot be listed (No such file or directory)",)


def test_special_files_are_listed_and_dangling_links_are_not(root: Path) -> None:
    """What is there and cannot be used shows up as an error later; what is not there does not show up."""
    os.mkfifo(root / "fifo.md")
    (root / "dangling.md").symlink_to("nowhere")
    (root / "loop.md").symlink_to("loop.md")
    scanned = files_of(root).scan()
    assert [place.id for place in scanned.found] == ["fifo.md", "loop.md"]
    assert scanned.found[Place(0, "loop.md")] == FileSignature.unseen(errno.ELOOP)


# -- places, sweeps -------------------------------------------------------------------------------


def test_paths_and_places(root: Path, tmp_path: Path) -> None:
    """A path denotes a place in each root it lies below; one outside denotes none."""
    files = files_of(tmp_path, root)
    assert files.places(f"{root}/a/x.md") == [Place(0, "library/a/x.md"), Place(1, "a/x.md")]
    assert files.place(f"{root}/a.md") == Place(0, "library/a.md")
    assert files.place("/elsewhere/a.md") is None
    assert files.path(Place(1, "a/x.md")) == f"{root}/a/x.md"
    assert repr(files) == f"<Worktree {tmp_path}, {root}>"


def test_existence_is_asked_of_many_places(root: Path) -> None:
    """Files of any kind exist, directories do not count."""
    (root / "a.md").write_text("a")
    (root / "d.md").mkdir()
    (root / "loop.md").symlink_to("loop.md")
    places = [Place(0, id) for id in ("a.md", "d.md", "gone.md", "loop.md")]
    assert files_of(root).exists(places) == [places[0], places[3]]


def test_a_sweep_looks_once(root: Path) -> None:
    """Within one sweep a path has one signature and a place one reading, whatever happens on disk."""
    path = root / "a.md"
    path.write_text("a")
    sweep = Sweep(files_of(root))
    first = sweep.signature(Place(0, "a.md"))
    sweep.compare([Place(0, "a.md")])
    path.unlink()
    sweep.stat([Place(0, "a.md")])
    sweep.compare([Place(0, "a.md")])
    assert sweep.signature(Place(0, "a.md")) == first
    assert repr(sweep) == "<Sweep of 1 places, 1 readings>"


def test_slow_stats_are_measured(root: Path) -> None:
    """One hiccup is forgotten, slowness that lasts is not, and it is over when it is over."""
    files = files_of(root)
    files.observe_stats(10, 0.01)
    assert files.stat_s < SLOW_STAT_S
    for _ in range(100):
        files.observe_stats(10, 0.01)
    assert files.stat_s > SLOW_STAT_S
    for _ in range(100):
        files.observe_stats(10, 0.00002)
    assert files.stat_s < SLOW_STAT_S


def test_a_typed_path_keeps_its_symlinks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` and relative paths are made absolute; a root that is a link stays one."""
    (root / "link").symlink_to("real")
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOME", "/home/me")
    assert library_path("link") == f"{root}/link"
    assert library_path("~/prompts") == "/home/me/prompts"
