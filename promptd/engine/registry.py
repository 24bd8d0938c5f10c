"""The table of handlers: which procedure answers a method about the library.

Only the table: `handlers` and `library_handlers` fill it, the dispatcher and the embedded engine read it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from promptd.engine.procedures.effects import Procedure
from promptd.engine.workspace import Workspace
from promptd.sources.base import Check

LibraryHandler = Callable[[Workspace, Any, Check], Procedure[Any]]
HANDLERS: dict[str, LibraryHandler] = {}  # by method; what is not here only a running daemon can answer
_H = TypeVar("_H", bound=LibraryHandler)


def answers(method: str) -> Callable[[_H], _H]:
    """Make a function the handler of a method."""

    def register(handler: _H) -> _H:
        HANDLERS[method] = handler
        return handler

    return register
