"""File systems that come, go, or keep changes to themselves; each scene in a mount namespace of its own."""

from pathlib import Path

import pytest

from tests.faults.namespaces import play


@pytest.mark.slow
def test_a_library_that_is_unmounted_and_mounted_over(place: Path) -> None:
    """Nothing is told of it by watchfiles; we serve and watch what is there, each time."""
    story = play("mounted", place)
    assert story["plain"] == []
    assert "on top" in story["answer"]
    assert story["watcher"]["mode"] == "inotify"
    assert story["watcher"]["watcher_restarts_total"] == 0


def test_a_mount_inside_the_library(place: Path) -> None:
    """The mount table tells: what is mounted is served and watched, and what is below it when it is gone."""
    story = play("mounted_inside", place)
    assert story["watcher"]["watcher_restarts_total"] == 0


def test_an_overlay_whose_lower_layer_changes(place: Path) -> None:
    """No event tells of that: an overlay is scanned, and watched for what goes through it."""
    story = play("overlaid", place)
    assert story["plain"] == []
    assert story["watcher"]["mode"] == "inotify+scan"
    assert story["scans"] >= 1
    assert story["missed"] == 0
    assert story["watcher"]["watcher_restarts_total"] == 0
