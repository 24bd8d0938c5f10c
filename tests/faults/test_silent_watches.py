"""Notifiers that fail silently: found by the heartbeat, or by a change that made no event."""

from pathlib import Path

import pytest

from promptd.config.schema import WatchConfig
from promptd.watch import health_checks
from promptd.watch.inotify import HANDLE, Inotify
from tests.faults.running import running, shows

RECONCILING = WatchConfig(poll_interval=5, debounce=10, rescan_interval=0.3)
drain = Inotify.drain


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[Inotify]:
    """The notifiers in this list report nothing."""
    found: list[Inotify] = []
    monkeypatch.setattr(Inotify, "drain", lambda self: set() if self in found else drain(self))
    return found


@pytest.fixture
def notifiers(monkeypatch: pytest.MonkeyPatch) -> list[Inotify]:
    """Every notifier that was made, the latest last."""
    found: list[Inotify] = []
    make = Inotify.__init__

    def note(self: Inotify, paths: list[str]) -> None:
        make(self, paths)
        found.append(self)

    monkeypatch.setattr(Inotify, "__init__", note)
    return found


@pytest.mark.slow
async def test_a_notifier_that_misses_the_heartbeat_is_replaced(
    root: Path, silent: list[Inotify], notifiers: list[Inotify], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a change or a request, the heartbeat alone finds it, twice."""
    monkeypatch.setattr(health_checks, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(health_checks, "GRACE_S", 0.3)
    async with running(root) as service:
        for number in (1, 2):
            silent.append(notifiers[-1])
            await service.until(lambda number=number: service.watcher.watcher_restarts_total == number)
            assert "heartbeat" in service.watcher.last_error
            await service.until(lambda: service.watcher.mode == "inotify")
            await shows(service, (root / "part.md").write_text)
        assert service.missed == 0


async def test_notifiers_that_report_the_heartbeat_are_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dozens of heartbeats cause no restart, no batch and no file in the library."""
    monkeypatch.setattr(health_checks, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(health_checks, "CHECK_INTERVAL_S", 0.01)
    async with running(root) as service:
        before = sorted(path.name for path in root.rglob("*"))
        batches = service.watcher.batches
        beats: list[int] = []
        monkeypatch.setattr(health_checks.HealthChecks, "extend_grace", lambda _: beats.append(1))
        await service.until(lambda: len(beats) >= 24)
        assert (service.watcher.watcher_restarts_total, service.watcher.batches) == (0, batches)
        assert sorted(path.name for path in root.rglob("*")) == before


@pytest.mark.slow
async def test_a_notifier_that_reports_only_the_heartbeat_is_found_by_the_rescan(
    root: Path, notifiers: list[Inotify], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is found, counted as a missed event, and all watches are made again."""
    without_files: list[Inotify] = []

    def receive(self: Inotify) -> set[str]:
        seen = drain(self)
        return {path for path in seen if path.startswith(HANDLE)} if self in without_files else seen

    monkeypatch.setattr(Inotify, "drain", receive)
    async with running(root, RECONCILING) as service:
        without_files.append(notifiers[-1])
        (root / "part.md").write_text("unreported\n")
        await service.warm("unreported")
        await service.until(lambda: service.missed == 1)
        await service.until(lambda: service.watcher.watcher_restarts_total == 1)
        await service.until(lambda: service.watcher.mode == "inotify")
        await shows(service, (root / "part.md").write_text)
        assert service.missed == 1
