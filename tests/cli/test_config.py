"""`config check`, `config show` and `config export`."""

import tomllib
from pathlib import Path

import pytest

from promptd import config as configuration
from promptd.cli.child import child_daemon, temporary_directory
from tests.cli.conftest import FakeDaemon, Run


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
        ('[[roots]]\npath = "."\ndialects = ["inclde"]\n', "no dialect 'inclde'; there are: all, include,"),
        ('[tokens]\nstrategy = "best"\n', "tokens.strategy: no strategy 'best'"),
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


def _target(name: str, **given: object) -> dict[str, object]:
    return {"name": name, "unit": "ms", "value": None, "window": None, "state": "no_data", **given}


def test_export_says_what_was_measured_beside_each_target(run: Run, daemon: FakeDaemon) -> None:
    """A value with its window and state, or why there is none; what belongs to the machine is not there."""
    settings = configuration.load(None, {}, {"serve.socket": "/run/x.sock", "state.directory": "/var/x"})
    daemon.answers |= {
        "configuration": {"toml": configuration.render(settings)},
        "version": {"version": "1.2.3"},
        "health": {
            "time": "2026-01-01T00:00:00.000Z",
            "targets": [
                _target("response_time", value=3.25, window="10m", state="optimal"),
                _target("hit_ratio", unit="share", value=0.5, window="1m", state="missed"),
                _target("memory", unit="bytes", value=12_345_678.0, window="1m", state="met"),
                _target("errors", state="warming"),
                _target("token_reduction", state="off"),
                _target("component_load"),
            ],
        },
    }
    code, out, err = run("config", "export")
    lines = out.decode().splitlines()
    assert (code, err) == (0, "")
    assert 'response_time_max = "100ms"  # measured 3.25 ms over 10m: optimal' in lines
    assert "hit_ratio_min = 0.75  # measured 0.5 over 1m: missed" in lines
    assert 'memory_bytes_max = "200MB"  # measured 12,345,678 bytes over 1m: met' in lines
    assert "error_ratio_max = 0.01  # not measured: the daemon was warming up" in lines
    assert "reduction_min = 0.3  # not measured: no target is set" in lines
    assert 'load_time_max = "50ms"  # not measured: no data' in lines
    shown = tomllib.loads(out.decode())
    assert "socket" not in shown["serve"]
    assert "directory" not in shown["state"]


def test_an_export_that_cannot_be_written_says_so(run: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    """Exit 73, and the file is named."""
    daemon.answers |= {"configuration": {"toml": ""}, "version": {"version": "1"}, "health": {"time": "now"}}
    code, _, err = run("config", "export", "--out", tmp_path / "no" / "such.toml")
    assert code == 73
    assert "such.toml" in err


@pytest.mark.slow
def test_what_a_daemon_exports_another_can_be_started_with(run: Run, tmp_path: Path) -> None:
    """From one real daemon into another: the same configuration, in other places."""
    library = tmp_path / "library"
    library.mkdir()
    first = _config(tmp_path, f'[[roots]]\npath = "{library}"\n[targets]\nhit_ratio_min = 0.5\n')
    exported = tmp_path / "exported.toml"
    with temporary_directory("test") as place, child_daemon(place, ["--config", str(first)]) as daemon:
        assert run("config", "export", "--out", exported, "--socket", daemon.socket).code == 0
    with temporary_directory("test") as place, child_daemon(place, ["--config", str(exported)]) as daemon:
        again = run("config", "export", "--socket", daemon.socket).out.decode()
    assert tomllib.loads(again) == tomllib.loads(exported.read_text())
    assert tomllib.loads(again)["targets"]["hit_ratio_min"] == 0.5
