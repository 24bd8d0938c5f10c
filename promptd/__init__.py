"""promptd serves prompts assembled from a library of Markdown files, cached in memory and always up to date.

`Engine` opens a library in this process, `Client` and `AsyncClient` ask a daemon and answer with the types of
promptd.protocol. They are loaded when first named, so that a client does not pay for the engine.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AssembleReply", "AsyncClient", "Client", "Engine", "__version__"]

if TYPE_CHECKING:
    from promptd.client import AssembleReply, AsyncClient, Client
    from promptd.engine.embedded import Engine

_HOMES = {
    "AssembleReply": "promptd.client",
    "AsyncClient": "promptd.client",
    "Client": "promptd.client",
    "Engine": "promptd.engine.embedded",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'promptd' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
