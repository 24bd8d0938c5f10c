"""`budget`: the table, its summary, and the error that names the smallest budget."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_budget_is_a_table(root: Path, run: Run) -> None:
    """Component, priority, variant, tokens, quality and why; below it the sum and what was kept."""
    out = run("budget", "--library", root, "commands/a", "--budget", "100").out.decode()
    head, first, second, *rest = out.splitlines()
    # What the reference leaves of the budget holds a part of the component as well.
    assert head.split() == ["component", "priority", "variant", "tokens", "of", "quality", "why"]
    assert first.split()[:3] == ["commands/a.md", "0.5", "as"]
    assert second.split()[:3] == ["parts/b.md", "0.2", "cut"]
    assert "budget 100" in "\n".join(rest)
    assert rest[-1].startswith("kept: literals ")


def test_an_impossible_budget_says_what_would_do(root: Path, run: Run) -> None:
    """The message has the smallest budget, the exit code says that the library has no answer."""
    code, out, err = run("budget", "--library", root, "commands/a", "--budget", "1")
    assert (code, out) == (65, b"")
    smallest = int(err.split("the smallest budget that fits is ")[1].split(",")[0])
    assert run("budget", "--library", root, "commands/a", "--budget", smallest).code == 0


@pytest.mark.parametrize("given", [(), ("--budget", "0"), ("--budget", "-5")])
def test_a_budget_is_required(run: Run, given: tuple[str, ...]) -> None:
    """Without one, or with none that a prompt could meet, it is a usage error."""
    assert run("budget", "a", *given).code == 64


def test_losses_are_told_on_stderr(root: Path, run: Run) -> None:
    """Which components were dropped, referenced or shortened, and the command that shows why, which works."""
    code, out, err = run("assemble", "--library", root, "commands/a", "--budget", "100")
    assert code == 0
    assert out.startswith(b"# A\n")
    command = "promptd budget commands/a --budget 100"
    said = f"1 of 2 components shortened to fit 100 tokens: parts/b.md; `{command}` shows why"
    assert f"promptd: warning: {said}\n" in err
    assert run(*command.split()[1:], "--library", root).code == 0
    reply = json.loads(run("assemble", "--library", root, "commands/a", "--budget", "100", "--json").out)
    assert said in [warning["message"] for warning in reply["warnings"]]


def test_several_names_are_one_prompt(root: Path, run: Run) -> None:
    """As in `assemble`."""
    out = run("budget", "--library", root, "commands/a", "parts/b", "--budget", "300").out.decode()
    ids = [line.split()[0] for line in out.splitlines()[1:4]]
    assert ids == [
        "commands/a.md",
        "parts/b.md",
        "parts/b.md",
    ]
