"""The status line: what the supervisor is sent, and that nothing follows STOPPING."""

from pathlib import Path
from typing import Any, cast

from promptd.config import Config
from promptd.core.library.library import Delta
from promptd.daemon.status import RunState, StatusReporter
from promptd.daemon.systemd import Notifier
from promptd.engine.current import Current
from tests.conftest import Library
from tests.daemon.workspaces import workspace_of


class FakeNotifier:
    """A Notifier without a socket; the real one is tested in test_systemd.py."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda text="": self.sent.append(f"{name} {text}".strip())


def reporter(root: Path) -> tuple[FakeNotifier, RunState, StatusReporter]:
    """A reporter of a library at `root`."""
    notifier, run = FakeNotifier(), RunState(Config(), {})
    return notifier, run, StatusReporter(cast(Notifier, notifier), run, Current(workspace_of(root)))


def test_the_line_says_how_many_components_there_are(library: Library) -> None:
    """With the reason in front of it while the configuration on disk is not the one in force."""
    notifier, run, status = reporter(library({"a.md": "A.\n", "b.md": "B.\n"}))
    status.starting()
    status.ready()
    run.config_error = "configuration not applied: wrong"
    status.reloading()
    status.ready()
    assert notifier.sent == [
        "status starting: reading the library",
        "ready serving: 2 components",
        "reloading",
        "ready configuration not applied: wrong: 2 components",
    ]


def test_a_change_of_the_number_is_reported_while_it_serves(library: Library) -> None:
    """Not before READY, not for an edit, and nothing after STOPPING."""
    notifier, run, status = reporter(library({"a.md": "A.\n"}))
    added, changed = Delta(1, added=("a.md",)), Delta(1, changed=("a.md",))
    status.changed(added, ())
    assert notifier.sent == []
    run.is_ready.set()
    status.changed(changed, ())
    assert notifier.sent == []
    status.changed(added, ())
    assert notifier.sent == ["status serving: 1 component"]
    assert "ready" in repr(run)
    run.stopping.set()
    status.stopping()
    status.changed(added, ())
    status.ready()
    assert notifier.sent[1:] == ["stopping stopping: finishing requests in progress"]
    assert "stopping" in repr(run)
