"""The prefix of a prompt that providers can cache: what comes before the first value.

Providers bill a prompt's beginning at a tenth of the price if it equals the one they saw before. What comes
before the first value is the same in every request.
"""

from collections.abc import Container

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.syntax.slots import Slot


def stable_end(skeleton: Skeleton, filled: Filled, known: Container[str]) -> int:
    """Where the stable prefix ends in the text, in code points. `known`: names that get values."""
    for run, slot in filled.layout.slots:
        if is_live(slot, skeleton, known):
            return filled.starts[run]
    return filled.starts[-1]


def is_live(slot: Slot, skeleton: Skeleton, known: Container[str]) -> bool:
    """True unless the slot is other brace text that gets no value."""
    return slot.kind != "variable" or slot.name in skeleton.variables or slot.name in known
