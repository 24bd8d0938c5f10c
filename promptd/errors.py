"""Every error promptd can answer with: one tree, each leaf with one cause and one wire code.

The tree splits by whose fault it is: the author of a file (ComponentError), the client
(RequestError), the operator (ConfigError), or load (Busy). Foreign exceptions (OSError, YAML, TOML)
are mapped to these at the doors and never travel further. Nothing here knows how an error is shown.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class PromptdError(Exception):
    """Root of the tree: a sentence for people and a mapping of details for programs."""

    code: ClassVar[int] = -32603

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    @property
    def type(self) -> str:
        """Name of the leaf as it stands on the wire (`error.data.type`)."""
        return f"promptd.{type(self).__name__}"


class Internal(PromptdError):
    """Something unforeseen; the traceback is in the log, the daemon lives on."""

    code = -32603


# -- the author of a file ---------------------------------------------------------------------


class ComponentError(PromptdError):
    """A component cannot be used as it stands; every other component is unaffected."""


class CycleError(ComponentError):
    """The prompt contains a component that includes itself, directly or through others."""

    code = -32003


class EncodingError(ComponentError):
    """The file is not UTF-8 text."""

    code = -32004


class ComponentTooLarge(ComponentError):
    """The file exceeds `library.max_component_bytes`."""

    code = -32005


class UnreadableComponent(ComponentError):
    """The file exists but cannot be read: permissions, a FIFO, a directory, an I/O error."""

    code = -32006


class OutsideRoot(ComponentError):
    """The path leads out of the library: absolute, `..`, encoded dots, NUL, or a symlink outward."""

    code = -32007


class MissingInclude(ComponentError):
    """A directive names a component that does not exist and `missing = "error"` is set."""

    code = -32008


class ParseError(ComponentError):
    """The file's text could not be parsed at all."""

    code = -32009


# -- the client -------------------------------------------------------------------------------


class RequestError(PromptdError):
    """The request cannot be answered as it was put."""

    code = -32600


class MalformedFrame(RequestError):
    """The line is not JSON."""

    code = -32700


class InvalidRequest(RequestError):
    """The line is JSON, but not one JSON-RPC 2.0 request object."""

    code = -32600


class MethodNotFound(RequestError):
    """No method of that name."""

    code = -32601


class InvalidParams(RequestError):
    """A parameter is missing, of the wrong type, or out of bounds."""

    code = -32602


class UnknownComponent(RequestError):
    """No component of that name."""

    code = -32001


class AmbiguousName(RequestError):
    """The name without suffix fits several components."""

    code = -32002


class MissingVariable(RequestError):
    """A variable declared as required has no value."""

    code = -32010


class OverBudget(RequestError):
    """The prompt has more tokens than the limit allows."""

    code = -32011


class UnsupportedOption(RequestError):
    """The request asks for something this version does not do."""

    code = -32012


class PromptTooLarge(RequestError):
    """The assembled prompt or its reply exceeds the size limit."""

    code = -32013


class FrameTooLarge(RequestError):
    """The request line exceeds the frame limit."""

    code = -32014


class UnknownSubscription(RequestError):
    """No subscription with that id on this connection."""

    code = -32015


class Unavailable(RequestError):
    """No daemon answers on the socket (raised by the client library, never sent)."""

    code = -32018


# -- the operator and load --------------------------------------------------------------------


class ConfigError(PromptdError):
    """The configuration is wrong; names the key's path and, where possible, the line."""

    code = -32016


class AlreadyRunning(PromptdError):
    """Another daemon holds this socket."""

    code = -32019


class Busy(PromptdError):
    """A limit on load was reached (connections, requests in flight, stopping); try again."""

    code = -32017


def leaves(root: type[PromptdError] = PromptdError) -> list[type[PromptdError]]:
    """Every leaf class below `root`, in definition order."""
    below = root.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [root]
