"""Proofs: what `stat` said of some paths when everything that rests on them was found to hold.

As long as it says the same of all of them, nothing needs to be compared one by one. This is the validation
of nearly every reply, so it is done in one call: in C where the helper beside this file was compiled when
promptd was installed (`_proof.c`: 0.37 µs a path, nearly all of it the kernel's), else in a loop (1.4 µs a
path). Both ask the kernel the same in the same order; nothing is remembered in between.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from promptd.engine.component import Signature
from promptd.listing import fields_of, unseen

_FIELDS = len(Signature._fields)
_WORD = (1 << 64) - 1
_NOTHING = Signature(0, 0, 0, 0, 0)  # no file has inode 0 on device 0

Same = Callable[[bytes], int]


def _helper() -> Same | None:
    """The compiled helper, if there is one for this machine."""
    try:
        same = ctypes.CDLL(str(Path(__file__).with_name("_proof.so"))).promptd_holds
    except (OSError, AttributeError):
        return None
    same.argtypes = (ctypes.c_char_p,)
    same.restype = ctypes.c_int
    return same


_same = _helper()
IS_COMPILED = _same is not None


class Proof:
    """Paths and their signatures; None is the signature of nothing and of a directory."""

    __slots__ = ("_packed", "_paths", "_signatures")

    def __init__(self, paths: Sequence[str], signatures: Sequence[Signature | None]) -> None:
        self._paths = tuple(paths)
        self._signatures = tuple(signatures)
        # For the helper: how many there are, all signatures, all paths, each with a 0 at its end.
        written = b"".join(os.fsencode(path) + b"\0" for path in paths)
        self._packed = struct.pack("=Q", len(paths)) + b"".join(map(_packed, signatures)) + written

    def __repr__(self) -> str:
        return f"<Proof of {len(self._paths)} paths>"

    def __len__(self) -> int:
        return len(self._paths)

    def holds(self) -> bool:
        """Look at every path now, and say whether all are what they were."""
        if _same is None:
            return self.holds_by_loop()
        return _same(self._packed) == 1

    def holds_by_loop(self) -> bool:
        """The same without the helper."""
        look = os.stat
        for path, signature in zip(self._paths, self._signatures, strict=True):
            try:
                if fields_of(look(path)) != signature:
                    return False
            except OSError as problem:
                if unseen(problem) != signature:
                    return False
        return True


def _packed(signature: Signature | None) -> bytes:
    """A signature as the helper has it: five words of 64 bits."""
    return struct.pack(f"={_FIELDS}Q", *(value & _WORD for value in signature or _NOTHING))
