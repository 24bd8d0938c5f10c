"""The typed client of a running daemon, blocking and asyncio; it knows the wire and nothing of the engine.

`Client` and `AsyncClient` have one function a method, and what they return are the types of promptd.protocol:
`replies` has one for each method, `records` what they consist of. Those of a prompt can be named from here.

requests.py says what can be asked, wire.py how that looks on the wire, discovery.py where the daemon is; the
rest only carries it: blocking.py, connection.py and subscription.py, and asynchronous.py, async_connection.py
and async_subscription.py. Everything loads when it is first named, so that a blocking client never pays for
asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptd.client.async_subscription import AsyncSubscription
    from promptd.client.asynchronous import AsyncClient
    from promptd.client.blocking import Client
    from promptd.client.discovery import discover
    from promptd.client.subscription import Subscription
    from promptd.protocol.records import (
        AllocationRow,
        Changed,
        Estimate,
        ManifestEntry,
        PromptWarning,
        RemovedUnit,
        Savings,
        Shares,
    )
    from promptd.protocol.replies import AssembleReply

__all__ = [
    "AllocationRow",
    "AssembleReply",
    "AsyncClient",
    "AsyncSubscription",
    "Changed",
    "Client",
    "Estimate",
    "ManifestEntry",
    "PromptWarning",
    "RemovedUnit",
    "Savings",
    "Shares",
    "Subscription",
    "discover",
]

_HOMES = {
    "AsyncClient": "promptd.client.asynchronous",
    "AsyncSubscription": "promptd.client.async_subscription",
    "Client": "promptd.client.blocking",
    "Subscription": "promptd.client.subscription",
    "discover": "promptd.client.discovery",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'promptd.client' has no attribute {name!r}")
    kind = "replies" if name.endswith("Reply") else "records"
    return getattr(import_module(_HOMES.get(name, f"promptd.protocol.{kind}")), name)
