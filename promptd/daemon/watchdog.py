"""The proof of life: systemd hears of us only while our own socket answers.

A request of the daemon to itself takes the same path as anyone's, so a loop that is stuck, a listener that
is deaf or a handler that is lost all end in a restart by the supervisor.
"""

import asyncio
from collections.abc import Callable

from promptd.support import log

PING = b'{"jsonrpc":"2.0","id":0,"method":"ping"}\n'

_log = log.get_logger("promptd.daemon")


async def watch_ourselves(address: str, interval_s: float, alive: Callable[[], object]) -> None:
    """Ask at `address` twice an interval and call `alive` after each answer, until cancelled."""
    while True:
        try:
            async with asyncio.timeout(interval_s):
                await ask(address)
        except (OSError, TimeoutError) as problem:
            _log.error("the daemon's own socket does not answer", error=repr(problem))
        else:
            alive()
        await asyncio.sleep(interval_s / 2)


async def ask(address: str) -> None:
    """Wait for one line of answer; a refusal for load is an answer too. Raises OSError if none comes."""
    reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(PING)
        if not (await reader.readline()).startswith(b"{"):
            raise ConnectionResetError("the connection was closed without an answer")
    finally:
        writer.close()
