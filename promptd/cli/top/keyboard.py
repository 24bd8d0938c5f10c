"""The keyboard: single keys from a terminal, without waiting for a line and without an echo."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

ESCAPED = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "[5~": "pageup",
    "[6~": "pagedown",
    "[H": "home",
    "[F": "end",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
}
NAMED = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x1b": "escape"}
READ_BYTES = 1024


@contextmanager
def raw_keys() -> Iterator[int]:
    """The descriptor of standard input, giving keys as they are pressed; Ctrl-C still interrupts."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def wait_for_keys(descriptor: int, seconds: float) -> list[str]:
    """The keys that are pressed within a time, as soon as there is one; none if there is none.

    Raises EOFError if the terminal is gone.
    """
    ready, _, _ = select.select([descriptor], [], [], seconds)
    if not ready:
        return []
    data = os.read(descriptor, READ_BYTES)
    if not data:
        raise EOFError
    return list(keys_of(data.decode(errors="ignore")))


def keys_of(text: str) -> Iterator[str]:
    """Keys by name (`up`, `enter`, `escape` …) or as the character they are."""
    while text:
        sequence = next((each for each in ESCAPED if text.startswith(f"\x1b{each}")), None)
        if sequence is not None:
            yield ESCAPED[sequence]
            text = text[1 + len(sequence) :]
        else:
            yield NAMED.get(text[0], text[0])
            text = text[1:]
