"""File systems that come, go or report no changes; each scenario in its own mount namespace."""

from pathlib import Path

import pytest

from tests.faults.namespaces import play


@pytest.mark.slow
def test_a_library_that_is_unmounted_and_mounted_over(place: Path) -> None:
    """It is not reported by watchfiles; we serve and watch what is there, each time."""
    outcome = play("mounted", place)
    assert outcome["plain"] == []
    assert "on top" in outcome["answer"]
    assert outcome["watcher"]["mode"] == "inotify"
    assert outcome["watcher"]["watcher_restarts_total"] == 0


def test_a_mount_inside_the_library(place: Path) -> None:
    """The mount table tells: what is mounted is served and watched, and what is below it when it is gone."""
    outcome = play("mounted_inside", place)
    assert outcome["watcher"]["watcher_restarts_total"] == 0


def test_an_overlay_whose_lower_layer_changes(place: Path) -> None:
    """No event tells of that: an overlay is scanned, and watched for what goes through it."""
    outcome = play("overlaid", place)
    assert outcome["plain"] == []
    assert outcome["watcher"]["mode"] == "inotify+scan"
    assert outcome["scans"] >= 1
    assert outcome["missed"] == 0
    assert outcome["watcher"]["watcher_restarts_total"] == 0


@pytest.mark.slow
def test_file_systems_that_do_not_answer(place: Path) -> None:
    """A hung FUSE mount in the library costs those who need it; what lies outside is not even asked."""
    outcome = play("hung", place)
    answers = outcome["answers"]
    assert answers["hello"] == "Hello.\npart\n"
    assert "sub/x.md cannot be read: its file system does not answer" in answers["inside"]
    assert answers["sub/x.md"] == "sub/x.md cannot be read: its file system does not answer"
    assert answers["link"].startswith("link.md leads out of the library through a symlink (link.md -> ")
    assert "leads out of the library through a symlink (linked -> " in answers["linked/x"]
    assert sorted(problem.partition(": ")[2].partition(" (")[0] for problem in outcome["problems"]) == [
        "a symlink out of the library",
        "cannot be listed",
    ]
    assert outcome["root"] == "x.md cannot be read: its file system does not answer"
    assert outcome["may_hang"]
    assert outcome["lag_ms"] < 1000
