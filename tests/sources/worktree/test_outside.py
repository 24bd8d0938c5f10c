"""What lies outside by now: text that was read inside, through ways that lead out since."""

import json
import os
from pathlib import Path

import pytest

from promptd import Engine
from promptd.errors import OutsideRoot
from tests.freshness import make_files_look_old


@pytest.mark.parametrize("has_reconciled", [False, True])
def test_a_link_that_leads_out_by_now_with_the_same_signature(
    tmp_path: Path, has_reconciled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that was moved away, a file with a second name outside: text from there is not served."""
    make_files_look_old(monkeypatch)
    lib, out = tmp_path / "lib", tmp_path / "out"
    for directory in (lib / "dir", out):
        directory.mkdir(parents=True)
    (lib / "dir/a.md").write_text("text\n")
    (lib / "b.md").write_text("text\n")
    os.link(lib / "b.md", out / "b.md")
    (lib / "link.md").symlink_to("b.md")
    with Engine.open(lib) as engine:
        for _ in range(2):
            assert engine.assemble("dir/a").text == engine.assemble("link").text == "text\n"
        (lib / "dir").rename(out / "dir")
        (lib / "dir").symlink_to(out / "dir")
        (lib / "link.md").unlink()
        (lib / "link.md").symlink_to(out / "b.md")
        if has_reconciled:
            rows = json.loads(engine.call("list"))["components"]
            assert "leads out" in next(row["error"] for row in rows if row["id"] == "link.md")
        for name in ("dir/a", "link"):
            with pytest.raises(OutsideRoot):
                engine.assemble(name)
