"""`tokens`: what it prints, and the exit code that CI depends on."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FakeDaemon, Run
from tests.conftest import Library


def test_tokens_prints_a_number(root: Path, run: Run) -> None:
    """Nothing but the number, so that a script can compare it."""
    code, out, _ = run("tokens", "--library", root, "commands/a")
    result = json.loads(run("assemble", "--library", root, "commands/a", "--json").out)
    assert (code, int(out)) == (0, result["tokens"])


def test_the_tree_shows_own_and_all(root: Path, run: Run) -> None:
    """Each include with what it has itself, with all below it, and its share."""
    lines = run("tokens", "--library", root, "commands/a", "--tree").out.decode().splitlines()
    assert lines[0].endswith("tokens (o200k_base)")
    assert "commands/a.md  own 3  total " in lines[1]
    assert lines[1].endswith("100.0%")
    assert "parts/b.md" in lines[2]


def test_check_is_a_gate(root: Path, run: Run) -> None:
    """Exit code 1 and a line for each prompt over the budget, else 0. Variables may be missing."""
    code, out, _ = run("tokens", "--library", root, "commands/*", "--check", "--budget", "100")
    assert code == 1
    assert out.decode().startswith("commands/a.md: ")
    assert (
        "Found 1 prompt over 100 tokens (2 prompts checked; the largest, commands/a.md, has " in out.decode()
    )
    code, out, _ = run("tokens", "--library", root, "commands/*", "--check", "--budget", "10000", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens",),
        ("tokens", "--check"),
        ("tokens", "a", "--budget", "5"),
    ],
)
def test_what_is_missing_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    """No daemon is asked before the command line is valid."""
    assert run(*arguments).code == 64


def test_what_a_model_would_count_stands_beside_the_raw_count(root: Path, run: Run, tmp_path: Path) -> None:
    """With its factor and the encoding's name. Stdout stays one number; without a model nothing is said."""
    file = tmp_path / "p.toml"
    file.write_text('[tokens.models."m-1"]\ninput = 3.0\ncalibration = 1.5\n')
    where = ("--config", file, "--library", root, "commands/a")
    code, out, said = run("tokens", *where, "--model", "m-1")
    raw = int(out)
    assert (code, said) == (
        0,
        f"about {round(raw * 1.5):,} tokens of m-1 = {raw:,} (o200k_base) x 1.5\n",
    )
    assert run("tokens", *where).err == ""
    table = run("budget", *where, "--budget", "9000", "--model", "m-1").out.decode()
    assert table.endswith(said)


def test_what_cannot_be_counted_is_not_over(library: Library, run: Run) -> None:
    """Errors are told apart from prompts over the budget; the largest is named; both are findings."""
    root = library({"big.md": "word " * 50, "small.md": "x\n", "ring.md": "<include>ring.md</include>\n"})
    code, out, _ = run("tokens", "--library", root, "--check", "--budget", "30")
    over, failed, summary = out.decode().splitlines()
    assert code == 1
    assert over.startswith("big.md: 5")
    assert failed.startswith("ring.md: cannot be counted: ")
    assert summary.startswith(
        "Found 1 prompt over 30 tokens, 1 prompt cannot be counted (3 prompts checked; "
    )
    assert "the largest, big.md, has 5" in summary
    code, out, _ = run("tokens", "--library", root, "--check", "--budget", "3000", "--json")
    found = json.loads(out)
    assert (code, found["over"], found["failed"], found["ok"]) == (1, [], ["ring.md"], False)


def test_a_check_counts_no_use(daemon: FakeDaemon, run: Run) -> None:
    """Continuous integration makes nothing hot; to count one prompt is to use it."""
    daemon.answers |= {
        "list": {"components": [{"id": "a.md"}], "total": 1},
        "assemble": {"tokens": 5, "warnings": []},
    }
    assert run("tokens", "--check", "--budget", "9").code == 0
    assert daemon.requests[-1][1]["count_use"] is False
    assert run("tokens", "a").code == 0
    assert "count_use" not in daemon.requests[-1][1]


def test_what_is_referenced_is_said(root: Path, run: Run) -> None:
    """The number on stdout; on stderr what is at entry, and what all of it has; `assemble` says it too."""
    asked = ("--library", root, "commands/a", "--strategy", "progressive")
    reply = json.loads(run("assemble", *asked, "--json").out)
    code, out, err = run("tokens", *asked)
    assert (code, int(out)) == (0, reply["tokens"])
    found = reply["progressive"]
    assert err.startswith(f"1 text is referenced: {found['tokens_entry']:,} tokens at entry, ")
    assert f" {found['tokens_all']:,} with all of it fetched" in err
    code, out, err = run("assemble", *asked)
    assert "promptd get parts/b.md --digest " in out.decode()
    assert err.startswith("promptd: 1 text is referenced: ")
    code, _, err = run("tokens", "--library", root, "parts/b", "--strategy", "progressive")
    assert (code, err[:22]) == (0, "nothing is referenced:")
