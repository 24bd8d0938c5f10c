"""The index beside requests: what is recalled is as old as the scan that proved it."""

from contextlib import suppress
from pathlib import Path

import pytest

from promptd import Engine, flows
from promptd.upkeep.index import IndexFile, Writing, shelves_of
from tests.freshness import make_files_look_old


def test_what_is_recalled_does_not_replace_what_was_read_since_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan came first: whoever read a file since knows better than the index."""
    make_files_look_old(monkeypatch)
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "f.md").write_text("one\n")
    file = IndexFile(tmp_path)
    with Engine.open(lib) as engine:
        engine.call("list")
        writing = Writing(shelves_of(engine.keeper))
        writing.add(list(engine.keeper.library.readings()))
        assert writing.entries == 1
        assert file.write(writing)
    with Engine.open(lib) as engine:
        keeper = engine.keeper
        keeper.loader.index = file.read(shelves_of(keeper))
        flow = flows.reconcile(keeper)
        outcome, digest = None, ""
        with suppress(StopIteration):
            while True:
                command = flow.send(outcome)
                outcome = flows.perform(keeper, command)
                if isinstance(command, flows.Compute):
                    (lib / "f.md").write_text("two\n")
                    digest = engine.assemble("f").manifest[0].digest
        held = keeper.library.get("f.md")
        assert held is not None
        assert held.digest == digest
