"""The layout of a skeleton: what of a prompt stays the same whatever values go in, worked out once.

Text that stands between two slots is one run, however many parts it was written in. With values filled in,
only the runs move, and everything inside a run moves with it: so a place in the prompt is the start of its
run and a constant.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from promptd.core.syntax.slots import Slot

Parts = Sequence[str | Slot]


class SlotLayout:
    """Runs of some parts. `runs` are texts and slots in turn; no two texts are adjacent.

    `run_of` and `within` say of each part, and of the end of all, in which run it begins and how far behind
    the run's start, in code points; `names` are those of all variables that have a slot.
    """

    def __init__(self, parts: Parts) -> None:
        self.runs: list[str | Slot] = []
        self.run_of: list[int] = []
        self.within: list[int] = []
        for part in self._merged(parts):
            self.runs.append(part)
        self.run_of.append(len(self.runs))
        self.within.append(0)
        self.slots = [(at, run) for at, run in enumerate(self.runs) if isinstance(run, Slot)]
        self.names = {slot.name for _, slot in self.slots if slot.kind == "variable"}
        self.chars = sum(len(run) for run in self.runs if isinstance(run, str))

    def __repr__(self) -> str:
        return f"<SlotLayout of {len(self.run_of) - 1} parts in {len(self.runs)} runs>"

    def _merged(self, parts: Parts) -> Iterator[str | Slot]:
        texts: list[str] = []
        length = run = 0
        for part in parts:
            if isinstance(part, Slot) and texts:
                yield "".join(texts)
                texts, length, run = [], 0, run + 1
            self.run_of.append(run)
            self.within.append(length)
            if isinstance(part, Slot):
                yield part
                run += 1
            else:
                texts.append(part)
                length += len(part)
        if texts:
            yield "".join(texts)

    @cached_property
    def encoded(self) -> list[bytes]:
        """The runs as they stand within a JSON string; nothing for slots."""
        return [b"" if isinstance(run, Slot) else msgspec.json.encode(run)[1:-1] for run in self.runs]

    def parts_of(self) -> Iterator[tuple[int, list[int]]]:
        """Each run of text with the places within it where its parts begin, its end included."""
        begins: dict[int, list[int]] = {}
        for run, at in zip(self.run_of[:-1], self.within, strict=False):
            begins.setdefault(run, []).append(at)
        for run, places in begins.items():
            text = self.runs[run]
            if isinstance(text, str):
                yield run, [*places, len(text)]

    def is_constant(self, first: int, last: int) -> bool:
        """True if no slot stands among parts [first, last)."""
        return first == last or (
            self.run_of[first] == self.run_of[last - 1] and isinstance(self.runs[self.run_of[first]], str)
        )
