"""The watchdog: systemd is notified only while requests are answered and the daemon's own socket is served.

Twice an interval the daemon asks itself, first without a socket, which shows that the handler answers, then
over its own listening socket like any client, which shows that it can be reached. So an event loop that is
stuck, a handler that hangs and a listener that no longer accepts, reads or writes all end in a restart by the
supervisor, and the log says which of the two it was.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from promptd.errors import PromptdError
from promptd.server.local_peer import LocalPeer
from promptd.support import log

PING = b'{"jsonrpc":"2.0","id":0,"method":"ping"}\n'

RETRY_S = 0.01

_log = log.get_logger("promptd.daemon")


async def watch_ourselves(
    peer: LocalPeer, address: str, interval_s: float, alive: Callable[[], object]
) -> None:
    """Ask by `peer` and at `address` twice an interval; call `alive` if both answer. Until cancelled."""
    while True:
        if await is_answering(peer, address, interval_s):
            alive()
        await asyncio.sleep(interval_s / 2)


async def is_answering(peer: LocalPeer, address: str, within_s: float) -> bool:
    """True if the handler and the socket both answer within the time; if not, the log says which does not."""
    asked = "the daemon's request handler"
    try:
        async with asyncio.timeout(within_s):
            await ask_handler(peer)
            asked = "the daemon's own socket"
            await ask_socket(address)
    except (OSError, TimeoutError) as problem:
        _log.error(f"{asked} does not answer", error=repr(problem))
        return False
    return True


async def ask_handler(peer: LocalPeer) -> None:
    """Wait for an answer to a ping; a refusal (the daemon is stopping, say) is an answer too."""
    with suppress(PromptdError):
        await peer.call("ping")


async def ask_socket(address: str) -> None:
    """Wait for one line of answer; a refusal for load is an answer too. Raises OSError if none comes.

    A flood of connections may fill the kernel's queue: then there is room again in a moment.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        while not _try_connect(connection, address):  # noqa: ASYNC110 - the kernel gives no event for it
            await asyncio.sleep(RETRY_S)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        writer.write(PING)
        if not (await reader.readline()).startswith(b"{"):
            raise ConnectionResetError("the connection was closed without an answer")
    finally:
        writer.close()


def _try_connect(connection: socket.socket, address: str) -> bool:
    """Connect, or say not yet; the loop's own connect takes EAGAIN for a connection on its way."""
    try:
        connection.connect(address)
    except BlockingIOError:
        return False
    return True
