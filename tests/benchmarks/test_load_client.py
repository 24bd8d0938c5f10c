"""The load client against servers that answer right, wrong, slowly, in pieces, too much or not at all."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.load_client import LoadClient, Result, Target
from tests.benchmarks.conftest import Serve

GOOD = b'{"jsonrpc":"2.0","id":1,"result":{"text":"a prompt"}}\n'
BAD = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no such component"}}\n'
STARTS = b'{"jsonrpc":"2.0","id":1,"result":'
SECONDS = 0.1


async def load(client: LoadClient, target: Target, connections: int = 2) -> Result:
    """A short run beside the loop that serves it."""
    return await asyncio.to_thread(client.run, target, connections, SECONDS, warm_up_s=0.02)


async def run_raw(client: LoadClient, *options: str) -> subprocess.CompletedProcess[bytes]:
    """The program itself, with one request."""
    command = [str(client.binary), *options]
    return await asyncio.to_thread(
        subprocess.run, command, input=b"4\nask\n", capture_output=True, timeout=20, check=False
    )


async def good(_: bytes, writer: asyncio.StreamWriter) -> None:
    """An answer as it should be."""
    writer.write(GOOD)


async def test_good_replies_are_counted_and_timed(client: LoadClient, serve: Serve) -> None:
    """A run gives a rate, latencies in order, and a share of a core that is neither nothing nor nonsense."""
    result = await load(client, Target(await serve(good), [b"ask\n"], STARTS), 4)
    assert result.rate > 0
    assert 0 < result.p50_us <= result.p99_us <= result.p99_9_us <= result.max_us
    assert 0 < result.client_cores < 1.1


async def test_requests_are_sent_in_turn_and_round_again(client: LoadClient, serve: Serve) -> None:
    """Every request of the list is sent about as often as every other."""
    received: Counter[bytes] = Counter()

    async def answer(line: bytes, writer: asyncio.StreamWriter) -> None:
        received[line] += 1
        writer.write(GOOD)

    requests = [b"one\n", b"two\n", b"three\n"]
    await load(client, Target(await serve(answer), requests, STARTS))
    assert set(received) == set(requests)
    assert max(received.values()) - min(received.values()) <= 2  # two connections: two may be on their way


async def test_once_sends_no_request_twice(client: LoadClient, serve: Serve) -> None:
    """With `is_once` each request is sent once, and the run is over when all are answered."""
    received: Counter[bytes] = Counter()

    async def answer(line: bytes, writer: asyncio.StreamWriter) -> None:
        received[line] += 1
        writer.write(GOOD)

    requests = [b"%d\n" % number for number in range(40)]
    target = Target(await serve(answer), requests, STARTS)
    await asyncio.to_thread(client.run, target, 4, 30.0, warm_up_s=0.0, is_once=True)
    assert received == Counter(requests)


async def test_an_error_among_good_replies_is_noticed(client: LoadClient, serve: Serve) -> None:
    """One JSON-RPC error in many replies fails the run, and the message shows the error."""
    replies = iter([GOOD] * 5 + [BAD])

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(next(replies, GOOD))

    with pytest.raises(RuntimeError, match=r"^1 of \d+ replies were wrong, the first: .*no such component"):
        await load(client, Target(await serve(answer), [b"ask\n"], STARTS))


async def test_a_slow_server_shows_in_the_latency_and_not_in_the_cpu(
    client: LoadClient, serve: Serve
) -> None:
    """A server that takes 20 ms has a p50 of at least that, and the client waits without using its core."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(GOOD)

    result = await load(client, Target(await serve(answer), [b"ask\n"], STARTS))
    assert result.p50_us >= 20_000 * 0.996  # buckets are 0.4 % wide
    assert result.client_cores < 0.5


async def test_a_reply_in_pieces_is_one_reply(client: LoadClient, serve: Serve) -> None:
    """A line that comes byte by byte is recognised, as good and as one."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        for at in range(len(GOOD)):
            writer.write(GOOD[at : at + 1])
            await asyncio.sleep(0)

    await load(client, Target(await serve(answer), [b"ask\n"], STARTS))


async def test_an_error_in_pieces_is_an_error(client: LoadClient, serve: Serve) -> None:
    """Where the wrong byte comes in a later piece the reply is wrong all the same, and shown whole."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        for at in range(len(BAD)):
            writer.write(BAD[at : at + 1])
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=re.escape(BAD.decode().strip())):
        await load(client, Target(await serve(answer), [b"ask\n"], STARTS))


async def test_replies_of_a_known_size_may_hold_newlines(client: LoadClient, serve: Serve) -> None:
    """With `reply_bytes` a reply ends with its last byte, as Redis and nginx answer."""
    reply = b"$8\r\none\ntwo\n\r\n"

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply[:6])
        await asyncio.sleep(0)
        writer.write(reply[6:])

    await load(client, Target(await serve(answer), [b"GET\n"], b"$8\r\n", len(reply)))


@pytest.mark.parametrize(
    ("reply", "reply_bytes", "said"),
    [
        (GOOD + GOOD, 0, "more than one line"),
        (GOOD + b"x", len(GOOD), f"a reply of {len(GOOD) + 1} bytes, where {len(GOOD)} were to come"),
        (b"", 0, "closed a connection after 0 bytes"),
        (GOOD[:20], 0, "closed a connection after 20 bytes"),
    ],
)
async def test_what_is_no_single_whole_reply_ends_the_run(
    client: LoadClient, serve: Serve, reply: bytes, reply_bytes: int, said: str
) -> None:
    """Too much, too little and nothing are not counted as anything: the run fails and says why."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if len(reply) < len(GOOD):
            writer.close()

    with pytest.raises(RuntimeError, match=said):
        await load(client, Target(await serve(answer), [b"ask\n"], STARTS, reply_bytes))


async def test_a_silent_server_is_not_waited_for_for_ever(client: LoadClient, serve: Serve) -> None:
    """A reply that does not come within the limit ends the run, however long that was to be."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    options = ("--starts", "x", "--seconds", "60", "--reply-timeout", "0.1")
    done = await run_raw(client, "--socket", await serve(answer), *options)
    assert (done.returncode, done.stderr) == (1, b"load_client: no reply within 0.1 s\n")


async def test_the_report_is_one_json_object(client: LoadClient, serve: Serve) -> None:
    """What the program prints: figures of the window with their units, errors of the whole run."""
    done = await run_raw(client, "--socket", await serve(good), "--starts", "{", "--seconds", "0.1")
    report = json.loads(done.stdout)
    assert report["reply_bytes"] == report["requests"] * len(GOOD)
    assert 0.1 <= report["wall_s"] < 10
    assert report["sent"] >= report["requests"] > 0
    assert (report["connections"], report["errors"], report["first_error"]) == (1, 0, "")


def test_no_server_listens(client: LoadClient, tmp_path: Path) -> None:
    """A socket that is not there is said with its path."""
    with pytest.raises(RuntimeError, match=f"connecting to {tmp_path}/none: No such file"):
        client.run(Target(f"{tmp_path}/none", [b"ask\n"], STARTS), 1, SECONDS)


@pytest.mark.parametrize(
    ("options", "requests", "said"),
    [
        (["--starts", "x"], b"4\nask\n", "needs --socket"),
        (["--socket", "s"], b"4\nask\n", "needs --starts"),
        (["--socket", "s", "--starts", "x" * 257], b"4\nask\n", "of at most 256 bytes"),
        (["--socket", "s" * 200, "--starts", "x"], b"4\nask\n", "too long"),
        (["--socket", "s", "--starts", "x", "--connections", "0"], b"4\nask\n", "from 1 to 1024, not '0'"),
        (["--socket", "s", "--starts", "x", "--seconds", "nan"], b"4\nask\n", "not 'nan'"),
        (["--socket", "s", "--starts", "x", "--seconds", "1e9"], b"4\nask\n", "to 600"),
        (["--socket", "s", "--starts", "x", "more"], b"4\nask\n", "no argument beside"),
        (["--socket", "s", "--starts", "x"], b"", "no request"),
        (["--socket", "s", "--starts", "x"], b"4\nask\n9\nask\n", "request 2"),
        (["--socket", "s", "--starts", "x"], b"-4\nask\n", "request 1"),
        (["--socket", "s", "--starts", "x"], b"4ask\n", "request 1"),
        (["--socket", "s", "--starts", "x"], b"99999999999999999999999\nask\n", "request 1"),
    ],
)
def test_a_wrong_call_is_refused(client: LoadClient, options: list[str], requests: bytes, said: str) -> None:
    """Exit code 64 and a line that names what is wrong, before anything is connected."""
    done = subprocess.run(
        [client.binary, *options], input=requests, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 64
    assert said in done.stderr.decode()
