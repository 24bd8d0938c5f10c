"""Worktree.directories: the directories the watcher has to watch, and their real paths."""

from pathlib import Path

import pytest

from promptd.core.library.resolve import NamingRules
from promptd.sources.worktree.files import Worktree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library with links inwards, outwards and in a circle, and an ignored repository."""
    root = tmp_path.resolve() / "lib"
    (root / "a" / "b").mkdir(parents=True)
    (root / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (root / "alias").symlink_to("a")
    (root / "a" / "b" / "circle").symlink_to("../..")
    (root / "leaving").symlink_to(tmp_path / "outside")
    (root / "a" / "x.md").write_text("x")
    return root


@pytest.fixture
def files(root: Path) -> Worktree:
    """The working tree of that library."""
    return Worktree([str(root)], NamingRules((".md",), {}, (".git",)))


def test_every_directory_with_where_it_really_is(files: Worktree, root: Path) -> None:
    """Neither ignored ones, nor what leads out, nor a link to what has a name of its own."""
    found = files.directories()
    assert {name.removeprefix(f"{root}"): real.removeprefix(f"{root}") for name, real in found.items()} == {
        "": "",
        "/a": "/a",
        "/a/b": "/a/b",
    }


def test_below_one_directory_is_that_part_of_the_whole(files: Worktree, root: Path) -> None:
    """For each directory the answer is what the whole list holds at and below it."""
    whole = files.directories()
    for top in whole:
        part = {name: real for name, real in whole.items() if f"{name}/".startswith(f"{top}/")}
        assert files.directories(top) == part


@pytest.mark.parametrize(
    "name", ["leaving", "leaving/deep", ".git", ".git/hooks", "gone", "a/x.md", "../outside"]
)
def test_what_is_no_part_of_the_library_has_no_directories(files: Worktree, root: Path, name: str) -> None:
    """Outside, ignored, absent, or a file: nothing to watch."""
    assert files.directories(f"{root}/{name}") == {}
