"""The laws of optimising, over texts made to break them; and what is reported, part by part."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Piece
from promptd.core.optimise.strategies import STRATEGIES, Strategy, pass_functions
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.trees import tree
from promptd.core.optimise.words import idf_of
from tests.core.optimise.texts import (
    FILLER,
    LIBRARY,
    TOOLS,
    anything,
    count,
    run,
    texts,
)
from tests.suite.examples import examples

NAMES = tuple(STRATEGIES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(150), deadline=None)
@given(text=anything)
def test_twice_is_once(name: str, text: str) -> None:
    """Optimising twice changes nothing, whatever the text."""
    once = run(text, name).text
    assert run(once, name).text == once


@settings(max_examples=examples(300), deadline=None)
@given(text=anything)
@example("para  \nnext line   \n\n    code  \n\n\ntext")
@example("- a\n<!-- c -->\n- b\n")
@example("a\n<!-- c -->\n    b\n")
def test_conservative_keeps_the_commonmark_tree(text: str) -> None:
    """The tree is equal apart from white space and comments; code is equal byte for byte."""
    result = run(text, "conservative").text
    assert tree(result) == tree(text)
    assert _code(result) == _code(text)


def _code(text: str) -> list[tuple[str, str]]:
    """Every code block and code span, by another path through the parser than that of `tree`."""
    found = []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in ("fence", "code_block"):
            found.append((token.info, token.content))
        found += [("span", child.content) for child in token.children or () if child.type == "code_inline"]
    return found


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(150), deadline=None)
@given(text=texts)
@example(
    text="Validate the input first.\n<a><b>\nValidate the input first.\n</b></a>\n"
)  # names said by tags alone
def test_what_is_protected_is_kept(name: str, text: str) -> None:
    """Literals and instructing units stay; information stays above the floor; it never costs tokens."""
    result = run(text, name)
    assert result.quality.literals.ratio == 1
    assert result.quality.instructions.ratio == 1
    assert result.quality.information.ratio >= 0.95 - 1e-9
    assert result.tokens <= result.tokens_source
    assert result.tokens == count(result.text)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(100), deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 400), min_size=2, max_size=6))
def test_spans_follow_and_removed_units_can_be_had_back(name: str, text: str, cuts: list[int]) -> None:
    """Spans stay in order and inside the text; every removed unit is found by its id and span."""
    places = sorted(min(cut, len(text)) for cut in cuts)
    pieces = [Piece("root", (0, len(text)))]
    pieces += [Piece(f"part-{n}", span) for n, span in enumerate(pairwise(places))]
    result = run(text, name, pieces)
    by_id = {piece.id: piece.span[0] for piece in pieces}
    for start, end in result.spans:
        assert 0 <= start <= end <= len(result.text)
    for unit in result.removed:
        start = by_id[unit.id]
        assert text[start + unit.span[0] : start + unit.span[1]] == text[unit.at[0] : unit.at[1]] != ""


@settings(max_examples=examples(100), deadline=None)
@given(before=texts, frozen=texts, after=texts)
def test_never_means_never(before: str, frozen: str, after: str) -> None:
    """A component marked `optimise: never` stands in the result byte for byte, where its span says."""
    text = before + frozen + after
    span = (len(before), len(before) + len(frozen))
    result = run(text, "aggressive", [Piece("a", (0, len(text))), Piece("b", span, "never")])
    start, end = result.spans[1]
    assert result.text[start:end] == frozen


def test_none_is_the_assembled_bytes() -> None:
    """No strategy, no change, and full quality."""
    result = run("a  \n\n\n\nb <!-- c -->\n", "none")
    assert result.text == "a  \n\n\n\nb <!-- c -->\n"
    assert result.reduction == 0
    assert result.removed == ()


def test_a_pass_that_raises_is_skipped_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others still do their work, and the prompt is answered."""

    def breaks(page: object, context: object) -> list[object]:
        raise RuntimeError("no")

    monkeypatch.setitem(pass_functions(), "repeats", breaks)  # type: ignore[arg-type]
    result = run("word<!-- a long comment that goes away -->\n", "balanced")
    assert result.skipped == ("repeats",)
    assert "RuntimeError: no" in result.warnings[0]
    assert result.text == "word\n"


def test_a_component_may_be_limited_to_a_weaker_strategy() -> None:
    """`optimise: conservative` in front matter: repeats inside it stay, comments go."""
    said = "# Progress\n\nReport progress after each step of the work.\n\n"
    text = said + said + "<!-- a comment of some length -->\n"
    pieces = [Piece("a", (0, len(said))), Piece("b", (len(said), len(text)), "conservative")]
    result = run(text, "balanced", pieces)
    assert result.text.count("Report progress") == 2
    assert "comment" not in result.text


def test_a_repeat_names_its_component_and_its_duplicate() -> None:
    """Which component it stood in, where, why it went, and where the same stands."""
    said = "# Progress\nReport progress after each step of the work.\n"
    text = f"{said}\n# Else\n\nSomething else entirely stands here.\n\n{said}"
    pieces = [Piece("all", (0, len(text))), Piece("second", (len(text) - len(said), len(text)))]
    (unit,) = run(text, "balanced", pieces).removed
    assert (unit.id, unit.kind, unit.span) == ("second", "repeat", (0, len(said)))
    assert unit.duplicate_of == (0, len(said))
    assert unit.tokens == count(said)


def test_frozen_spans_are_left_alone() -> None:
    """What a user supplied as a value is not optimised."""
    value = "# Twice\n\ntwice again said\n\n# Twice\n\ntwice again said\n"
    text = f"Intro  with trailing space   \n\n{value}"
    span = (len(text) - len(value), len(text))
    result = optimise(text, [], STRATEGIES["aggressive"], TOOLS, frozen=[span])
    assert result.text.endswith(value)


def test_a_shortened_text_says_so_and_is_left_alone() -> None:
    """Where dropping stopped at an aim, the last line says that more could have been dropped."""
    result = run("\n\n".join(FILLER), "aggressive")
    assert result.text.endswith("<!-- shortened -->\n")
    assert 0 < len([unit for unit in result.removed if unit.kind == "drop"]) < len(FILLER)


def test_the_same_bytes_whatever_the_order_of_the_library() -> None:
    """Deterministic: the idf of words does not depend on the order in which texts were counted."""
    backwards = Tools(count, idf_of(reversed(LIBRARY)))
    text = "\n\n".join(FILLER)
    assert optimise(text, [], STRATEGIES["aggressive"], backwards).text == run(text, "aggressive").text


def test_an_empty_text_and_an_empty_strategy() -> None:
    """Nothing in, nothing out, nothing raised."""
    for name in NAMES:
        assert run("", name).text == ""
    assert optimise("x", [], Strategy("own"), TOOLS).text == "x"
