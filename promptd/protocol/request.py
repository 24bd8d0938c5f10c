"""One prompt asked for, as a key: names, values, arguments, options. Equal requests are equal keys.

It imports nothing but the errors, so that using the key loads nothing else.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from promptd.errors import InvalidParams

MAX_NAMES = 1_000
MAX_NUMBER_BITS = 4_096  # Python refuses to write out numbers of more than 4,300 digits


class Options(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """How a prompt is wanted; None is what the configuration says. `budget` and `reserve` are tokens."""

    strategy: str | None = None
    budget: int | None = None
    reserve: int | None = None
    model: str | None = None
    format: str | None = None
    stable_first: bool | None = None


PLAIN = Options()


class Request(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """One prompt asked for. `variables` are sorted pairs, so equal requests are equal keys."""

    names: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    arguments: str | None = None
    options: Options | None = None  # None is PLAIN

    @property
    def size_bytes(self) -> int:
        """What it costs to keep: its text at a byte a character, and some hundred bytes a name or value."""
        pairs = sum(len(name) + len(value) + 150 for name, value in self.variables)
        return 300 + sum(len(name) + 60 for name in self.names) + pairs + len(self.arguments or "")


def request_of(
    names: tuple[str, ...],
    variables: Mapping[str, Any] | None = None,
    arguments: str | None = None,
    options: Options = PLAIN,
) -> Request:
    """Build a request; scalars become text. Raises InvalidParams for anything a prompt cannot hold."""
    if not names or len(names) > MAX_NAMES:
        raise InvalidParams(f"ask for 1 to {MAX_NAMES} components, not {len(names)}")
    pairs = tuple(
        sorted((_sound("a name", name), _value(name, value)) for name, value in (variables or {}).items())
    )
    sound = None if arguments is None else _sound("arguments", arguments)
    return Request(names, pairs, sound, None if options == PLAIN else options)


def _value(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float, bool)):
        raise InvalidParams(f"variables.{name}: expected text, a number or a boolean", variable=name)
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        raise InvalidParams(f"variables.{name}: the number is too large; send it as text", variable=name)
    return _sound(f"variables.{name}", scalar_text(value))


def _sound(what: str, text: str) -> str:
    """The text if a prompt can hold it: half of a surrogate pair cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidParams(f"{what}: contains a lone surrogate, which is no character") from None
    return text


def scalar_text(value: Any) -> str:
    """A scalar as the text that goes into a prompt: `true`, not `True`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
