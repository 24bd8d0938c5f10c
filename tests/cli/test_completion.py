"""Completion scripts."""

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str, run: Run) -> None:
    """The script calls promptd back through click's own protocol."""
    code, out, _ = run("completion", shell)
    assert code == 0
    assert b"_PROMPTD_COMPLETE" in out
