"""Proofs: the compiled helper and the loop give the same verdict on everything a path can lead to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from promptd.core.syntax.component import Place
from promptd.sources.worktree import beneath
from promptd.sources.worktree import stat_proof as proof
from promptd.sources.worktree.beneath import RootPaths
from promptd.sources.worktree.stat_proof import StatProof, prove

WAYS = [
    pytest.param(
        StatProof.holds,
        id="helper",
        marks=pytest.mark.skipif(not proof.IS_COMPILED, reason="no C compiler when promptd was installed"),
    ),
    pytest.param(StatProof.holds_by_loop, id="loop"),
]
Way = Callable[[StatProof], bool]


def proof_of(root: Path, *paths: Path) -> StatProof:
    """A proof of what is there now."""
    roots = RootPaths([str(root)])
    places = [Place(0, str(path)[len(str(root)) + 1 :]) for path in paths]
    seen, left = beneath.signatures(roots, places, stay=True)
    assert not left
    found = prove(roots, seen)
    assert found is not None
    return found


def place(root: Path) -> dict[str, Path]:
    """One path of each kind."""
    (root / "file").write_text("one")
    (root / "directory").mkdir()
    (root / "link").symlink_to("file")
    (root / "dangling").symlink_to("nowhere")
    odd = Path(os.fsdecode(os.fsencode(root) + b"/\xff"))
    odd.write_text("odd")
    kinds = {name: root / name for name in ("file", "link", "dangling", "missing")}
    return kinds | {"odd": odd, "below a file": root / "file" / "x", "too long": root / ("n" * 300)}


@pytest.mark.parametrize("holds", WAYS)
def test_what_is_as_it_was_holds(tmp_path: Path, holds: Way) -> None:
    """Files, links, nothing, a name that cannot be: all of them unchanged."""
    found = proof_of(tmp_path, *place(tmp_path).values())
    assert holds(found)
    assert holds(found)
    assert (
        len(found) == 8
    )  # a link that leads to a file, or to nothing, is two entries; its end may be one already


@pytest.mark.parametrize("holds", WAYS)
@pytest.mark.parametrize("target", ["d/x.md", "./d//x.md", "{root}/d/x.md", "{root}/./d/x.md/"])
def test_what_appears_at_the_end_of_a_link_is_seen(tmp_path: Path, holds: Way, target: str) -> None:
    """However the link is written, and whether or not the directory was there."""
    (tmp_path / "link").symlink_to(target.format(root=tmp_path))
    for _ in range(2):
        found = proof_of(tmp_path, tmp_path / "link")
        assert holds(found)
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / "x.md").write_text("x")
        assert not holds(found)
        (tmp_path / "d" / "x.md").unlink()


def _write(path: Path) -> None:
    path.write_text("two!")


def _touch(path: Path) -> None:
    os.utime(path, ns=(5, 5))


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("one")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def _become_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("holds", WAYS)
@pytest.mark.parametrize("change", [_write, _touch, _replace, Path.unlink, _become_a_directory])
@pytest.mark.parametrize("name", ["file", "odd"])
def test_a_change_of_a_file_is_seen(
    tmp_path: Path, holds: Way, change: Callable[[Path], None], name: str
) -> None:
    """Written, touched, replaced by the same bytes, removed, or a directory now."""
    paths = place(tmp_path)
    found = proof_of(tmp_path, *paths.values())
    change(paths[name])
    assert not holds(found)


@pytest.mark.parametrize("holds", WAYS)
@pytest.mark.parametrize("name", ["missing", "dangling"])
def test_what_comes_where_nothing_was_is_seen(tmp_path: Path, holds: Way, name: str) -> None:
    """A negative fact is a fact."""
    paths = place(tmp_path)
    found = proof_of(tmp_path, *paths.values())
    paths[name].unlink(missing_ok=True)
    paths[name].write_text("here")
    assert not holds(found)


@pytest.mark.parametrize("holds", WAYS)
def test_times_before_1970_and_the_last_of_many_paths(tmp_path: Path, holds: Way) -> None:
    """Signed times keep their value, and no path is left out."""
    paths = [tmp_path / f"{number}.md" for number in range(40)]
    for path in paths:
        path.write_text("x")
        os.utime(path, ns=(-7, -7))
    found = proof_of(tmp_path, *paths)
    assert holds(found)
    os.utime(paths[-1], ns=(-7, -8))
    assert not holds(found)


@pytest.mark.parametrize("holds", WAYS)
def test_nothing_to_look_at_holds(tmp_path: Path, holds: Way) -> None:
    """Of no path at all."""
    assert holds(proof_of(tmp_path))


def test_without_the_helper_the_loop_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a compiler has the same promises."""
    monkeypatch.setattr(proof, "_same", None)
    (tmp_path / "a").write_text("one")
    found = proof_of(tmp_path, tmp_path / "a")
    assert found.holds()
    (tmp_path / "a").write_text("more")
    assert not found.holds()


@pytest.mark.parametrize("holds", WAYS)
def test_a_link_in_the_place_of_a_directory_proves_nothing(tmp_path: Path, holds: Way) -> None:
    """A directory that was moved and linked to has the same files; the way to them is another."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "a").write_text("a")
    found = proof_of(tmp_path, tmp_path / "directory" / "a", tmp_path / "directory" / "none")
    assert holds(found)
    (tmp_path / "directory").rename(tmp_path / "moved")
    assert not holds(found)
    (tmp_path / "directory").symlink_to("moved")
    assert not holds(found)
    assert holds(proof_of(tmp_path, tmp_path / "directory" / "a", tmp_path / "directory" / "none"))


@pytest.mark.parametrize("holds", WAYS)
def test_every_link_on_the_way_is_proved(tmp_path: Path, holds: Way) -> None:
    """Two directories with files of one inode: which of them a link leads to is part of the proof."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "a").write_text("a")
    os.link(tmp_path / "one" / "a", tmp_path / "two" / "a")
    (tmp_path / "current").symlink_to("one")
    (tmp_path / "absolute").symlink_to(tmp_path / "current" / "a")
    found = proof_of(tmp_path, tmp_path / "absolute", tmp_path / "current" / "missing")
    assert len(found) == 4
    assert holds(found)
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "current")
    assert not holds(found)


def test_what_cannot_be_proved_at_once_has_no_proof(tmp_path: Path) -> None:
    """A loop, a link that leads out: asked one by one."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").symlink_to("/etc/hostname")
    for name in ("loop", "out"):
        assert prove(RootPaths([str(tmp_path)]), {Place(0, name): None}) is None
