"""The client's side of the wire, without a socket: requests to lines, lines to answers or errors.

An error comes back as the leaf of promptd.errors that the daemon raised. Nothing here waits or connects.
"""

import errno
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from promptd.errors import (
    InvalidParams,
    PromptdError,
    Unavailable,
    leaves,
)

Answer = TypeVar("Answer")
MAX_REPLY_BYTES = 64 * 1024 * 1024  # of one line; four times what a daemon sends unless it is configured to
_LEAVES = {f"promptd.{leaf.__name__}": leaf for leaf in leaves()}


class Broken(Exception):
    """The connection ended. `is_clean` if no byte of an answer had come, so that asking again is safe."""

    def __init__(self, is_clean: bool) -> None:
        super().__init__("the daemon closed the connection")
        self.is_clean = is_clean


class ErrorBody(msgspec.Struct):
    """The `error` member of a reply."""

    code: int
    message: str
    data: dict[str, Any] = {}


class ReplyLine(msgspec.Struct):
    """One line from the daemon: a reply (with id) or a notification (with method)."""

    id: int | str | float | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: ErrorBody | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()

    def body(self) -> bytes:
        """The result as JSON. Raises the error that the daemon answered with instead."""
        if self.error is not None:
            raise revive(self.error)
        return bytes(self.result)


_read_line = msgspec.json.Decoder(ReplyLine).decode


def encode_request(identity: int, method: str, params: Mapping[str, Any] | None) -> bytes:
    """One request line. Raises InvalidParams for what JSON cannot hold."""
    request = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params or {}}
    try:
        return msgspec.json.encode(request) + b"\n"
    except UnicodeEncodeError:
        raise InvalidParams(
            f"{method}: a parameter contains a lone surrogate, which is not valid text"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParams(f"{method}: a parameter cannot be sent as JSON: {error}") from None


def decode_line(line: bytes) -> ReplyLine:
    """One line from the daemon. Raises Unavailable if something else than promptd is talking."""
    try:
        return _read_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unavailable(f"the server on the socket is not promptd: {error}") from None


def decode_as(kind: type[Answer], body: bytes) -> Answer:
    """A result as the given type. Raises Unavailable if the daemon speaks another protocol than this."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"the daemon uses another version of the protocol: {error}") from None


def revive(body: ErrorBody) -> PromptdError:
    """The error as the leaf it was raised as; one that this version does not know is a PromptdError."""
    details = dict(body.data)
    kind = details.pop("type", "")
    leaf = _LEAVES.get(kind) if isinstance(kind, str) else None
    error = (leaf or PromptdError)(body.message)
    error.details = details if leaf else {"code": body.code, **body.data}
    return error


def unreachable(path: str, cause: OSError) -> Unavailable:
    """The error for a failed connect, with its likely cause."""
    if cause.errno in (errno.EACCES, errno.EPERM):
        return Unavailable(
            f"permission denied on {path}: the daemon's owner can grant it with `serve.socket_mode` and"
            " `serve.allow_uids`",
            socket=path,
        )
    if cause.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        return Unavailable(
            f"no daemon is running on {path}: start one with `promptd serve DIR`, or name another socket with"
            " --socket or $PROMPTD_SOCKET",
            socket=path,
        )
    return Unavailable(f"cannot connect to {path}: {cause.strerror or cause}", socket=path)


def too_long(path: str, limit: int) -> Unavailable:
    """More than this client takes in for one line."""
    return Unavailable(
        f"the reply from {path} is longer than {limit} bytes: ask for less at once, or allow this client more"
        " with `max_reply_bytes`",
        socket=path,
        max_reply_bytes=limit,
    )


def hung_up(path: str) -> Unavailable:
    """The daemon went away twice, or in the middle of an answer."""
    return Unavailable(
        f"the daemon on {path} closed the connection before it replied; try again", socket=path
    )


def too_slow(path: str, timeout_s: float) -> Unavailable:
    """No answer within the client's own limit."""
    return Unavailable(f"no reply from {path} within {timeout_s:g} s", socket=path, timeout_s=timeout_s)
