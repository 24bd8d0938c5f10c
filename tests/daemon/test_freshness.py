"""Fresh, from outside: whatever was done to the library before a request is in its reply, watched or not."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.daemon.process import Daemon, write

FILES = {
    "commands/hello.md": "Hello.\n<include>tone/kind.md</include>\n<include>tone/late.md</include>\n",
    "tone/kind.md": "Be kind.\n",
    "tone/old.md": "Be old.\n",
}
KIND = "Hello.\nBe kind.\n"


def serving(environment: dict[str, str]) -> Iterator[tuple[Daemon, Path]]:
    """A daemon and its library, ended at the end."""
    with TemporaryDirectory(prefix="promptd-") as short:
        library = write(Path(short) / "library", FILES)
        daemon = Daemon(Path(short), library, environment=environment)
        assert daemon.text("commands/hello") == KIND
        yield daemon, library
        daemon.close()


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[Daemon, Path]]:
    """A daemon that watches its library."""
    yield from serving({})


@pytest.fixture(scope="module")
def unwatched() -> Iterator[tuple[Daemon, Path]]:
    """One that does not, and never scans it by itself."""
    yield from serving({"PROMPTD_WATCH_ENABLED": "false", "PROMPTD_WATCH_RESCAN_INTERVAL": "3600"})


@pytest.fixture(params=["watched", "unwatched"])
def shared(
    request: pytest.FixtureRequest, watched: tuple[Daemon, Path], unwatched: tuple[Daemon, Path]
) -> tuple[Daemon, Path]:
    """Each of the two in turn."""
    return watched if request.param == "watched" else unwatched


@pytest.fixture
def daemon(shared: tuple[Daemon, Path]) -> Daemon:
    """The daemon of the module."""
    return shared[0]


@pytest.fixture
def root(shared: tuple[Daemon, Path]) -> Path:
    """Its library, as it was at the beginning."""
    daemon, library = shared
    shutil.rmtree(library)
    write(library, FILES)
    assert daemon.text("commands/hello") == KIND
    return library


def replace(path: Path, text: str) -> None:
    """Write as editors do: a new file, renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def append(path: Path, text: str) -> None:
    """Write at the end, as a shell does."""
    with path.open("a") as file:
        file.write(text)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "edit": (lambda root: (root / "tone/kind.md").write_text("Be brief.\n"), "Hello.\nBe brief.\n"),
    "append": (
        lambda root: append(root / "tone/kind.md", "Now.\n"),
        "Hello.\nBe kind.\nNow.\n",
    ),
    "same size": (lambda root: (root / "tone/kind.md").write_text("Be mean.\n"), "Hello.\nBe mean.\n"),
    "rename over": (lambda root: replace(root / "tone/kind.md", "Be new.\n"), "Hello.\nBe new.\n"),
    "move over": (lambda root: (root / "tone/old.md").rename(root / "tone/kind.md"), "Hello.\nBe old.\n"),
    "add": (lambda root: (root / "tone/late.md").write_text("Late.\n"), "Hello.\nBe kind.\nLate.\n"),
    "delete": (lambda root: (root / "tone/kind.md").unlink(), "Hello.\n"),
    "delete the directory": (lambda root: shutil.rmtree(root / "tone"), "Hello.\n"),
    "edit the prompt itself": (lambda root: (root / "commands/hello.md").write_text("Bye.\n"), "Bye.\n"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_next_prompt_is_right_at_once(daemon: Daemon, root: Path, name: str) -> None:
    """No pause between the change and the request; and right again when it is taken back."""
    change, expected = CHANGES[name]
    change(root)
    assert daemon.text("commands/hello") == expected
    shutil.rmtree(root)
    write(root, FILES)
    assert daemon.text("commands/hello") == KIND


def test_a_directory_that_is_moved_in_and_out(daemon: Daemon, root: Path) -> None:
    """What is in it exists with it, and no longer."""
    outside = write(
        root.parent / "moved", {"deep/er/new.md": "New.\n<include>moved/deep/other.md</include>\n"}
    )
    write(outside, {"deep/other.md": "Other.\n"})
    assert daemon.error("assemble", name="moved/deep/er/new") == "promptd.UnknownComponent"
    outside.rename(root / "moved")
    assert daemon.text("moved/deep/er/new") == "New.\nOther.\n"
    (root / "moved").rename(outside)
    assert daemon.error("assemble", name="moved/deep/er/new") == "promptd.UnknownComponent"
    shutil.rmtree(outside)


def test_the_root_is_replaced(daemon: Daemon, root: Path) -> None:
    """Another directory under the same path, then none, then the first again."""
    aside = root.with_name("aside")
    other = write(root.with_name("other"), {"commands/hello.md": "Another library.\n"})
    root.rename(aside)
    other.rename(root)
    assert daemon.text("commands/hello") == "Another library.\n"
    assert daemon.ask("list")["total"] == 1
    shutil.rmtree(root)
    assert daemon.error("assemble", name="commands/hello") == "promptd.UnknownComponent"
    aside.rename(root)
    assert daemon.text("commands/hello") == KIND
    assert daemon.ask("list")["total"] == 3


def test_lists_and_graphs_are_fresh_too(daemon: Daemon, root: Path) -> None:
    """list, graph, dependents, dependencies, get and check after each change."""
    (root / "tone/late.md").write_text("<include>tone/old.md</include>\n")
    assert daemon.ask("list", glob="tone/*")["total"] == 4
    assert daemon.ask("dependencies", name="commands/hello")["ids"] == [
        "tone/kind.md",
        "tone/late.md",
        "tone/old.md",
    ]
    assert daemon.ask("dependents", name="tone/old")["ids"] == ["commands/hello.md", "tone/late.md"]
    assert daemon.ask("get", name="tone/late")["dependencies"] == ["tone/old.md"]
    assert len(daemon.ask("graph")["edges"]) == 3
    (root / "tone/old.md").unlink()
    assert [found["target"] for found in daemon.ask("check")["dangling"]] == ["tone/old.md"]
    assert daemon.error("get", name="tone/old") == "promptd.UnknownComponent"


def test_a_bad_file_costs_only_itself(daemon: Daemon, root: Path) -> None:
    """Not UTF-8, a FIFO, a directory in its place, unreadable front matter: the others are byte-stable."""
    before = daemon.ask("assemble", name="commands/hello")
    (root / "bad").mkdir()
    (root / "bad/bytes.md").write_bytes(b"\xff\xfe")
    os.mkfifo(root / "bad/pipe.md")
    (root / "bad/directory.md").mkdir()
    (root / "bad/surrogate.md").write_text('---\ndescription: "\\ud800"\ntags: [a, &x [*x]]\n---\nText.\n')
    assert daemon.error("assemble", name="bad/bytes") == "promptd.EncodingError"
    assert daemon.error("assemble", name="bad/pipe") == "promptd.UnreadableComponent"
    assert daemon.error("assemble", name="bad/directory") == "promptd.UnknownComponent"
    assert daemon.text("bad/surrogate") == "Text.\n"
    assert daemon.ask("list")["total"] == 6
    after = daemon.ask("assemble", name="commands/hello")
    assert {**after, "clock": before["clock"]} == before
    assert not daemon.log("unforeseen error")
