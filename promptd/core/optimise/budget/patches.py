"""What a strategy did to a text, as patches of the source: the smallest pieces that can be taken back."""

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.shortened import is_shortened
from promptd.core.optimise.records import Optimised
from promptd.core.optimise.words import words

WHOLE_UNITS = frozenset({"drop", "repeat", "emptied"})  # kinds of what was removed as it stood


class Patch(NamedTuple):
    """Source[start:end] became `text`. `is_unit`: it was removed as it stood."""

    start: int
    end: int
    text: str
    is_unit: bool


def patches_of(page: Page, result: Optimised) -> list[Patch]:
    """What was done to the source, in its order; what was removed is cut where blocks and units begin."""
    units = [each.at for each in result.removed if each.kind in WHOLE_UNITS]
    begins = {block.start for block in page.root.walk()}
    sorted_cuts = sorted(begins | {edge for unit in units for edge in unit})
    found: list[Patch] = []
    position = at = 0
    for run_at, source, length in (*result.runs, (len(result.text), len(page.text), 0)):
        if source > position or run_at > at:
            for first, last, text in _without_space(page.text, position, source, result.text[at:run_at]):
                found += _pieces(first, last, text, sorted_cuts, units)
        position, at = source + length, run_at + length
    return list(_with_marks(found, page.text, begins))


def _without_space(text: str, start: int, end: int, written: str) -> Iterator[tuple[int, int, str]]:
    """What was replaced by white space that was in it: what is before and after that was removed."""
    at = text.rfind(written, start, end) if written and not written.strip() else -1
    if at < 0:
        yield start, end, written
        return
    for first, last in ((start, at), (at + len(written), end)):
        if first < last:
            yield first, last, ""


def _pieces(
    start: int, end: int, text: str, cuts: Sequence[int], units: Sequence[tuple[int, int]]
) -> Iterator[Patch]:
    if is_shortened(text):  # the mark is put in behind, or before, what was removed there
        yield from _pieces(start, end, "", cuts, units) if start < end else ()
        yield Patch(end, end, text, False)
        return
    if text:
        yield Patch(start, end, text, False)
        return
    inner = cuts[bisect_right(cuts, start) : bisect_right(cuts, end - 1)]
    for first, last in zip((start, *inner), (*inner, end), strict=True):
        index = bisect_right(units, (first, 1 << 62)) - 1
        is_unit = index >= 0 and units[index][0] <= first and last <= units[index][1]
        yield Patch(first, last, "", is_unit)


def _with_marks(patches: Sequence[Patch], text: str, begins: Container[int]) -> Iterator[Patch]:
    """Units together with the marks around their words that another pass had removed before: `**`.

    `begins`: where blocks begin; what stands before that belongs to another block.
    """
    pending: Patch | None = None
    for patch in (each for whole in patches for each in _split(whole, text)):
        is_next = pending is not None and pending.end == patch.start and patch.start not in begins
        is_next = is_next and not patch.text and text[patch.start - 1] != "\n"
        if pending is not None and is_next and (_is_marks(pending, text) or _is_marks(patch, text)):
            is_unit = patch.is_unit or pending.is_unit
            pending = Patch(pending.start, patch.end, "", is_unit)
            continue
        if pending is not None:
            yield pending
        pending = patch
    if pending is not None:
        yield pending


def _is_marks(patch: Patch, text: str) -> bool:
    """True for what was removed outside units and has no words; white space only inside a line."""
    written = text[patch.start : patch.end]
    is_inside_a_line = patch.start > 0 and text[patch.start - 1] != "\n" and "\n" not in written
    is_bare = not patch.is_unit and not patch.text and not words(written)
    return is_bare and (bool(written.strip()) or is_inside_a_line)


def _split(patch: Patch, text: str) -> Iterator[Patch]:
    """White space before marks is a patch of its own."""
    at = patch.start + len(text[patch.start : patch.end]) - len(text[patch.start : patch.end].lstrip())
    if _is_marks(patch, text) and at > patch.start:
        yield Patch(patch.start, at, "", False)
        patch = patch._replace(start=at)
    yield patch
