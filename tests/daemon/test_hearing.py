"""What comes without being asked for, over real sockets: notifications, and prompts that are warm again."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.daemon.process import Daemon, Peer, write

FILES = {
    "commands/hello.md": "Hello.\n<include>tone/kind.md</include>\n<include>tone/late.md</include>\n",
    "commands/other.md": "Other.\n",
    "tone/kind.md": "Be kind.\n",
}
PEERS = 40


@pytest.fixture
def root() -> Iterator[Path]:
    """A library in a short directory."""
    with TemporaryDirectory(prefix="promptd-") as short:
        yield write(Path(short) / "library", FILES)


@pytest.fixture
def daemon(root: Path) -> Iterator[Daemon]:
    """A daemon on it."""
    made = Daemon(root.parent, root)
    yield made
    made.close()


def save(path: Path, text: str) -> None:
    """Write as editors do, so that half of it is never seen."""
    new = path.parents[2] / "new"
    new.write_text(text)
    new.rename(path)


def notified(peer: Peer) -> dict[str, object]:
    """The next notification."""
    received = peer.receive()
    assert received["method"] == "changed"
    found: dict[str, object] = received["params"]
    return found


def test_subscribers_are_notified_by_the_watcher_alone(daemon: Daemon, root: Path) -> None:
    """Forty peers are notified of each change that makes another prompt, and of nothing else."""
    with ExitStack() as leaving:
        peers = [leaving.enter_context(daemon.connect()) for _ in range(PEERS)]
        first = {peer.ask("subscribe", name="commands/hello")["digest"] for peer in peers}
        assert len(first) == 1
        with daemon.connect() as gone:
            gone.ask("subscribe", name="commands/hello")

        save(root / "commands/other.md", "Other, changed.\n")
        save(root / "tone/kind.md", "Be brief.\n")
        edits = [notified(peer) for peer in peers]
        assert {edit["previous"] for edit in edits} == first
        assert len({edit["digest"] for edit in edits}) == 1

        save(root / "tone/late.md", "Late.\n")
        assert {notified(peer)["previous"] for peer in peers} == {edits[0]["digest"]}

        (root / "commands/hello.md").rename(root / "aside.md")
        for peer in peers:
            lost = notified(peer)
            assert lost["digest"] is None
            assert "UnknownComponent" in str(lost["error"])
        (root / "aside.md").rename(root / "commands/hello.md")
        back = [notified(peer) for peer in peers]
        assert {each["digest"] for each in back} == {daemon.ask("assemble", name="commands/hello")["digest"]}
    daemon.wait_for(lambda: daemon.statistics("subscriptions")["active"] == 0)


def test_an_edit_is_warm_before_the_next_request(daemon: Daemon, root: Path) -> None:
    """Maintenance counts how many prompts it made ready again, and how long after the edit that was."""
    daemon.text("commands/hello")
    daemon.wait_for(lambda: daemon.statistics("maintenance")["batches"])
    before = daemon.statistics("maintenance")["rewarmed"]
    save(root / "tone/kind.md", "Be brief.\n")
    daemon.wait_for(lambda: daemon.statistics("maintenance")["rewarmed"] == before + 1)
    assert daemon.statistics("maintenance")["change_to_warm_ms"]["count"] >= 1
    assert daemon.statistics("cache")["prompts"]["entries"] == 1
    assert daemon.text("commands/hello") == "Hello.\nBe brief.\n"


@pytest.mark.slow
def test_a_write_that_raises_no_event_is_found_and_counted(daemon: Daemon, root: Path) -> None:
    """Through a hard link from outside: the next answer has it anyway, a rescan counts it as missed."""
    outside = root.parent / "outside.md"
    outside.hardlink_to(root / "commands/other.md")
    daemon.wait_for(lambda: daemon.statistics("maintenance")["batches"])
    outside.write_text("Written from outside.\n")
    assert daemon.ask("rescan")["changed"] == 1
    assert daemon.text("commands/other") == "Written from outside.\n"
    daemon.wait_for(lambda: daemon.statistics("maintenance")["missed_events_total"] == 1)
