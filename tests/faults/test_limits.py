"""Too few watches, too few instances, too few rights: watchfiles is blind without a word, we say and scan."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from promptd.watch.inotify import Inotify
from promptd.watch.watch_thread import Ports
from promptd.watch.watcher import Watcher
from tests.faults.namespaces import play
from tests.faults.plain import Plain, plain
from tests.faults.running import running, shows
from tests.watch.fakes import AsNobody


@pytest.mark.slow
def test_too_few_watches(place: Path) -> None:
    """Refused at the start, swallowed later; we watch the outer directories, scan the rest, and try again."""
    outcome = play("few_watches", place, "-Ur")
    assert "limit" in outcome["refusal"]
    directory_reported, file_reported = outcome["plain"]
    assert directory_reported
    assert file_reported == []
    assert outcome["before"]["mode"] == "degraded: watch limit"
    assert outcome["before"]["directories_unwatched"] >= 20
    assert "unwatched" in outcome["answer"]
    assert not outcome["is_watched"]
    assert outcome["scans"] >= 1
    assert outcome["watcher"]["mode"] == "inotify"
    assert outcome["watcher"]["directories"] == 63


@pytest.mark.slow
def test_no_instance_at_all(place: Path) -> None:
    """Everything is scanned until there is one."""
    outcome = play("no_instances", place, "-Ur")
    assert outcome["before"]["mode"] == "degraded: no watches"
    assert "os error 24" in outcome["before"]["last_error"]
    assert outcome["watcher"]["mode"] == "inotify"


def test_plain_everything_beside_an_unreadable_directory_is_blind(as_nobody: AsNobody) -> None:
    """The walk stops there, with `ignore_permission_denied` without a word, else with an error."""
    root = as_nobody.directory / "lib"
    names = [f"d{number}" for number in range(20)]
    for name in names:
        (root / name).mkdir(parents=True)
    first = os.listdir(root)[0]
    (root / first).chmod(0)
    with as_nobody, pytest.raises(PermissionError), plain(root):
        pass
    with as_nobody:
        watch = Plain(root, ignore_permission_denied=True)
    for name in names:
        (root / name / "x.md").touch()
    reported = watch.reported()
    watch.close()
    assert len(reported) < len(names) - 1


async def test_ours_an_unreadable_directory(as_nobody: AsNobody, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its siblings are watched; made readable, it is watched as well."""
    root = as_nobody.directory / "lib"
    names = [f"d{number}" for number in range(20)]
    for name in names:
        (root / name).mkdir(parents=True)
    (root / "hello.md").write_text("".join(f"<include>{name}/x.md</include>\n" for name in names))
    secret = root / os.listdir(root)[0]
    secret = secret if secret.is_dir() else root / "d0"
    secret.chmod(0)

    def make(paths: Sequence[str]) -> Inotify:
        with as_nobody:
            return Inotify(paths)

    monkeypatch.setitem(Watcher.__init__.__kwdefaults__, "make_ports", partial(Ports, make=make))
    async with running(root) as service:
        for name in names:
            if name != secret.name:
                (root / name / "x.md").write_text(f"text of {name}\n")
                await service.warm(f"text of {name}")
        assert service.watcher.mode == "inotify"
        secret.chmod(0o755)
        await shows(service, (secret / "x.md").write_text)
        assert service.watcher.directories == 22
        assert (service.missed, service.watcher.watcher_restarts_total) == (0, 0)
