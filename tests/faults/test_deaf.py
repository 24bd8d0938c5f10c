"""Notifiers that say nothing although they should: found by the pulse, or by a change that made no event."""

from pathlib import Path

import pytest

from promptd.config.schema import WatchConfig
from promptd.watch import rounds
from promptd.watch.inotify import HANDLE, Inotify
from tests.faults.house import a_house, shows

RECONCILING = WatchConfig(step_ms=5, settle_ms=10, reconcile_s=0.3)
haul = Inotify.haul


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> list[Inotify]:
    """The notifiers in this list hear nothing at all."""
    found: list[Inotify] = []
    monkeypatch.setattr(Inotify, "haul", lambda self: set() if self in found else haul(self))
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
async def test_a_notifier_that_does_not_hear_the_pulse_is_replaced(
    root: Path, deaf: list[Inotify], notifiers: list[Inotify], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has changed and nobody has asked: the probe alone finds it, twice over."""
    monkeypatch.setattr(rounds, "PULSE_S", 0.3)
    monkeypatch.setattr(rounds, "PATIENCE_S", 0.3)
    async with a_house(root) as house:
        for number in (1, 2):
            deaf.append(notifiers[-1])
            await house.until(lambda number=number: house.watcher.watcher_restarts_total == number)
            assert "pulse" in house.watcher.last_error
            await house.until(lambda: house.watcher.mode == "inotify")
            await shows(house, (root / "part.md").write_text)
        assert house.missed == 0


async def test_those_who_hear_the_pulse_live_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of probes cost no restart, no batch, and no file anywhere in the library."""
    monkeypatch.setattr(rounds, "PULSE_S", 0.02)
    monkeypatch.setattr(rounds, "ROUND_S", 0.01)
    async with a_house(root) as house:
        before = sorted(path.name for path in root.rglob("*"))
        batches = house.watcher.batches
        beats: list[int] = []
        monkeypatch.setattr(rounds.Rounds, "excuse", lambda _: beats.append(1))
        await house.until(lambda: len(beats) >= 24)
        assert (house.watcher.watcher_restarts_total, house.watcher.batches) == (0, batches)
        assert sorted(path.name for path in root.rglob("*")) == before


@pytest.mark.slow
async def test_a_notifier_that_hears_the_pulse_and_no_file_is_found_by_the_reconcile(
    root: Path, notifiers: list[Inotify], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is found, explained by nothing, counted, and everything is watched anew."""
    hard_of_hearing: list[Inotify] = []

    def hear(self: Inotify) -> set[str]:
        seen = haul(self)
        return {path for path in seen if path.startswith(HANDLE)} if self in hard_of_hearing else seen

    monkeypatch.setattr(Inotify, "haul", hear)
    async with a_house(root, RECONCILING) as house:
        hard_of_hearing.append(notifiers[-1])
        (root / "part.md").write_text("unheard\n")
        await house.warm("unheard")
        await house.until(lambda: house.missed == 1)
        await house.until(lambda: house.watcher.watcher_restarts_total == 1)
        await house.until(lambda: house.watcher.mode == "inotify")
        await shows(house, (root / "part.md").write_text)
        assert house.missed == 1
