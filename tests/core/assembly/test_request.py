"""Requests and what is answered: equal requests are equal keys, spans and evidence say what they mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.assemble import Draft, Note, Skeleton
from promptd.core.assembly.evidence import Evidence, ids_of
from promptd.core.assembly.fill import Filled
from promptd.core.assembly.prompt import Prompt, entries, warnings
from promptd.core.library.library import Component
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.errors import InvalidParams
from promptd.protocol.request import MAX_NAMES, Request, request_of

scalars = st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False)


@given(st.dictionaries(st.text(), scalars, max_size=5))
def test_requests_do_not_depend_on_the_order_of_values(variables: dict[str, Any]) -> None:
    """The same variables, in whatever order they were written, are one key of the cache."""
    backwards = dict(reversed(variables.items()))
    assert request_of(("a",), variables) == request_of(("a",), backwards)
    assert hash(request_of(("a",), variables)) == hash(request_of(("a",), backwards))


@given(st.dictionaries(st.text(), scalars, max_size=3), st.dictionaries(st.text(), scalars, max_size=3))
def test_requests_with_other_texts_are_other_requests(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two sets of values share a key exactly if they put the same texts in."""
    same = dict(request_of(("a",), one).variables) == dict(request_of(("a",), other).variables)
    assert (request_of(("a",), one) == request_of(("a",), other)) == same


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (1, "1"), (1.5, "1.5"), ("x", "x")]
)
def test_scalars_become_the_text_an_author_would_write(value: Any, text: str) -> None:
    """`true` and not `True`."""
    assert request_of(("a",), {"v": value}).variables == (("v", text),)


@pytest.mark.parametrize(
    ("names", "variables", "arguments"),
    [
        ((), {}, None),
        (("a",) * (MAX_NAMES + 1), {}, None),
        (("a",), {"v": None}, None),
        (("a",), {"v": ["list"]}, None),
        (("a",), {"v": "\ud83d"}, None),
        (("a",), {"\ud83d": "v"}, None),
        (("a",), {"v": 1 << 5_000}, None),
        (("a",), {}, "\udc00"),
    ],
)
def test_what_a_prompt_cannot_hold_is_refused(
    names: tuple[str, ...], variables: dict[str, Any], arguments: str | None
) -> None:
    """Before anything is looked up."""
    with pytest.raises(InvalidParams):
        request_of(names, variables, arguments)


def test_an_entry_counts_its_span_and_nothing_else() -> None:
    """Offsets are code points of the filled text; a piece without text has no tokens."""
    skeleton = Skeleton(parts=["one ", "two\n"])
    skeleton.drafts = [
        Draft("a.md", "d", "included", (), 0, 2),
        Draft("b.md", "e", "included", ("a.md:1",), 1, 2, 1),
        Draft("c.md", "", "missing", ("a.md:2",), 2, 2, 2, "c.md"),
    ]
    filled = Filled("one two\n", (0, 8), skeleton.layout)
    first, second, third = entries(skeleton, filled, lambda start, end: len(filled.text[start:end].split()))
    assert (first.span, first.tokens, first.chain) == ((0, 8), 2, ())
    assert (second.span, second.tokens, second.line) == ((4, 8), 1, 1)
    assert (third.span, third.tokens, third.target, third.reason) == ((8, 8), 0, "c.md", "missing")


def test_a_warning_is_shown_once() -> None:
    """Two equal notes are one warning; the order is that of the prompt."""
    one, other = Note("missing", "m", "a.md", 3, "x", ("a.md:3",)), Note("too-deep", "t", "b.md", 1)
    shown = warnings(one, other, one)
    assert [warning.kind for warning in shown] == ["missing", "too-deep"]
    assert (shown[0].id, shown[0].line, shown[0].target, shown[0].chain) == ("a.md", 3, "x", ("a.md:3",))


def evidence_of(*ids: str) -> Evidence:
    """Return evidence that rests on one file and on the absence of others."""
    component = Component(Reading(Place(0, ids[0]), FileSignature(1, 2, 3, 4, 5), 6, "d"))
    absent = [Place(0, id) for id in ids[1:]]
    return Evidence((component,), ids_of([component], absent))


def test_evidence_is_touched_by_what_they_contain_and_by_what_they_miss() -> None:
    """A change elsewhere leaves them alone."""
    evidence = evidence_of("a.md", "gone.md")
    assert evidence.is_touched_by(frozenset({"a.md"}))
    assert evidence.is_touched_by(frozenset({"x.md", "gone.md"}))
    assert not evidence.is_touched_by(frozenset({"x.md"}))
    assert not evidence.is_touched_by(frozenset())


def test_a_prompt_is_charged_for_all_it_keeps() -> None:
    """Its text twice, since it is kept encoded too; and it is recognised in a debugger."""
    prompt = Prompt(
        request=Request(("a",)),
        name="a.md",
        text="é" * 1_000,
        tokens=7,
        encoding="o200k_base",
        digest="0123456789",
        etag="etag",
        manifest=(),
        warnings=(),
        metadata={},
        evidence=evidence_of("a.md"),
        tokens_source=7,
        stable_end=0,
        stable_prefix_tokens=0,
    )
    assert prompt.size_bytes >= 4_000
    assert repr(prompt) == "<Prompt a.md 7 tokens 01234567>"
