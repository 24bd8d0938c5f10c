"""Proofs: what `stat` said of some paths when everything that rests on them was found to hold.

As long as it says the same of all of them, nothing needs to be compared one by one. This is the validation
of nearly every reply, so it is done in one call: in C where the helper beside this file was compiled when
promptd was installed (`_stat_proof.c`: 0.37 µs a path, nearly all of it the kernel's), else in a loop (1.4
µs a path). Both ask the kernel the same in the same order; nothing is remembered in between.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from promptd.core.syntax.component import FileSignature
from promptd.sources.worktree.walk import ancestor_signature, signature_of

_FIELDS = len(FileSignature._fields)
_WORD = (1 << 64) - 1
_NOTHING = FileSignature(0, 0, 0, 0, 0)  # no file has inode 0 on device 0

Same = Callable[[bytes], int]


def _helper() -> Same | None:
    """The compiled helper, if there is one for this machine."""
    try:
        same = ctypes.CDLL(str(Path(__file__).with_name("_stat_proof.so"))).promptd_stands
    except (OSError, AttributeError):
        return None
    same.argtypes = (ctypes.c_char_p,)
    same.restype = ctypes.c_int
    return same


_same = _helper()
IS_COMPILED = _same is not None


Seen = Sequence[tuple[str, FileSignature | None]]


class StatProof:
    """Paths with their `signature_of`, and ancestors with their `ancestor_signature`."""

    __slots__ = ("_ancestors", "_packed", "_paths")

    def __init__(self, paths: Seen, ancestors: Seen = ()) -> None:
        self._paths, self._ancestors = tuple(paths), tuple(ancestors)
        # For the helper: how many there are and how many ancestors, all signatures, all paths, each with
        # its 0.
        seen = (*self._paths, *self._ancestors)
        written = b"".join(os.fsencode(path) + b"\0" for path, _ in seen)
        signatures = b"".join(_packed(signature) for _, signature in seen)
        self._packed = struct.pack("=QQ", len(seen), len(self._ancestors)) + signatures + written

    def __repr__(self) -> str:
        return f"<StatProof of {len(self._paths)} paths and {len(self._ancestors)} ancestors>"

    def __len__(self) -> int:
        return len(self._paths)

    def holds(self) -> bool:
        """Look at every path now, and say whether all are what they were."""
        if _same is None:
            return self.holds_by_loop()
        return _same(self._packed) == 1

    def holds_by_loop(self) -> bool:
        """The same without the helper."""
        return all(signature_of(path) == signature for path, signature in self._paths) and all(
            ancestor_signature(path) == signature for path, signature in self._ancestors
        )


def _packed(signature: FileSignature | None) -> bytes:
    """A signature as the helper has it: five words of 64 bits."""
    return struct.pack(f"={_FIELDS}Q", *(value & _WORD for value in signature or _NOTHING))
