"""`config check` and `config show`."""

import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def _config(directory: Path, text: str) -> Path:
    path = directory / "promptd.toml"
    path.write_text(text)
    return path


def test_a_right_file_is_ok(run: Run, tmp_path: Path) -> None:
    """Exit 0 and one line; a root that does not exist yet is a warning."""
    path = _config(tmp_path, '[[roots]]\npath = "not-there"\n')
    code, out, err = run("config", "check", path)
    assert (code, out.decode()) == (0, f"{path}: ok\n")
    assert "not-there is not a directory" in err


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[cache]\nentries = 0\n", "cache.entries"),
        ("[cache]\nentires = 5\n", "cache.entries"),
        ('[log]\nformat = "xml"\n', "log.format"),
        ("[cache\n", "line 1"),
    ],
)
def test_a_wrong_file_exits_78_and_names_the_key(text: str, key: str, run: Run, tmp_path: Path) -> None:
    """The message names the key's path, or the nearest right spelling of a wrong one."""
    code, out, err = run("config", "check", _config(tmp_path, text))
    assert (code, out) == (78, b"")
    assert key in err


def test_a_file_that_is_not_there_exits_78(run: Run) -> None:
    """The error names the file."""
    code, _, err = run("config", "check", "/no/such/file.toml")
    assert code == 78
    assert "/no/such/file.toml" in err


def test_show_is_toml_that_says_where_values_come_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment wins over the file and both are named; a default has no comment."""
    path = _config(tmp_path, "[cache]\nentries = 300\nhot_set = 7\n")
    monkeypatch.setenv("PROMPTD_CACHE_ENTRIES", "500")
    code, out, _ = run("config", "show", "--config", path)
    lines = out.decode().splitlines()
    assert code == 0
    assert "entries = 500  # $PROMPTD_CACHE_ENTRIES" in lines
    assert f"hot_set = 7  # {path}:3" in lines
    assert "max_workers = 8" in lines
    assert tomllib.loads(out.decode())["cache"]["entries"] == 500


def test_show_names_the_origin_of_roots(run: Run, tmp_path: Path) -> None:
    """A key inside a list of tables has its line too."""
    path = _config(tmp_path, f'[[roots]]\npath = "{tmp_path}"\n')
    out = run("config", "show", "--config", path).out.decode()
    assert f'path = "{tmp_path}"  # {path}' in out


def test_show_without_a_file_is_all_defaults(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no file and no variable there is no comment."""
    for name in ("PROMPTD_STATE_DIRECTORY", "PROMPTD_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    assert b"#" not in run("config", "show").out.replace(b'".#*"', b"")
