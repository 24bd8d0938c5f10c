"""`budget`: the table, its summary, and the error that names the smallest budget."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_budget_is_a_table(root: Path, run: Run) -> None:
    """Component, priority, variant, tokens, quality and why; below it the sum and what was kept."""
    out = run("budget", "--library", root, "commands/a", "--budget", "100").out.decode()
    head, first, second, *rest = out.splitlines()
    assert head.split() == ["component", "priority", "variant", "tokens", "of", "quality", "why"]
    assert first.split()[:3] == ["commands/a.md", "0.5", "as"]
    assert second.split()[:3] == ["parts/b.md", "0.2", "reference"]
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
