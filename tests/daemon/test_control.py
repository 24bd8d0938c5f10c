"""What only a running daemon can say: every method and every source of figures is answered."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

import jsonschema
import msgspec
import pytest

from promptd import __version__, config
from promptd.daemon.build import build_workspace
from promptd.daemon.control import (
    MAX_PROBLEMS,
    limits_of,
    problems_of,
    services_of,
    sources_of,
    statistics_of,
)
from promptd.daemon.lifecycle import Daemon
from promptd.engine.handlers import HANDLERS
from promptd.errors import InvalidParams
from promptd.monitor.snapshot import SnapshotStatistics
from promptd.protocol import methods
from promptd.protocol.describe import schema_of
from tests.conftest import Library
from tests.server.peers import NotedPeer


@pytest.fixture
def daemon(library: Library, tmp_path: Path) -> Daemon:
    """A daemon that is put together but does not live."""
    environment = {"PROMPTD_STATE_DIRECTORY": str(tmp_path / "state")}
    settings = config.load(None, environment, {"roots": [str(library({"a.md": "A.\n"}))]})
    return Daemon(settings, lambda: settings, environment)


def test_every_method_has_an_answer(daemon: Daemon) -> None:
    """A procedure in the table of methods or a service here, never both and never neither."""
    without_flow = methods.METHODS.keys() - HANDLERS.keys()
    assert set(services_of(daemon, daemon.tasks.spawn)) == without_flow


def test_every_part_is_asked(daemon: Daemon) -> None:
    """Also before there is a listener or a watcher, and all of it can be sent."""
    figures = statistics_of(daemon)
    assert set(figures) == set(sources_of(daemon))
    assert figures["connections"] is None
    assert figures["watcher"] == {"mode": "off"}
    assert figures["problems"] == []
    assert msgspec.json.encode(figures, enc_hook=dict)


def test_simple_questions(daemon: Daemon) -> None:
    """ping, version and describe need nothing but the process, once it is ready."""
    daemon.run.is_ready.set()
    services = services_of(daemon, daemon.tasks.spawn)
    peer, nothing = NotedPeer(), methods.METHODS["ping"].params()
    answers: dict[str, Any] = {
        name: services[name](peer, nothing) for name in ("ping", "version", "describe")
    }
    assert answers["ping"].pong is True
    assert answers["version"].version == __version__
    assert answers["version"].protocol == methods.PROTOCOL
    assert msgspec.json.decode(answers["describe"])["limits"]["max_connections_per_uid"] == 64


@pytest.mark.parametrize("name", sorted(methods.METHODS.keys() - HANDLERS.keys()))
async def test_answers_are_as_described(daemon: Daemon, name: str) -> None:
    """Each service answers with the type of its method, or that encoded, valid by its JSON Schema."""
    daemon.run.is_ready.set()
    services, peer, method = services_of(daemon, daemon.tasks.spawn), NotedPeer(), methods.METHODS[name]
    if name == "unsubscribe":
        await services["subscribe"](peer, methods.PromptParams(name="a"))
    given = {"subscribe": b'{"name":"a"}', "unsubscribe": b'{"subscription":1}'}.get(name, b"{}")
    outcome = services[name](peer, methods.decode_params(method, given))
    answer = await outcome if isinstance(outcome, Awaitable) else outcome
    assert not isinstance(method.reply, type) or type(answer) in (method.reply, msgspec.Raw)
    said = msgspec.json.decode(msgspec.json.encode(answer, enc_hook=dict))
    jsonschema.Draft202012Validator(schema_of(method.reply)).validate(said)
    assert not isinstance(method.reply, type) or said.keys() == set(method.reply.__struct_fields__)


async def test_a_ping_waits_until_the_library_is_whole(daemon: Daemon) -> None:
    """A client that waits for the daemon by pinging it waits for all of it."""
    outcome = services_of(daemon, daemon.tasks.spawn)["ping"](NotedPeer(), methods.METHODS["ping"].params())
    waiting = asyncio.ensure_future(outcome)
    await asyncio.sleep(0)
    assert not waiting.done()
    daemon.run.is_ready.set()
    assert (await waiting).pong is True


def test_figures_follow_an_exchanged_workspace(daemon: Daemon) -> None:
    """A reload puts another workspace in; a question that comes afterwards is answered from that one."""
    sources = sources_of(daemon)
    other = build_workspace(daemon.run.config, daemon.current.workspace)
    other.library.revision = 41
    daemon.current.workspace = other
    assert sources["library"]().revision == 41


def test_limits_are_the_configured_ones(daemon: Daemon) -> None:
    """Every limit of the listener comes from a key of its name."""
    settings = config.load(None, {}, {"serve.max_in_flight": 3, "serve.write_timeout": 1.5})
    limits = limits_of(settings)
    assert (limits.max_in_flight, limits.write_timeout) == (3, 1.5)


def test_problems_are_gathered_from_everyone_and_bounded(daemon: Daemon) -> None:
    """Configuration first, then what cannot be written, then the library; of very many the first."""
    daemon.run.config_error = "configuration not applied"
    failing = SnapshotStatistics(written=0, failed=1, last_error="disk full")
    daemon.monitoring.snapshots.statistics = lambda: failing  # type: ignore[method-assign]
    daemon.maintenance.saved.problems = lambda: ["use counts are not saved"]  # type: ignore[method-assign]
    daemon.current.workspace.scanned.problems = tuple(f"{number}: cannot be listed" for number in range(100))
    found = problems_of(daemon)
    assert found[0] == "configuration not applied"
    assert found[1] == "health.json is not written: disk full"
    assert found[2] == "use counts are not saved"
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == f"and {103 - MAX_PROBLEMS} more"


def test_unsubscribing_is_checked(daemon: Daemon) -> None:
    """Parameters are checked before a service sees them."""
    with pytest.raises(InvalidParams, match="subscription"):
        methods.decode_params(methods.METHODS["unsubscribe"], cast(bytes, b"{}"))
