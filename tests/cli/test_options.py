"""Options that several commands share: component names are completed, warnings have a place."""

from typing import Any

import click
import pytest

from promptd.cli.get import get
from promptd.cli.options import complete_component, warning_line
from tests.cli.conftest import FakeDaemon


def test_names_come_from_a_running_daemon(daemon: FakeDaemon) -> None:
    """Ids with the typed beginning are offered."""
    daemon.answers["list"] = {"components": [{"id": "commands/a.md"}, {"id": "components/b.md"}]}
    assert complete_component(click.Context(get), get.params[0], "comm") == ["commands/a.md"]


def test_without_a_daemon_nothing_is_offered() -> None:
    """A key press prints no error."""
    assert complete_component(click.Context(get), get.params[0], "") == []


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        ({"message": "gone", "id": "a.md", "line": 3}, "a.md:3: gone"),
        ({"message": "gone", "id": "a.md", "line": None}, "a.md: gone"),
        ({"message": "changed while it was read", "id": ""}, "changed while it was read"),
        ({"message": "a.md:3: gone", "id": "a.md", "line": 3}, "a.md:3: gone"),
    ],
)
def test_a_warning_names_its_place_once(warning: dict[str, Any], line: str) -> None:
    """The place stands before the message, unless the message names it itself."""
    assert warning_line(warning) == line
