"""Completion scripts and the names they complete."""

import click
import pytest

from promptd.cli.completion import complete_component
from promptd.cli.prompts import get
from tests.cli.conftest import FakeDaemon, Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str, run: Run) -> None:
    """The script calls promptd back through click's own protocol."""
    code, out, _ = run("completion", shell)
    assert code == 0
    assert b"_PROMPTD_COMPLETE" in out


def test_names_come_from_a_running_daemon(daemon: FakeDaemon) -> None:
    """Ids with the typed beginning are offered."""
    daemon.answers["list"] = {"components": [{"id": "commands/a.md"}, {"id": "components/b.md"}]}
    assert complete_component(click.Context(get), get.params[0], "comm") == ["commands/a.md"]


def test_without_a_daemon_nothing_is_offered() -> None:
    """A key press prints no error."""
    assert complete_component(click.Context(get), get.params[0], "") == []
