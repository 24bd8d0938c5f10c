"""The order of life, from outside: who may start, when it answers, how it ends, what it leaves behind."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.conftest import Start
from tests.daemon.process import Daemon, Peer, write

STOP_S = 60.0  # far more than an end takes that waits for nothing
MANY = 1_500  # files whose first scan takes long enough to be interrupted
HELLO = {
    "commands/hello.md": "Hello, {name}.\n<include>components/tone.md</include>\n",
    "components/tone.md": "Be kind.\n",
}


@pytest.fixture
def library(directory: Path) -> Path:
    """A library of one command and one component."""
    return write(directory / "library", HELLO)


def many(directory: Path) -> Path:
    """A library that takes a while to read."""
    return write(directory / "many", {f"components/{n}.md": f"Number {n}.\n" * 20 for n in range(MANY)})


# -- starting -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_instance_exits_75_at_once_and_the_first_goes_on(start: Start, library: Path) -> None:
    """It says who is there; the first one's connections, socket and snapshot are as they were."""
    first = start(library)
    before = first.ask("ping")
    second = start(library)
    assert second.end() == 75
    assert f"process {first.process.pid}" in first.log_text()  # they share the log file
    assert first.ask("ping")["pid"] == before["pid"]
    with Peer(first.socket) as another:
        assert another.ask("ping")["pid"] == before["pid"]
    first.wait_for((first.state / "health.json").exists)
    assert first.snapshot()["status"] == "ok"


@pytest.mark.slow
def test_two_daemons_share_no_state_directory(start: Start, library: Path, directory: Path) -> None:
    """The second serves, leaves the first one's snapshot alone and says why; then it takes over."""
    often = {"PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "0.1"}
    first = start(library, environment=often)
    first.wait_for((first.state / "health.json").exists)
    (directory / "other").mkdir()
    shared = often | {"PROMPTD_STATE_DIRECTORY": str(first.state)}
    with contextlib.closing(Daemon(directory / "other", library, environment=shared)) as second:
        assert second.text("commands/hello") == first.text("commands/hello")
        second.wait_for(lambda: second.ask("health")["snapshots"]["failed"] > 1)
        health = second.ask("health")
        assert health["status"] == "degraded"
        assert (
            f"another promptd (process {first.process.pid}) uses the state directory" in health["problems"][0]
        )
        assert first.snapshot()["pid"] == first.ask("health")["pid"]
        assert first.stop() == 0
        second.wait_for(lambda: first.snapshot()["pid"] == second.process.pid)
        second.wait_for(lambda: second.ask("health")["status"] == "ok")


@pytest.mark.slow
def test_a_ping_is_answered_only_when_answers_are_true(start: Start, directory: Path) -> None:
    """The socket is there before the library is read; an early client waits for a whole library."""
    daemon = start(many(directory))
    assert not daemon.log("ready")
    daemon.ask("ping")
    assert daemon.statistics("library")["components"] == MANY
    ready = daemon.log("ready")
    assert [line["components"] for line in ready] == [MANY]


@pytest.mark.slow
def test_what_is_asked_for_during_the_start_is_answered_right(start: Start, directory: Path) -> None:
    """A prompt reads what it consists of, a list the whole library: neither is half an answer."""
    daemon = start(write(many(directory), HELLO))
    assert daemon.text("commands/hello", variables={"name": "Ada"}) == "Hello, Ada.\nBe kind.\n"
    assert daemon.error("assemble", name="commands/helo") == "promptd.UnknownComponent"
    assert daemon.ask("list")["total"] == MANY + 2
    assert len(daemon.ask("dependents", name="components/tone")["ids"]) == 1
    daemon.ask("ping")
    assert daemon.log("ready")[0]["components"] == MANY + 2


def test_the_socket_is_private(start: Start, library: Path) -> None:
    """0600, unless configured otherwise."""
    daemon = start(library)
    daemon.ask("ping")
    assert daemon.socket.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        ((), {}, 64, "no library: use promptd serve DIR"),
        (("--config", "wrong.toml"), {}, 78, "cache.entires"),
        (("--config", "missing.toml"), {}, 78, "missing.toml"),
        (("{library}",), {"PROMPTD_CACHE_ENTRIES": "many"}, 78, "cache.entries"),
        (("{library}",), {"PROMPTD_TOKENS_ENCODING": "p50k_base"}, 78, "tokens.encoding"),
    ],
    ids=["no library", "unknown key", "no such file", "wrong type", "wrong choice"],
)
def test_what_is_configured_wrong_is_named(
    start: Start, library: Path, arguments: tuple[str, ...], environment: dict[str, str], code: int, said: str
) -> None:
    """Exit 64 without a library, 78 with the key's path for a configuration error; no socket is left."""
    (library.parent / "wrong.toml").write_text(f'[[roots]]\npath = "{library}"\n[cache]\nentires = 1\n')
    places = [argument.replace("{library}", str(library)) for argument in arguments]
    places = [str(library.parent / place) if place.endswith(".toml") else place for place in places]
    daemon = start(*places, environment=environment)
    assert daemon.end() == code
    assert said in daemon.log_text()
    assert not daemon.socket.exists()


def test_a_state_directory_that_cannot_be_written_only_degrades(start: Start, library: Path) -> None:
    """Requests are answered, the reason stands in health, and stopping is orderly."""
    (library.parent / "file").write_text("in the way")
    environment = {
        "PROMPTD_STATE_DIRECTORY": str(library.parent / "file" / "state"),
        "PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "0.1",
    }
    daemon = start(library, environment=environment)
    assert "Be kind." in daemon.text("commands/hello", variables={"name": "Ada"})
    daemon.wait_for(lambda: len(daemon.ask("health")["problems"]) == 2)
    health = daemon.ask("health")
    assert health["status"] == "degraded"
    assert any("health.json is not written" in problem for problem in health["problems"])
    assert any("use counts are not saved" in problem for problem in health["problems"])
    assert daemon.stop() == 0
    assert len(daemon.log("use counts not saved")) == 1, "a failure that lasts is said once"
    assert not daemon.log("unforeseen error")
    assert not daemon.log("maintenance failed")


# -- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start: Start, library: Path, number: int) -> None:
    """Exit 0, no socket left, and the last snapshot says that this was the end."""
    daemon = start(library)
    daemon.ask("ping")
    daemon.signal(number)
    assert daemon.end() == 0
    assert not daemon.socket.exists()
    snapshot = daemon.snapshot()
    assert snapshot["status"] == "stopped"
    assert snapshot["valid_until_unix_s"] <= snapshot["time_unix_s"]
    assert [line["event"] for line in map(json.loads, daemon.log_text().splitlines())][-1] == "stopped"


def slow_request(daemon: Daemon, library: Path) -> Peer:
    """A request that takes 100 ms: a file that was filled and is empty is looked at again that long."""
    daemon.text("commands/hello")
    peer = Peer(daemon.socket)
    peer.ask("ping")
    os.truncate(library / "components/tone.md", 0)
    peer.say("assemble", name="commands/hello")
    daemon.wait_for(lambda: daemon.statistics("requests")["in_progress"])
    return peer


def test_requests_under_way_are_finished(start: Start, library: Path) -> None:
    """SIGTERM while a request waits for a file: its whole answer comes, then the end."""
    daemon = start(library, environment={"PROMPTD_WATCH_ENABLED": "false"})
    with slow_request(daemon, library) as peer:
        daemon.signal(signal.SIGTERM)
        assert peer.receive()["result"]["text"] == "Hello, {name}.\n"
        assert peer.reader.read() == b""
    assert daemon.end() == 0


def test_what_takes_longer_than_stop_s_is_answered_busy(start: Start, library: Path) -> None:
    """The time for requests in flight is limited; those that exceed it get an error, in a whole line."""
    daemon = start(
        library, environment={"PROMPTD_WATCH_ENABLED": "false", "PROMPTD_SERVE_STOP_TIMEOUT": "0.01"}
    )
    with slow_request(daemon, library) as peer:
        daemon.signal(signal.SIGTERM)
        assert peer.receive()["error"]["data"]["type"] == "promptd.Busy"
        assert peer.reader.read() == b""
    assert daemon.end() == 0


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(start: Start, library: Path) -> None:
    """A stop that waits for a peer which does not read its replies is not waited for twice."""
    (library / "large.md").write_text("A line of a large prompt.\n" * 20_000)
    patient = {"PROMPTD_SERVE_STOP_TIMEOUT": str(STOP_S), "PROMPTD_SERVE_WRITE_TIMEOUT": str(STOP_S)}
    daemon = start(library, environment=patient)
    with daemon.connect() as idle:
        for _ in range(20):
            idle.say("get", name="large")
        daemon.wait_for(lambda: daemon.statistics("connections")["paused"])
        daemon.signal(signal.SIGTERM)
        daemon.wait_for(lambda: daemon.log("stopping"))
        assert daemon.process.poll() is None
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.end() == 128 + signal.SIGTERM
        assert time.monotonic() - began < STOP_S / 10


@pytest.mark.slow
def test_a_signal_during_the_start_ends_it(start: Start, directory: Path) -> None:
    """It stops reading the library, was never ready, and exits 0, not long after, as it starts here."""
    library = many(directory)
    began = time.monotonic()
    daemon = start(library)
    daemon.wait_for(daemon.socket.exists)
    asked = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.end() == 0
    assert time.monotonic() - asked < 5 * (asked - began)
    assert not daemon.log("ready")
    assert not daemon.socket.exists()
    assert daemon.snapshot()["status"] == "stopped"


@pytest.mark.slow
def test_a_reload_asked_for_during_the_start_waits_for_its_end(start: Start, directory: Path) -> None:
    """SIGHUP before READY is kept: it reloads what has just been read, once."""
    daemon = start(many(directory))
    daemon.wait_for(daemon.socket.exists)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda: daemon.log("reloaded"))
    events = [line["event"] for line in map(json.loads, daemon.log_text().splitlines())]
    assert events.index("ready") < events.index("reloaded")
    assert daemon.statistics("library")["components"] == MANY


# -- dying --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_daemon_is_no_obstacle_and_its_use_counts_live_on(start: Start, library: Path) -> None:
    """Kill -9: what it left is taken over by the next; damaged use counts mean starting afresh."""
    environment = {"PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "0.1"}

    def used(daemon: Daemon) -> Callable[[], object]:
        hot = daemon.state / "hot.json"
        return lambda: hot.exists() and "components/tone.md" in json.loads(hot.read_text())["weights"]

    first = start(library, environment=environment)
    first.text("commands/hello")
    first.wait_for(used(first))
    first.signal(signal.SIGKILL)
    first.end()
    assert first.socket.exists()

    second = start(library, environment=environment)
    second.wait_for(lambda: len(second.log("ready")) == 2)
    assert second.statistics("hot_set")["tracked"] == 2
    second.signal(signal.SIGKILL)
    second.end()

    (second.state / "hot.json").write_text('{"schema_version": 1, "wei')
    third = start(library, environment=environment)
    third.wait_for(lambda: len(third.log("ready")) == 3)
    assert third.statistics("hot_set")["tracked"] == 0
    assert len(third.log("use counts cannot be read, starting afresh")) == 1
    assert "Be kind." in third.text("commands/hello")
    assert third.stop() == 0


def test_a_socket_file_of_another_program_is_not_taken(start: Start, library: Path, directory: Path) -> None:
    """A path on which another process listens without our lock is in use: exit 75; it goes on listening."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(directory / "s"))
        other.listen(1)
        assert start(library).end() == 75
        assert (directory / "s").exists()
