"""The index beside requests: what is recalled is as old as the scan that proved it."""

from contextlib import suppress
from pathlib import Path

import pytest

from promptd import Engine
from promptd.daemon.state.index_file import IndexFile, Writing, indexed_roots_of
from promptd.engine import procedures
from tests.freshness import make_files_look_old


def test_what_is_recalled_does_not_replace_what_was_read_since_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan came first: a read of a file since then takes precedence over the index."""
    make_files_look_old(monkeypatch)
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "f.md").write_text("one\n")
    file = IndexFile(tmp_path)
    with Engine.open(lib) as engine:
        engine.call("list")
        writing = Writing(indexed_roots_of(engine.workspace))
        writing.add(list(engine.workspace.library.readings()))
        assert writing.entries == 1
        assert file.write(writing)
    with Engine.open(lib) as engine:
        workspace = engine.workspace
        workspace.loader.index = file.read(indexed_roots_of(workspace))
        procedure = procedures.reconcile(workspace)
        outcome, digest = None, ""
        with suppress(StopIteration):
            while True:
                command = procedure.send(outcome)
                outcome = procedures.perform(workspace, command)
                if isinstance(command, procedures.Compute):
                    (lib / "f.md").write_text("two\n")
                    digest = engine.assemble("f").manifest[0].digest
        held = workspace.library.get("f.md")
        assert held is not None
        assert held.digest == digest
