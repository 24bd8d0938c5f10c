"""The tree of a commit to compare with: exported and set up once, without touching the checkout."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import base
from benchmarks.servers import Missing, Tree

SETUP = 'echo "$2" >> set-up-with\n'


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and a change on top that is not committed."""
    root = tmp_path / "checkout"
    (root / ".ci").mkdir(parents=True)
    (root / ".ci" / "setup").write_text(SETUP)
    (root / "version").write_text("committed")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "One"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    (root / "version").write_text("changed")
    monkeypatch.setattr(base, "THIS_TREE", Tree(str(root), "python"))
    monkeypatch.setattr(base, "CACHE", tmp_path / "cache")
    return root


def test_a_commit_is_exported_and_set_up_once(checkout: Path) -> None:
    """What is built is the commit, not the working tree; the second time nothing is run."""
    tree = base.built("HEAD")
    assert base.built("HEAD") == tree
    assert Path(tree.directory, "version").read_text() == "committed"
    assert Path(tree.directory, "set-up-with").read_text() == ".venv\n"
    assert tree.python == f"{tree.directory}/.venv/bin/python"


def test_a_set_up_that_failed_is_begun_anew(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted set-up left is removed: a half environment is never measured."""
    tree = base.built("HEAD")
    Path(tree.directory, base.READY_MARK).unlink()
    Path(tree.directory, "left").touch()
    base.built("HEAD")
    assert not Path(tree.directory, "left").exists()


@pytest.mark.parametrize("commit", ["nonsense", "--all"])
def test_what_is_no_commit_is_said(checkout: Path, commit: str) -> None:
    """Git's own words, and nothing is made."""
    with pytest.raises(Missing, match="rev-parse"):
        base.built(commit)
    assert not base.CACHE.exists()
