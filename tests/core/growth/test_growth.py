"""Whatever a text repeats, the steps of reading and optimising it grow no faster than n·log n.

Steps are calls, of functions in Python and in C, as the interpreter reports them: the same on a busy machine.
What regular expressions do inside one call is held by test_patterns.py.
"""

import sys
from collections.abc import Callable

import pytest

from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Piece
from promptd.core.optimise.strategies import STRATEGIES
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.trees import MAX_TREE_CHARS
from promptd.core.optimise.words import idf_of
from promptd.core.syntax.cutter import Cutter
from promptd.core.syntax.dialects import DIALECTS
from promptd.core.syntax.parse import parse
from promptd.core.syntax.sections import Headings
from tests.core.growth.shapes import SHAPES, TOKENS

MOST = 1.6  # times the growth of the text: its logarithm, and bounds that are reached on the way


def steps(work: Callable[[str], object], text: str) -> int:
    """Calls that a piece of work makes."""
    count = 0

    def on_event(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        work(text)
    finally:
        sys.setprofile(before)
    return count


def read(text: str) -> None:
    """All that is read of a file."""
    parse(text, list(DIALECTS))
    list(Cutter(("a", "b"), 0, True).cut(text, 0, len(text)))
    Headings(text).section("no such section")


def optimised(strategy: str) -> Callable[[str], object]:
    """A strategy at work on one component."""
    tools = Tools(len, idf_of(()))
    return lambda text: optimise(text, [Piece("a.md", (0, len(text)))], STRATEGIES[strategy], tools)


def grows(work: Callable[[str], object], shape: Callable[[int], str], small: int, large: int) -> bool:
    """True if steps grow faster than they may. What both have is not counted as growth."""
    few, many = steps(work, shape(small)), steps(work, shape(large))
    return many > MOST * large / small * max(few, 500)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_reading_is_linear_up_to_a_megabyte() -> None:
    """Parse, cut, and find headings."""
    assert [name for name, shape in SHAPES.items() if grows(read, shape, 1_000, 32_000)] == []
    assert [
        name for name in ("'#'", "'>'", "'<'", "'a*'", "'.'") if grows(read, SHAPES[name], 32_000, 1_000_000)
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("strategy", ["conservative", "balanced", "aggressive"])
def test_a_strategy_is_linear(strategy: str) -> None:
    """Each of the shipped ones."""
    work = optimised(strategy)
    assert [name for name, shape in SHAPES.items() if grows(work, shape, 500, 4_000)] == []


@pytest.mark.slow
def test_a_text_too_long_for_its_tree_is_left_alone_with_a_warning() -> None:
    """Nothing is known of it, so nothing changes."""
    text = "word   \n\n\n\n" * (MAX_TREE_CHARS // 10)
    result = optimised("conservative")(text)
    assert result.text == text  # type: ignore[attr-defined]
    assert "changed nothing" in result.warnings[0]  # type: ignore[attr-defined]


def test_shapes_are_what_they_say() -> None:
    """Each is about as long as it is asked to be."""
    assert len(set(TOKENS)) == len(TOKENS)
    assert all(len(shape(10_000)) > 5_000 for shape in SHAPES.values())
