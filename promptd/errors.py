"""Every error promptd can answer with: one tree, each leaf with one cause and one error code of the protocol.

The tree splits by what to fix: a file of the library (ComponentError), the request (RequestError), the
configuration (ConfigError), or load (Busy). The codes are -32000 to -32029 and those of JSON-RPC; two
leaves share one only where `type` alone tells them apart. Foreign exceptions (OSError, YAML, TOML) are
mapped to these at their origin and never travel further. Nothing here knows how an error is shown.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class PromptdError(Exception):
    """Root of the tree: `message` is a sentence for users, `details` a mapping for programs."""

    code: ClassVar[int] = -32603

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    @property
    def type(self) -> str:
        """Name of the leaf as the protocol has it (`error.data.type`)."""
        return f"promptd.{type(self).__name__}"


class Internal(PromptdError):
    """Unexpected error; the daemon logs a traceback and keeps running."""

    code = -32603


# -- a file of the library --------------------------------------------------------------------


class ComponentError(PromptdError):
    """A component is invalid; every other component is unaffected."""


class CycleError(ComponentError):
    """A component of the prompt includes itself, directly or through others."""

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
    """The path leaves the library: absolute, `..`, encoded dots, NUL, or a symlink to the outside."""

    code = -32007


class MissingInclude(ComponentError):
    """A directive names a component that does not exist, and `library.missing` is "error"."""

    code = -32008


class ParseError(ComponentError):
    """The text of the file cannot be parsed."""

    code = -32009


# -- the request ------------------------------------------------------------------------------


class RequestError(PromptdError):
    """The request is invalid, or the library cannot answer it."""

    code = -32600


class MalformedFrame(RequestError):
    """The line is not JSON."""

    code = -32700


class InvalidRequest(RequestError):
    """The line is JSON, but not a JSON-RPC 2.0 request object."""

    code = -32600


class MethodNotFound(RequestError):
    """No method has that name."""

    code = -32601


class InvalidParams(RequestError):
    """A parameter is missing, has the wrong type, or is out of range."""

    code = -32602


class UnknownComponent(RequestError):
    """No component has that name."""

    code = -32001


class UnknownSection(RequestError):
    """The component has no section of that name."""

    code = -32001


class DigestMismatch(RequestError):
    """The text has changed: its digest is not the one that was sent."""

    code = -32000


class AmbiguousName(RequestError):
    """The name without suffix matches several components."""

    code = -32002


class MissingVariable(RequestError):
    """A required variable has no value."""

    code = -32010


class OverBudget(RequestError):
    """The prompt has more tokens than the limit or the budget allows."""

    code = -32011


class UnsupportedOption(RequestError):
    """The request uses an option that this daemon does not support."""

    code = -32012


class PromptTooLarge(RequestError):
    """The prompt or its reply exceeds the size limit."""

    code = -32013


class TooExpensive(RequestError):
    """The request needs more time than one request may take; the message says what makes it so."""

    code = -32020


class FrameTooLarge(RequestError):
    """The request line exceeds the size limit."""

    code = -32014


class UnknownSubscription(RequestError):
    """No subscription on this connection has that id."""

    code = -32015


class PermissionDenied(RequestError):
    """The user may ask, but not administer: the method needs a right that was not given."""

    code = -32021


class Unavailable(RequestError):
    """No daemon is running on the socket (raised by clients, never sent)."""

    code = -32018


# -- configuration and load -------------------------------------------------------------------


class ConfigError(PromptdError):
    """The configuration is invalid; the message names the key and, if possible, the line."""

    code = -32016


class AlreadyRunning(PromptdError):
    """Another daemon uses this socket."""

    code = -32019


class Busy(PromptdError):
    """A load limit was reached (connections, requests in progress), or the daemon is stopping; try again."""

    code = -32017


def leaves(root: type[PromptdError] = PromptdError) -> list[type[PromptdError]]:
    """Every leaf class below `root`, in definition order."""
    below = root.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [root]
