"""`init`: a library that works, and nothing overwritten."""

from pathlib import Path

from tests.cli.conftest import Run


def test_the_library_works_at_once(run: Run, tmp_path: Path) -> None:
    """What `init` writes passes `check` and assembles, by directory and by its own configuration."""
    root = tmp_path / "prompts"
    code, out, err = run("init", root)
    assert code == 0
    assert f"wrote {root}/promptd.toml\n" in out.decode()
    assert "Try it:" in err
    assert run("check", root).code == 0
    assert run("config", "check", root / "promptd.toml").code == 0
    by_directory = run("assemble", "--library", root, "commands/hello", "--var", "name=Ada")
    config = root / "promptd.toml"
    by_config = run("assemble", "--no-daemon", "--config", config, "commands/hello", "--var", "name=Ada")
    assert by_directory.code == 0, by_directory.err
    assert b"# Greet Ada" in by_directory.out
    assert by_config.out == by_directory.out


def test_existing_files_are_kept(run: Run, tmp_path: Path) -> None:
    """A file that is there already keeps its content and is reported."""
    mine = tmp_path / "commands" / "hello.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    code, out, _ = run("init", tmp_path)
    assert code == 0
    assert f"kept  {mine}\n" in out.decode()
    assert mine.read_text() == "mine"
    assert (tmp_path / "promptd.toml").exists()


def test_a_place_that_cannot_be_written_exits_73(run: Run, tmp_path: Path) -> None:
    """A file where a directory should be is named in the error."""
    (tmp_path / "commands").write_text("a file")
    code, _, err = run("init", tmp_path)
    assert code == 73
    assert "commands" in err
