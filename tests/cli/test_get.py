"""`get`: a file as it is, and its diagnostics."""

import json
from pathlib import Path

from tests.cli.conftest import LONG, FakeDaemon, Run


def test_get_prints_the_file(daemon: FakeDaemon, run: Run) -> None:
    """`get` prints the text of the file, and its diagnostics on stderr."""
    diagnostic = {"kind": "front-matter", "message": "not a mapping", "line": 2}
    daemon.answers["get"] = {"id": "a.md", "text": "---\nx\n---\n", "diagnostics": [diagnostic]}
    code, out, err = run("get", "a")
    assert (code, out) == (0, b"---\nx\n---\n")
    assert err == "promptd: warning: a.md:2: not a mapping\n"
    assert json.loads(run("get", "a", "--json").out) == daemon.answers["get"]


def test_what_was_removed_can_be_had_back(root: Path, run: Run) -> None:
    """`get --span` prints the stretch of the file that a manifest names."""
    result = json.loads(run("assemble", "--library", root, "commands/a", "--budget", "100", "--json").out)
    (entry,) = [entry for entry in result["manifest"] if entry["id"] == "parts/b.md"]
    (unit,) = entry["removed"]
    code, out, _ = run("get", "--library", root, entry["id"], "--span", *unit["span"])
    assert code == 0
    assert out.decode() == LONG[LONG.index("Step 6 ") :]
    assert "Step 5 " in result["text"]
    assert run("get", "--library", root, "parts/b", "--span", "5", "999999").code == 64


def test_a_section_is_fetched_by_name_and_digest(root: Path, run: Run) -> None:
    """As the reference in a prompt says; another digest, and a section that is not there, end with 65."""
    (root / "parts/c.md").write_text("# C\n\n## One\n\nfirst\n\n## Two\n\nsecond\n")
    code, out, _ = run("get", "--library", root, "parts/c#two")
    assert (code, out) == (0, b"## Two\n\nsecond\n")
    digest = json.loads(run("get", "--library", root, "parts/c", "--section", "Two", "--json").out)[
        "text_digest"
    ]
    assert run("get", "--library", root, "parts/c.md#two", "--digest", digest[:12]).out == out
    code, out, err = run("get", "--library", root, "parts/c.md#one", "--digest", digest[:12])
    assert (code, out) == (65, b"")
    assert f"not {digest[:12]}" in err
    code, _, err = run("get", "--library", root, "parts/c.md#tow")
    assert code == 65
    assert "parts/c.md has no section 'tow'; did you mean 'Two'?" in err
    assert run("get", "--library", root, "parts/c.md#two", "--digest", "12").code == 64
