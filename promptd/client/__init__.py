"""The typed client of a running daemon, blocking and asyncio; it knows the wire and nothing of the engine.

questions.py says what can be asked and replies.py what comes back, protocol.py how that looks on the wire,
discovery.py where the daemon is; the rest only carries it: blocking.py, link.py and subscription.py, and
asynchronous.py, async_link.py and async_subscription.py. Everything loads when it is
first named, so that a blocking client never pays for asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptd.client.async_subscription import AsyncSubscription
    from promptd.client.asynchronous import AsyncClient
    from promptd.client.blocking import Client
    from promptd.client.discovery import discover
    from promptd.client.replies import (
        Assembled,
        Changed,
        ManifestEntry,
        PromptWarning,
    )
    from promptd.client.subscription import Subscription

__all__ = [
    "Assembled",
    "AsyncClient",
    "AsyncSubscription",
    "Changed",
    "Client",
    "ManifestEntry",
    "PromptWarning",
    "Subscription",
    "discover",
]

_HOMES = {
    "AsyncClient": "asynchronous",
    "AsyncSubscription": "async_subscription",
    "Client": "blocking",
    "Subscription": "subscription",
    "discover": "discovery",
    "Assembled": "replies",
    "Changed": "replies",
    "ManifestEntry": "replies",
    "PromptWarning": "replies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'promptd.client' has no attribute {name!r}")
    return getattr(import_module(f"promptd.client.{_HOMES[name]}"), name)
