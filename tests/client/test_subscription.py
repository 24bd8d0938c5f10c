"""Subscriptions of both kinds: changes reported, ended when asked, made again after a restart."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from promptd import errors
from promptd.client import AsyncClient, Changed, Client
from tests.client.conftest import Play
from tests.client.scripted import Script, Talk, echo
from tests.conftest import Until

SUBSCRIBED = {"subscription": 7, "name": "a", "digest": "d1", "clock": "c:1:1"}


def change(digest: str | None, previous: str | None, number: int = 7, **more: Any) -> dict[str, Any]:
    """The parameters of a notification."""
    return {"subscription": number, "name": "a", "digest": digest, "previous": previous, "clock": "c", **more}


def tell(*changes: dict[str, Any], subscribed: dict[str, Any] = SUBSCRIBED) -> Script:
    """Answer a subscribe, tell the changes, then echo whatever comes."""

    def script(talk: Talk) -> None:
        assert talk.answer(subscribed)["method"] == "subscribe"
        for params in changes:
            talk.send(method="changed", params=params)
        echo(talk)

    return script


def tell_and_go(*changes: dict[str, Any]) -> Script:
    """Answer a subscribe, tell the changes, hang up."""

    def script(talk: Talk) -> None:
        talk.answer(SUBSCRIBED)
        for params in changes:
            talk.send(method="changed", params=params)

    return script


def digests(path: str, count: int, timeout_s: float = 10.0) -> list[str | None]:
    """The digests of the next changes, as the blocking client tells them."""
    with Client(path, timeout_s).subscribe("a") as changes:
        return [next(changes).digest for _ in range(count)]


def async_digests(path: str, count: int, timeout_s: float = 10.0) -> list[str | None]:
    """The same from the asyncio client."""

    async def collect() -> list[str | None]:
        async with AsyncClient(path, timeout_s) as client, client.subscribe("a") as changes:
            return [(await anext(changes)).digest for _ in range(count)]

    return asyncio.run(collect())


both = pytest.mark.parametrize("collect", [digests, async_digests], ids=["blocking", "asyncio"])
Collect = Callable[..., list[str | None]]


@both
def test_changes_are_reported_in_order(play: Play, path: str, collect: Collect) -> None:
    """Each notification is one step of the iteration, an error one as well."""
    gone = change(None, "d2", error={"type": "promptd.UnknownComponent", "message": "gone"})
    play(tell(change("d2", "d1"), gone, change("d1", None)))
    assert collect(path, 3) == ["d2", None, "d1"]


@both
def test_a_change_may_come_with_the_answer(play: Play, path: str, collect: Collect) -> None:
    """Answer and notification in one packet: the change is not lost."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.connection.sendall(
            b'{"jsonrpc":"2.0","id":1,"result":{"subscription":7,"digest":"d1","clock":"c"}}\n'
            b'{"jsonrpc":"2.0","method":"changed","params":{"subscription":7,"digest":"d2","previous":"d1","clock":"c"}}\n'
        )
        echo(talk)

    play(script)
    assert collect(path, 1) == ["d2"]


@both
def test_a_prompt_that_cannot_be_assembled(play: Play, path: str, collect: Collect) -> None:
    """Subscribing raises the error that assembling would."""

    def script(talk: Talk) -> None:
        data = {"type": "promptd.UnknownComponent"}
        talk.send(id=talk.request()["id"], error={"code": -32001, "message": "no a", "data": data})

    play(script)
    with pytest.raises(errors.UnknownComponent):
        collect(path, 1)


@both
def test_a_restart_goes_unnoticed(play: Play, path: str, collect: Collect) -> None:
    """Subscribed again at the new daemon; nothing changed meanwhile, so nothing is reported."""
    play(tell_and_go(change("d1", "d0")), tell(change("d2", "d1")))
    assert collect(path, 2) == ["d1", "d2"]


@both
def test_what_changed_during_a_restart_is_one_change(play: Play, path: str, collect: Collect) -> None:
    """The new daemon's digest differs from the last one reported: that is reported."""
    daemon = play(
        tell_and_go(),
        tell(change("d4", "d3", 9), subscribed=SUBSCRIBED | {"digest": "d3", "subscription": 9}),
    )
    assert collect(path, 2) == ["d3", "d4"]
    assert daemon.accepted == 2


@both
def test_a_daemon_that_does_not_come_back(play: Play, path: str, collect: Collect) -> None:
    """After `timeout_s` of trying the iteration ends with Unavailable."""

    def script(talk: Talk) -> None:
        talk.answer(SUBSCRIBED)
        daemon.stop_accepting()

    daemon = play(script)
    with pytest.raises(errors.Unavailable):
        collect(path, 1, timeout_s=0.2)


@both
def test_a_daemon_that_comes_back_late(play: Play, path: str, collect: Collect) -> None:
    """A restart that takes a while is waited for."""

    def script(talk: Talk) -> None:
        talk.answer(SUBSCRIBED)
        daemon.stop_accepting()
        threading.Timer(0.1, play, [tell(change("d2", "d1"))]).start()

    daemon = play(script)
    assert collect(path, 1) == ["d2"]


# -- the blocking one -------------------------------------------------------------------------------


def test_a_blocking_subscription_has_its_own_connection(play: Play, path: str) -> None:
    """While it waits, the client can ask."""
    daemon = play(tell(), echo)
    with Client(path) as client, client.subscribe(["a", "b"], {"x": 1}) as changes:
        assert (changes.id, changes.name, changes.digest) == (7, "a", "d1")
        assert client.statistics()["method"] == "statistics"
        assert repr(changes) == "<Subscription to a>"
    assert daemon.accepted == 2


def test_unsubscribing_ends_a_wait_in_another_thread(play: Play, path: str) -> None:
    """The iteration over there ends as if there were no more changes."""
    play(tell())
    changes = Client(path).subscribe("a")
    seen: list[Changed] = []
    waiting = threading.Thread(target=lambda: seen.extend(changes))
    waiting.start()
    changes.unsubscribe()
    waiting.join(10)
    assert not waiting.is_alive()
    assert seen == []
    assert "(ended)" in repr(changes)


def test_waiting_so_long_and_no_longer(play: Play, path: str) -> None:
    """`next` with a time limit raises Unavailable and can be called again."""
    more = threading.Event()

    def script(talk: Talk) -> None:
        talk.answer(SUBSCRIBED)
        more.wait(10)
        talk.send(method="changed", params=change("d2", "d1"))
        echo(talk)

    play(script)
    with Client(path).subscribe("a") as changes:
        with pytest.raises(errors.Unavailable):
            changes.next(timeout_s=0.01)
        more.set()
        assert changes.next() == Changed(subscription=7, name="a", digest="d2", previous="d1", clock="c")
        assert changes.digest == "d2"


def test_a_daemon_that_hangs_up_on_subscribing(play: Play, path: str) -> None:
    """Unavailable, and no socket is left behind."""
    play(lambda talk: None)
    with pytest.raises(errors.Unavailable, match="closed the connection"):
        Client(path).subscribe("a")


# -- the asyncio one --------------------------------------------------------------------------------


async def test_asyncio_subscriptions_share_the_connection(play: Play, path: str, until: Until) -> None:
    """Two subscriptions and questions over one connection; each change finds its subscription."""

    def script(talk: Talk) -> None:
        talk.answer(SUBSCRIBED)
        talk.answer(SUBSCRIBED | {"subscription": 8, "name": "b"})
        talk.answer({"pong": True})
        talk.send(method="changed", params=change("d3", "d1", 8))
        talk.send(method="changed", params=change("d2", "d1", 7))
        echo(talk)

    daemon = play(script)
    async with AsyncClient(path) as client:
        first = await client.subscribe("a")
        second = await client.subscribe("b")
        assert await client.statistics() == {"pong": True}
        assert (await anext(first)).digest == "d2"
        assert (await anext(second)).digest == "d3"
        assert repr(first) == "<AsyncSubscription to a>"
        await first.unsubscribe()
        await first.unsubscribe()
        assert [change async for change in first] == []
        await second.unsubscribe()
    assert daemon.accepted == 1


async def test_unsubscribing_ends_a_wait_in_another_task(play: Play, path: str) -> None:
    """The iteration over there ends as if there were no more changes."""
    play(tell())
    async with AsyncClient(path) as client:
        changes = await client.subscribe("a")

        async def collect() -> list[Changed]:
            return [change async for change in changes]

        waiting = asyncio.create_task(collect())
        await asyncio.sleep(0)
        await changes.unsubscribe()
        assert await waiting == []
        assert "(ended)" in repr(changes)


async def test_a_subscription_can_simply_be_iterated_over(play: Play, path: str) -> None:
    """`async for` alone subscribes; one that was ended before it began has nothing to tell."""
    play(tell(change("d2", "d1")))
    async with AsyncClient(path) as client:
        async for noticed in client.subscribe("a"):
            assert noticed.digest == "d2"
            break
        ended = client.subscribe("a")
        await ended.unsubscribe()
        assert [change async for change in ended] == []


async def test_closing_the_client_ends_its_subscriptions_connection(play: Play, path: str) -> None:
    """Unsubscribing after the client was closed sends nothing."""
    daemon = play(tell())
    client = AsyncClient(path)
    changes = await client.subscribe("a")
    await client.close()
    await changes.unsubscribe()
    assert daemon.accepted == 1


async def test_many_questions_at_once(play: Play, path: str) -> None:
    """Answers in any order find their questions."""

    def backwards(talk: Talk) -> None:
        requests = [talk.request() for _ in range(50)]
        for request in reversed(requests):
            talk.send(id=request["id"], result={"n": request["params"]["name"]})

    play(backwards)
    async with AsyncClient(path) as client:
        answers = await asyncio.gather(*(client.call("get", {"name": str(number)}) for number in range(50)))
    assert [json.loads(answer)["n"] for answer in answers] == [str(number) for number in range(50)]


async def test_all_questions_under_way_survive_a_restart(play: Play, path: str) -> None:
    """A connection that ends under several questions: each is asked again over one new connection."""

    def take_and_go(talk: Talk) -> None:
        for _ in range(10):
            talk.request()

    daemon = play(take_and_go, echo)
    async with AsyncClient(path) as client:
        answers = await asyncio.gather(*(client.call("get", {"name": str(number)}) for number in range(10)))
    assert [json.loads(answer)["params"]["name"] for answer in answers] == [
        str(number) for number in range(10)
    ]
    assert daemon.accepted == 2


async def test_a_question_that_is_given_up(play: Play, path: str) -> None:
    """A cancelled question leaves the connection usable for the others."""
    asked = threading.Event()

    def script(talk: Talk) -> None:
        first = talk.request()
        asked.set()
        second = talk.request()
        talk.send(id=first["id"], result={})
        talk.send(id=second["id"], result={"n": 2})

    daemon = play(script)
    async with AsyncClient(path) as client:
        waiting = asyncio.create_task(client.statistics())
        await asyncio.to_thread(asked.wait)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await client.statistics() == {"n": 2}
    assert daemon.accepted == 1
