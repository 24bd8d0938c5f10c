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
def kept(shared: Reloadable) -> Reloadable:
    """The daemon with the configuration it began with."""
    shared.reload()
    return shared


# -- good ---------------------------------------------------------------------------------------


def test_nothing_changed_is_nothing_done(kept: Reloadable) -> None:
    """The same configuration: the same workspace, by its clock."""
    clock = kept.daemon.ask("assemble", name="commands/hello")["clock"]
    answer = kept.reload()
    assert (answer["reloaded"], answer["changed_keys"], answer["restart_keys"]) == (True, [], [])
    assert answer["clock"] == clock


def test_what_is_changed_is_in_force_when_the_call_returns(kept: Reloadable) -> None:
    """An alias, a root, a cache bound and a variable: the very next answers go by them."""
    assert kept.daemon.text("commands/hello") == "Hello, {{who}}.\nBe kind.\n@~/shared/rules.md\n"
    assert kept.daemon.error("assemble", name="tone/other") == "promptd.UnknownComponent"
    answer = kept.reload(
        '[cache]\nentries = 7\n[library]\nvariables = {who = "Ada"}\naliases = {"~/shared" = "shared"}',
        roots=("library", "other"),
    )
    assert answer["changed_keys"] == ["roots", "library.aliases", "library.variables", "cache.entries"]
    assert kept.daemon.text("commands/hello") == "Hello, Ada.\nBe kind.\nRules.\n"
    assert kept.daemon.text("tone/other") == "Another root.\n"
    assert kept.daemon.statistics("cache")["components"]["max_entries"] == 7
    assert kept.daemon.statistics("library")["components"] == 4


def test_a_new_root_is_watched(kept: Reloadable) -> None:
    """What changes in it is applied without being asked for."""
    kept.reload(roots=("library", "other"))
    (kept.directory / "other/seen.md").write_text("Seen.\n")
    try:
        kept.daemon.wait_for(lambda: kept.daemon.statistics("library")["components"] == 5)
    finally:
        (kept.directory / "other/seen.md").unlink()


def test_a_signal_reloads_too(kept: Reloadable) -> None:
    """SIGHUP: in force some moment later."""
    kept.configure('[library]\nvariables = {who = "Bob"}')
    kept.daemon.signal(signal.SIGHUP)
    kept.daemon.wait_for(lambda: "Hello, Bob." in kept.daemon.text("commands/hello"))


def test_intervals_are_taken_over(kept: Reloadable) -> None:
    """The snapshot, the reconcile and the log: none of them needs another library."""
    clock = kept.daemon.ask("assemble", name="commands/hello")["clock"]
    answer = kept.reload(
        '[monitor]\nsnapshot_interval = "250ms"\n'
        '[watch]\nrescan_interval = 0.2\nenabled = false\n[log]\nlevel = "debug"'
    )
    assert answer["clock"] == clock
    kept.daemon.wait_for(
        lambda: kept.daemon.snapshot()["valid_until_unix_s"] - kept.daemon.snapshot()["time_unix_s"] < 1.0
    )
    assert kept.daemon.statistics("watcher") == {"mode": "off"}
    rescans = kept.daemon.statistics("maintenance")["rescans"]
    kept.daemon.wait_for(lambda: kept.daemon.statistics("maintenance")["rescans"] > rescans + 1)
    assert kept.daemon.log("request")
    kept.reload()
    kept.daemon.wait_for(lambda: kept.daemon.statistics("watcher")["mode"] == "inotify")


def test_what_takes_a_restart_is_named_until_there_is_one(kept: Reloadable) -> None:
    """serve.* and state.* stay as they are in force, and every reload says that they differ."""
    for _ in range(2):
        answer = kept.reload("[serve]\nmax_in_flight = 3\nstop_timeout = 1.5")
        assert (
            answer["changed_keys"] == answer["restart_keys"] == ["serve.max_in_flight", "serve.stop_timeout"]
        )
    assert kept.daemon.ask("describe")["limits"]["max_in_flight"] == 32


def test_a_subscriber_is_sent_what_a_reload_changed(kept: Reloadable) -> None:
    """Another value of a configured variable makes another prompt; the same prompt is not notified."""
    with kept.daemon.connect() as peer:
        changing = peer.ask("subscribe", name="commands/hello")
        peer.ask("subscribe", name="tone/kind")
        kept.reload('[library]\nvariables = {who = "Ada"}')
        note = peer.receive()
        assert note["method"] == "changed"
        assert note["params"]["subscription"] == changing["subscription"]
        assert note["params"]["digest"] == kept.daemon.ask("assemble", name="commands/hello")["digest"]


def test_answers_go_on_during_reloads(kept: Reloadable) -> None:
    """A client that asks all the time sees one configuration or the other, and no error."""
    texts: set[str] = set()
    done = threading.Event()

    def ask() -> None:
        with Peer(kept.daemon.socket) as peer:
            while not done.is_set():
                texts.add(peer.ask("assemble", name="commands/hello")["text"].splitlines()[0])
                peer.ask("list")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for who in ("Ada", "Bob") * 5:
            kept.reload(f'[library]\nvariables = {{who = "{who}"}}')
    finally:
        done.set()
        asking.join()
    assert texts <= {"Hello, {{who}}.", "Hello, Ada.", "Hello, Bob."}
    assert not kept.daemon.log("unforeseen error")


def test_many_reloads_leave_nothing_behind(kept: Reloadable) -> None:
    """Old workspaces go with their threads and descriptors."""

    def process() -> tuple[int, int]:
        found = kept.daemon.ask("health")["process"]
        return found["threads"], found["open_descriptors"]

    for number in range(4):
        kept.reload(f"[cache]\nentries = {50 + number}")
    before = process()
    for number in range(20):
        kept.reload(f"[cache]\nentries = {60 + number}")
    after = process()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2


def test_reloads_that_change_nothing_postpone_nothing(kept: Reloadable) -> None:
    """A supervisor that reloads all the time does not keep the timers from coming round."""
    kept.reload("[watch]\nrescan_interval = 0.2")
    before = kept.daemon.statistics("maintenance")["rescans"]

    def reconciled() -> bool:
        kept.daemon.ask("reload")
        found: int = kept.daemon.statistics("maintenance")["rescans"]
        return found > before + 1

    kept.daemon.wait_for(reconciled)


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
def test_a_bad_configuration_keeps_the_old_one_and_says_so(kept: Reloadable, text: str, said: str) -> None:
    """The caller gets the reason, health shows it until a good one comes, and answers stay as they were."""
    before = kept.daemon.ask("assemble", name="commands/hello")
    kept.configure(text)
    reply = kept.daemon.peer.call("reload")
    assert reply["error"]["data"]["type"] == "promptd.ConfigError"
    assert said in reply["error"]["message"]
    health = kept.daemon.ask("health")
    assert health["status"] == "degraded"
    assert [said in problem for problem in health["problems"]] == [True]
    assert kept.daemon.ask("assemble", name="commands/hello") == before
    kept.reload()
    assert kept.daemon.ask("health")["problems"] == []


def test_a_signal_with_a_bad_configuration_is_in_the_log(kept: Reloadable) -> None:
    """SIGHUP has no reply: one line in the log, and health."""
    before = len(kept.daemon.log("configuration not applied"))
    kept.configure("[cache]\nentries = -1")
    kept.daemon.signal(signal.SIGHUP)
    kept.daemon.wait_for(lambda: len(kept.daemon.log("configuration not applied")) == before + 1)
    assert kept.daemon.ask("health")["status"] == "degraded"
    assert not kept.daemon.log("unforeseen error")


# -- storms -------------------------------------------------------------------------------------


def test_a_storm_of_signals_is_few_reloads(kept: Reloadable) -> None:
    """100 SIGHUPs: the last configuration is in force, after a handful of reloads."""
    before = len(kept.daemon.log("reloaded"))
    for number in range(100):
        if number == 50:
            kept.configure('[library]\nvariables = {who = "Eve"}')
        kept.daemon.signal(signal.SIGHUP)
    kept.daemon.wait_for(lambda: "Hello, Eve." in kept.daemon.text("commands/hello"))
    kept.reload()
    assert len(kept.daemon.log("reloaded")) - before < 20


def test_a_storm_of_calls_is_few_reloads(kept: Reloadable) -> None:
    """200 requests at once share rounds, and each is answered with what is in force."""
    before = len(kept.daemon.log("reloaded"))
    kept.configure("[cache]\nentries = 11")
    with kept.daemon.connect() as peer:
        requests = b"".join(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": "reload"}).encode() + b"\n"
            for number in range(200)
        )
        peer.socket.sendall(requests)
        replies = [peer.receive() for _ in range(200)]
    assert all(reply["result"]["reloaded"] for reply in replies)
    assert kept.daemon.statistics("cache")["components"]["max_entries"] == 11
    assert len(kept.daemon.log("reloaded")) - before < 30
