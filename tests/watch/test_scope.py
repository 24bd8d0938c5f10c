"""scope.py: what is watched for a library, and what an event at a path asks for."""

import os
from pathlib import Path

import pytest

from promptd.watch.debounce import Changes
from promptd.watch.mounts import Mounts
from promptd.watch.scope import UNCHECKED, Scope, is_watchable
from tests.watch.fakes import AsNobody

LOCAL = Mounts({"/": "ext4"})


def survey(root: Path, *below: str, mounts: Mounts = LOCAL) -> Scope:
    """Survey a root with these directories below it."""
    listed = [str(root), *(str(root / name) for name in below)] if root.is_dir() else []
    return Scope.survey([str(root)], {name: os.path.realpath(name) for name in listed}, mounts)


def sort(scope: Scope, *paths: object) -> Changes:
    """Sort events; names ending in `~` are ignored."""
    return scope.classify([str(path) for path in paths], lambda path: path.endswith("~"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library with one directory below it, `place/lib` and `place/lib/sub`."""
    lib = tmp_path.resolve() / "place" / "lib"
    (lib / "sub").mkdir(parents=True)
    return lib


def test_directories_and_the_one_above_are_watched(root: Path) -> None:
    """What is listed, and the place from which the loss of the root is seen."""
    assert survey(root, "sub").watched == {str(root.parent), str(root), str(root / "sub")}


def test_a_file_below_the_root_is_a_path(root: Path) -> None:
    """A plain path is to be stat-ed again, whether it is there or gone."""
    assert sort(survey(root), root / "a.md") == Changes(paths=frozenset({f"{root}/a.md"}))


def test_a_directory_is_rescanned(root: Path) -> None:
    """A directory that is there now, or was at the survey, asks for a rescan of itself."""
    scope = survey(root, "sub", "gone")
    (root / "new").mkdir()
    found = sort(scope, root / "new", root / "sub", root / "gone")
    assert found.directories == {f"{root}/{name}" for name in ("new", "sub", "gone")}
    assert not found.paths


def test_events_of_neighbours_of_the_root_are_ignored(root: Path) -> None:
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
    assert scope.watched == {str(link.parent), str(root.parent), str(root)}
    assert sort(scope, root / "a.md").paths == {f"{link}/a.md"}
    assert sort(scope, link).directories == {str(link)}
    assert sort(scope, root).directories == {str(link)}


def test_a_missing_root_is_awaited_at_its_nearest_ancestor(root: Path) -> None:
    """Where the root and its parents do not exist, the appearance of the first of them is seen."""
    missing = root / "x" / "y" / "lib"
    scope = survey(missing)
    assert scope.watched == {str(root)}
    assert sort(scope, root / "x").directories == {str(missing)}
    assert not sort(scope, root / "z")


def test_several_roots_side_by_side(root: Path) -> None:
    """One event above two roots concerns both."""
    other = root.parent / "other"
    other.mkdir()
    both = [str(root), str(other)]
    scope = Scope.survey(both, dict(zip(both, both, strict=True)), LOCAL)
    assert sort(scope, root.parent).directories == {str(root), str(other)}
    assert sort(scope, other / "a.md").paths == {f"{other}/a.md"}


def test_a_directory_with_two_names_is_watched_once_and_reported_twice(root: Path) -> None:
    """A link inside the library leads to a directory of it: components have both names."""
    (root / "alias").symlink_to("sub")
    scope = survey(root, "sub", "alias")
    assert scope.watched == {str(root.parent), str(root), str(root / "sub")}
    assert sort(scope, root / "sub" / "a.md").paths == {f"{root}/sub/a.md", f"{root}/alias/a.md"}
    assert sort(scope, root / "sub").directories == {f"{root}/sub", f"{root}/alias"}
    assert sort(scope, root / "alias").directories == {f"{root}/alias"}


def test_a_newer_listing_replaces_what_it_covers(root: Path) -> None:
    """Below the places it was made for, and nowhere else."""
    scope = survey(root, "a", "a/old", "b")
    newer = {f"{root}/a": f"{root}/a", f"{root}/a/new": f"{root}/a/new", f"{root}/a/alias": f"{root}/b"}
    again = scope.renewed([f"{root}/a"], newer, LOCAL)
    assert set(again.listed) == {str(root), *(f"{root}/{name}" for name in ("a", "a/new", "a/alias", "b"))}
    assert again.watched == {str(root.parent), str(root), *(f"{root}/{name}" for name in ("a", "a/new", "b"))}
    assert again.names[f"{root}/b"] == (f"{root}/b", f"{root}/a/alias")
    assert again.renewed([f"{root}/a"], {}, LOCAL).names[f"{root}/b"] == (f"{root}/b",)


def test_suspect_are_the_places_below_and_for_a_root_those_around(root: Path) -> None:
    """Their watches may be on directories that are something else by now."""
    scope = survey(root, "sub", "sub/deep", "other")
    assert scope.suspects({f"{root}/sub"}) == {f"{root}/sub", f"{root}/sub/deep"}
    assert scope.suspects({f"{root}/new"}) == frozenset()
    assert scope.suspects({str(root)}) == scope.watched


def test_a_replaced_root_is_reported(root: Path) -> None:
    """An ancestor was renamed, the root itself is gone, or back again: a stat shows each."""
    scope = survey(root)
    assert not scope.replaced_roots()
    root.parent.rename(root.parent.parent / "elsewhere")
    assert scope.replaced_roots() == {str(root)}
    gone = survey(root)
    assert not gone.replaced_roots()
    root.mkdir(parents=True)
    assert gone.replaced_roots() == {str(root)}


def test_a_remote_file_system_is_scanned_and_never_touched(root: Path) -> None:
    """No watch on it, and no stat either, for both might hang; only the directory above is watched."""
    scope = survey(root, "sub", mounts=Mounts({"/": "ext4", str(root): "nfs4"}))
    assert scope.watched == {str(root.parent)}
    assert scope.scanned == {str(root), str(root / "sub")}
    assert scope.identities == (UNCHECKED,)
    (root / "sub").rmdir()
    root.rmdir()
    assert not scope.replaced_roots()


def test_a_remote_directory_inside_the_library_is_scanned(root: Path) -> None:
    """The rest is watched."""
    scope = survey(root, "sub", mounts=Mounts({"/": "ext4", str(root / "sub"): "fuse.sshfs"}))
    assert scope.watched == {str(root.parent), str(root)}
    assert scope.scanned == {str(root / "sub")}


def test_an_overlay_is_watched_and_scanned(root: Path) -> None:
    """What goes through it makes events, what goes around it does not."""
    scope = survey(root, "sub", mounts=Mounts({"/": "overlay"}))
    assert scope.watched == {str(root.parent), str(root), str(root / "sub")}
    assert scope.scanned == {str(root), str(root / "sub")}


def test_other_mounts_do_not_matter(root: Path) -> None:
    """A scope is the same as long as the mounts at, below and under the library are."""
    scope = survey(root)
    assert scope.has_same_mounts(Mounts({"/": "ext4", "/mnt": "nfs4"}))
    assert not scope.has_same_mounts(Mounts({"/": "ext4", str(root / "sub"): "tmpfs"}))
    assert not scope.has_same_mounts(Mounts({"/": "xfs"}))


def test_an_unreadable_directory_is_not_watchable(as_nobody: AsNobody) -> None:
    """Without read permission inotify refuses, so it is not even asked."""
    secret = as_nobody.directory / "secret"
    secret.mkdir()
    secret.chmod(0)
    with as_nobody:
        assert not is_watchable(str(secret))
        assert is_watchable(str(as_nobody.directory))
