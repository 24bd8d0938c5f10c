"""Costly work: beside the loop, in the order of shares, ended at a deadline, dropped when nobody waits."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time

import pytest

from promptd.errors import TooExpensive
from promptd.server.lanes import LANES, Lanes
from promptd.server.shares import TimeShares
from tests.server.peers import NotedPeer

LONG_S = 60.0


def spin(until: threading.Event) -> str:
    """Python code that goes on until it is told, or ended."""
    while not until.is_set():
        time.sleep(0.001)
    return "told"


async def test_work_is_done_beside_the_loop() -> None:
    """In another thread; what it raises is raised."""
    lanes = Lanes(TimeShares(), LONG_S)
    assert await lanes.run(NotedPeer(), threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await lanes.run(NotedPeer(), lambda: 1 // 0)
    lanes.close()


async def test_work_is_ended_at_its_deadline() -> None:
    """With an error that names the setting; the lane is free again."""
    lanes = Lanes(TimeShares(), 0.05)
    with pytest.raises(TooExpensive, match=r"serve\.request_time"):
        await lanes.run(NotedPeer(), lambda: spin(threading.Event()))
    assert await lanes.run(NotedPeer(), lambda: 1) == 1
    lanes.close()


async def test_who_had_least_is_next() -> None:
    """Whatever the order of arrival: a flood waits behind itself."""
    shares, done = TimeShares(), []
    lanes = Lanes(shares, LONG_S)
    flooder, innocent = NotedPeer(), NotedPeer()
    shares.charge(flooder, 1.0)
    goes_on = threading.Event()
    busy = [asyncio.create_task(lanes.run(flooder, lambda: spin(goes_on))) for _ in range(LANES)]
    await asyncio.sleep(0)
    flood = [asyncio.create_task(lanes.run(flooder, lambda: done.append("flood"))) for _ in range(5)]
    await asyncio.sleep(0)
    asked = asyncio.create_task(lanes.run(innocent, lambda: done.append("innocent")))
    await asyncio.sleep(0)
    goes_on.set()
    await asyncio.gather(*busy, *flood, asked)
    assert "innocent" in done[:LANES]
    lanes.close()


async def test_work_nobody_waits_for_is_dropped() -> None:
    """What waits is never begun, what runs is ended."""
    lanes, began = Lanes(TimeShares(), LONG_S), []
    never = threading.Event()
    running = [asyncio.create_task(lanes.run(NotedPeer(), lambda: spin(never))) for _ in range(LANES)]
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(lanes.run(NotedPeer(), lambda: began.append(1)))
    await asyncio.sleep(0)
    for task in (waiting, *running):
        task.cancel()
    await asyncio.gather(waiting, *running, return_exceptions=True)
    assert await asyncio.wait_for(lanes.run(NotedPeer(), lambda: 2), 30) == 2
    assert not began
    lanes.close()


TRACED = """
import asyncio, sys, threading
from promptd.server.lanes import Lanes
from promptd.server.shares import TimeShares
from tests.server.peers import NotedPeer
trace = lambda *_: None
sys.settrace(trace)
threading.settrace(trace)

async def main():
    lanes = Lanes(TimeShares(), 60.0)
    for _ in range(3):
        await lanes.run(NotedPeer(), lambda: sum(range(1000)))
    lanes.close()

asyncio.run(main())
print("done")
"""


def test_nothing_is_left_to_look_for_after_work() -> None:
    """CPython 3.11 hangs in a traced function while it believes that an exception is to be raised."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "done\n"


async def test_what_comes_too_late_hits_nobody_else() -> None:
    """Work that ends at its very deadline leaves no exception for the next work of the thread."""
    lanes = Lanes(TimeShares(), 0.001)
    for _ in range(200):
        with contextlib.suppress(TooExpensive):
            await lanes.run(NotedPeer(), lambda: sum(range(20_000)))
    lanes.deadline_s = LONG_S
    for _ in range(2 * LANES):
        assert await lanes.run(NotedPeer(), lambda: sum(range(20_000))) == 199_990_000
    lanes.close()
