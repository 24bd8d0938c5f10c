"""Reloading: a good configuration is in force when the call returns, a bad one only says that it is bad."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.daemon.process import Daemon, Peer, write

FILES = {
    "commands/hello.md": "Hello, {{who}}.\n<include>tone/kind.md</include>\n@~/shared/rules.md\n",
    "tone/kind.md": "Be kind.\n",
    "shared/rules.md": "Rules.\n",
}


class Reloadable:
    """A daemon with a configuration file, and the file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "promptd.toml"
        self.configure()
        self.daemon = Daemon(directory, "--config", self.path)

    def configure(self, text: str = "", roots: tuple[str, ...] = ("library",)) -> None:
        """Write the configuration: roots, and what else it says."""
        tables = "".join(f'[[roots]]\npath = "{self.directory / root}"\n' for root in roots)
        self.path.write_text(f"{tables}\n{text}\n")

    def reload(self, text: str = "", roots: tuple[str, ...] = ("library",)) -> dict[str, object]:
        """Write the configuration and take it over."""
        self.configure(text, roots)
        found: dict[str, object] = self.daemon.ask("reload")
        return found


@pytest.fixture(scope="module")
def shared() -> Iterator[Reloadable]:
    """One daemon for the module."""
    with TemporaryDirectory(prefix="promptd-") as short:
        directory = Path(short)
        write(directory / "library", FILES)
        write(directory / "other", {"tone/kind.md": "Hidden.\n", "tone/other.md": "Another root.\n"})
        made = Reloadable(directory)
        made.daemon.ask("ping")
        yield made
        made.daemon.close()


@pytest.fixture
def reloadable(shared: Reloadable) -> Reloadable:
    """The daemon with the configuration it began with."""
    shared.reload()
    return shared


# -- good ---------------------------------------------------------------------------------------


def test_nothing_changed_is_nothing_done(reloadable: Reloadable) -> None:
    """The same configuration: the same workspace, by its clock."""
    clock = reloadable.daemon.ask("assemble", name="commands/hello")["clock"]
    answer = reloadable.reload()
    assert (answer["reloaded"], answer["changed_keys"], answer["restart_keys"]) == (True, [], [])
    assert answer["clock"] == clock


def test_what_is_changed_is_in_force_when_the_call_returns(reloadable: Reloadable) -> None:
    """An alias, a root, a cache bound and a variable: the very next answers go by them."""
    assert reloadable.daemon.text("commands/hello") == "Hello, {{who}}.\nBe kind.\n"  # and a warning
    assert reloadable.daemon.error("assemble", name="tone/other") == "promptd.UnknownComponent"
    answer = reloadable.reload(
        '[cache]\nentries = 7\n[library]\nvariables = {who = "Ada"}\naliases = {"~/shared" = "shared"}',
        roots=("library", "other"),
    )
    assert answer["changed_keys"] == ["roots", "library.aliases", "library.variables", "cache.entries"]
    assert reloadable.daemon.text("commands/hello") == "Hello, Ada.\nBe kind.\nRules.\n"
    assert reloadable.daemon.text("tone/other") == "Another root.\n"
    assert reloadable.daemon.statistics("cache")["components"]["max_entries"] == 7
    assert reloadable.daemon.statistics("library")["components"] == 4


def test_a_new_root_is_watched(reloadable: Reloadable) -> None:
    """What changes in it is applied without being asked for."""
    reloadable.reload(roots=("library", "other"))
    (reloadable.directory / "other/seen.md").write_text("Seen.\n")
    try:
        reloadable.daemon.wait_for(lambda: reloadable.daemon.statistics("library")["components"] == 5)
    finally:
        (reloadable.directory / "other/seen.md").unlink()


def test_a_signal_reloads_too(reloadable: Reloadable) -> None:
    """SIGHUP: in force some moment later."""
    reloadable.configure('[library]\nvariables = {who = "Bob"}')
    reloadable.daemon.signal(signal.SIGHUP)
    reloadable.daemon.wait_for(lambda: "Hello, Bob." in reloadable.daemon.text("commands/hello"))


def test_intervals_are_taken_over(reloadable: Reloadable) -> None:
    """The snapshot, the reconcile and the log: none of them needs another library."""
    clock = reloadable.daemon.ask("assemble", name="commands/hello")["clock"]
    answer = reloadable.reload(
        '[monitor]\nsnapshot_interval = "250ms"\n'
        '[watch]\nrescan_interval = 0.2\nenabled = false\n[log]\nlevel = "debug"'
    )
    assert answer["clock"] == clock
    reloadable.daemon.wait_for(
        lambda: (
            reloadable.daemon.snapshot()["valid_until_unix_s"] - reloadable.daemon.snapshot()["time_unix_s"]
            < 1.0
        )
    )
    assert reloadable.daemon.statistics("watcher") == {"mode": "off"}
    rescans = reloadable.daemon.statistics("maintenance")["rescans"]
    reloadable.daemon.wait_for(lambda: reloadable.daemon.statistics("maintenance")["rescans"] > rescans + 1)
    assert reloadable.daemon.log("request")
    reloadable.reload()
    reloadable.daemon.wait_for(lambda: reloadable.daemon.statistics("watcher")["mode"] == "inotify")


def test_what_takes_a_restart_is_named_until_there_is_one(reloadable: Reloadable) -> None:
    """serve.* and state.* stay as they are in force, and every reload says that they differ."""
    for _ in range(2):
        answer = reloadable.reload("[serve]\nmax_in_flight = 3\nstop_timeout = 1.5")
        assert (
            answer["changed_keys"] == answer["restart_keys"] == ["serve.max_in_flight", "serve.stop_timeout"]
        )
    assert reloadable.daemon.ask("describe")["limits"]["max_in_flight"] == 32


def test_a_subscriber_is_sent_what_a_reload_changed(reloadable: Reloadable) -> None:
    """Another value of a configured variable makes another prompt; the same prompt is not notified."""
    with reloadable.daemon.connect() as peer:
        changing = peer.ask("subscribe", name="commands/hello")
        peer.ask("subscribe", name="tone/kind")
        reloadable.reload('[library]\nvariables = {who = "Ada"}')
        note = peer.receive()
        assert note["method"] == "changed"
        assert note["params"]["subscription"] == changing["subscription"]
        assert note["params"]["digest"] == reloadable.daemon.ask("assemble", name="commands/hello")["digest"]


def test_answers_go_on_during_reloads(reloadable: Reloadable) -> None:
    """A client that asks all the time sees one configuration or the other, and no error."""
    texts: set[str] = set()
    done = threading.Event()

    def ask() -> None:
        with Peer(reloadable.daemon.socket) as peer:
            while not done.is_set():
                texts.add(peer.ask("assemble", name="commands/hello")["text"].splitlines()[0])
                peer.ask("list")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for who in ("Ada", "Bob") * 5:
            reloadable.reload(f'[library]\nvariables = {{who = "{who}"}}')
    finally:
        done.set()
        asking.join()
    assert texts <= {"Hello, {{who}}.", "Hello, Ada.", "Hello, Bob."}
    assert not reloadable.daemon.log("unforeseen error")


def test_many_reloads_leave_nothing_behind(reloadable: Reloadable) -> None:
    """Old workspaces go with their threads and descriptors."""

    def process() -> tuple[int, int]:
        found = reloadable.daemon.ask("health")["process"]
        return found["threads"], found["open_descriptors"]

    for number in range(4):
        reloadable.reload(f"[cache]\nentries = {50 + number}")
    before = process()
    for number in range(20):
        reloadable.reload(f"[cache]\nentries = {60 + number}")
    after = process()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2


def test_reloads_that_change_nothing_postpone_nothing(reloadable: Reloadable) -> None:
    """A supervisor that reloads all the time does not keep the timers from coming round."""
    reloadable.reload("[watch]\nrescan_interval = 0.2")
    before = reloadable.daemon.statistics("maintenance")["rescans"]

    def reconciled() -> bool:
        reloadable.daemon.ask("reload")
        found: int = reloadable.daemon.statistics("maintenance")["rescans"]
        return found > before + 1

    reloadable.daemon.wait_for(reconciled)


# -- bad ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cache]\nentries = -1", "cache.entries"),
        ("[cache]\nentires = 1", "cache.entires"),
        ("[cache", "promptd.toml"),
        ('[library.aliases]\n"~/x" = "/nowhere"', "~/x"),
    ],
    ids=["bound", "key", "syntax", "alias"],
)
def test_a_bad_configuration_keeps_the_old_one_and_says_so(
    reloadable: Reloadable, text: str, said: str
) -> None:
    """The caller gets the reason, health shows it until a good one comes, and answers stay as they were."""
    before = reloadable.daemon.ask("assemble", name="commands/hello")
    reloadable.configure(text)
    reply = reloadable.daemon.peer.call("reload")
    assert reply["error"]["data"]["type"] == "promptd.ConfigError"
    assert said in reply["error"]["message"]
    health = reloadable.daemon.ask("health")
    assert health["status"] == "degraded"
    assert [said in problem for problem in health["problems"]] == [True]
    assert reloadable.daemon.ask("assemble", name="commands/hello") == before
    reloadable.reload()
    assert reloadable.daemon.ask("health")["problems"] == []


def test_a_signal_with_a_bad_configuration_is_in_the_log(reloadable: Reloadable) -> None:
    """SIGHUP has no reply: one line in the log, and health."""
    before = len(reloadable.daemon.log("configuration not applied"))
    reloadable.configure("[cache]\nentries = -1")
    reloadable.daemon.signal(signal.SIGHUP)
    reloadable.daemon.wait_for(lambda: len(reloadable.daemon.log("configuration not applied")) == before + 1)
    assert reloadable.daemon.ask("health")["status"] == "degraded"
    assert not reloadable.daemon.log("unforeseen error")


# -- storms -------------------------------------------------------------------------------------


def test_a_storm_of_signals_is_few_reloads(reloadable: Reloadable) -> None:
    """100 SIGHUPs: the last configuration is in force, after a handful of reloads."""
    before = len(reloadable.daemon.log("reloaded"))
    for number in range(100):
        if number == 50:
            reloadable.configure('[library]\nvariables = {who = "Eve"}')
        reloadable.daemon.signal(signal.SIGHUP)
    reloadable.daemon.wait_for(lambda: "Hello, Eve." in reloadable.daemon.text("commands/hello"))
    reloadable.reload()
    assert len(reloadable.daemon.log("reloaded")) - before < 20


def test_a_storm_of_calls_is_few_reloads(reloadable: Reloadable) -> None:
    """200 requests at once share rounds, and each is answered with what is in force."""
    before = len(reloadable.daemon.log("reloaded"))
    reloadable.configure("[cache]\nentries = 11")
    with reloadable.daemon.connect() as peer:
        requests = b"".join(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": "reload"}).encode() + b"\n"
            for number in range(200)
        )
        peer.socket.sendall(requests)
        replies = [peer.receive() for _ in range(200)]
    assert all(reply["result"]["reloaded"] for reply in replies)
    assert reloadable.daemon.statistics("cache")["components"]["max_entries"] == 11
    assert len(reloadable.daemon.log("reloaded")) - before < 30
