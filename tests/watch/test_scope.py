"""scope.py: what is watched for a library, and what an event at a path asks for."""

import os
from pathlib import Path

import pytest

from promptd.watch.changes import Sighting
from promptd.watch.scope import Scope, is_within
from tests.watch.fakes import AsNobody


def survey(root: Path, *below: str) -> Scope:
    """Survey a root with these directories below it."""
    return Scope.survey([str(root)], [str(root), *(str(root / name) for name in below)])


def sort(scope: Scope, *paths: object) -> Sighting:
    """Sort events; names ending in `~` are ignored."""
    return scope.sort([str(path) for path in paths], lambda path: path.endswith("~"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library with one directory below it, `place/lib` and `place/lib/sub`."""
    lib = tmp_path.resolve() / "place" / "lib"
    (lib / "sub").mkdir(parents=True)
    return lib


def test_directories_and_the_one_above_are_watched(root: Path) -> None:
    """Parents come before children, so that a replacement of a child is never missed in between."""
    assert survey(root, "sub").watched == (str(root.parent), str(root), str(root / "sub"))


def test_a_file_below_the_root_is_a_path(root: Path) -> None:
    """A plain path is to be stat-ed again, whether it is there or gone."""
    assert sort(survey(root), root / "a.md") == Sighting(paths=frozenset({f"{root}/a.md"}))


def test_a_directory_is_rescanned(root: Path) -> None:
    """A directory that is there now, or was at the survey, asks for a rescan of itself."""
    scope = survey(root, "sub", "gone")
    (root / "new").mkdir()
    found = sort(scope, root / "new", root / "sub", root / "gone")
    assert found.directories == {f"{root}/{name}" for name in ("new", "sub", "gone")}
    assert not found.paths


def test_neighbours_of_the_root_are_nobodys_business(root: Path) -> None:
    """Events of the outer directory count only where they touch the root itself."""
    scope = survey(root)
    assert not sort(scope, root.parent / "other", f"{root}2", f"{root}-old/a.md")
    assert sort(scope, root).directories == {str(root)}
    assert sort(scope, root.parent).directories == {str(root)}


def test_ignored_names_are_dropped_below_the_root_only(root: Path) -> None:
    """`is_ignored` is asked about the library, never about a root of such a name."""
    assert not sort(survey(root), root / "a.md~")
    odd = root.parent / "lib~"
    odd.mkdir()
    assert sort(survey(odd), odd).directories == {str(odd)}


def test_a_volume_swap_rescans_its_directory(root: Path) -> None:
    """Kubernetes renames `..data`: only that event comes, and every file beside it may have changed."""
    assert sort(survey(root, "sub"), root / "sub" / "..data").directories == {f"{root}/sub"}


def test_a_linked_root_is_watched_at_both_ends(root: Path) -> None:
    """A root reached by a symlink is replaced by re-pointing the link or by replacing what it leads to."""
    link = root.parent.parent / "current"
    link.symlink_to(root)
    scope = survey(link)
    assert {str(link.parent), str(root.parent), str(link)} <= set(scope.watched)
    assert sort(scope, link).directories == {str(link)}
    assert sort(scope, root).directories == {str(link)}


def test_a_missing_root_is_awaited_at_its_nearest_ancestor(root: Path) -> None:
    """Where the root and its parents do not exist, the appearance of the first of them is seen."""
    missing = root / "x" / "y" / "lib"
    scope = survey(missing)
    assert scope.watched == (str(root),)
    assert sort(scope, root / "x").directories == {str(missing)}
    assert not sort(scope, root / "z")


def test_several_roots_side_by_side(root: Path) -> None:
    """One event above two roots concerns both."""
    other = root.parent / "other"
    other.mkdir()
    scope = Scope.survey([str(root), str(other)], [str(root), str(other)])
    assert sort(scope, root.parent).directories == {str(root), str(other)}
    assert sort(scope, other / "a.md").paths == {f"{other}/a.md"}


def test_a_name_that_is_not_utf8_is_left_out(root: Path) -> None:
    """Such a directory cannot be handed to watchfiles; it is counted."""
    name = os.fsdecode(b"\xff")
    (root / name).mkdir()
    scope = survey(root, name)
    assert f"{root}/{name}" not in scope.watched
    assert scope.unwatchable == 1


def test_an_unreadable_directory_is_left_out(as_nobody: AsNobody) -> None:
    """Without read permission inotify refuses; the others are watched and this one is counted."""
    root = as_nobody.directory
    (root / "secret").mkdir(mode=0o700)
    (root / "secret").chmod(0)
    with as_nobody:
        scope = survey(root, "secret")
    assert f"{root}/secret" not in scope.watched
    assert str(root) in scope.watched
    assert scope.unwatchable == 1


def test_within_is_by_whole_names() -> None:
    """`/lib2` is not within `/lib`; everything is within `/`."""
    assert [is_within(p, "/lib") for p in ("/lib", "/lib/a", "/lib2", "/")] == [True, True, False, False]
    assert is_within("/lib", "/")
