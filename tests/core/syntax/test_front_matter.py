"""Front matter: where it is, where it is not, and the declarations in it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.component import Variable
from promptd.core.syntax.front_matter import (
    MAX_FRONT_MATTER_CHARS,
    argument_names,
    mistyped,
    misvalued,
    split,
    variables,
)
from tests.core.builders import LAW


@pytest.mark.parametrize(
    ("text", "body", "metadata"),
    [
        ("---\nname: x\n---\nBody\n", "Body\n", {"name": "x"}),
        ("\ufeff---\nname: x\n---\nBody\n", "Body\n", {"name": "x"}),
        ("---\r\nname: x\r\n---\r\nBody\r\n", "Body\r\n", {"name": "x"}),
        ("--- \nname: x\n---\t\nBody", "Body", {"name": "x"}),
        ("---\nname: x\n...\nBody", "Body", {"name": "x"}),
        ("---\nname: x\n---", "", {"name": "x"}),
        ("---\nname: x\n---\n\nBody", "\nBody", {"name": "x"}),
        ("---\n---\nBody", "Body", {}),
        ("---\n\nname: x\n---\nBody", "Body", {"name": "x"}),
        ("---\n\nTitle: x\n---\nBody", "Body", {"Title": "x"}),
        ("---\n\nNAME: x\n---\nBody", "Body", {"NAME": "x"}),
        ("---\n\n_x: y\n---\nBody", "Body", {"_x": "y"}),
        ("---\n\nétat: y\n---\nBody", "Body", {"état": "y"}),
        ('---\n\n"quoted key": y\n---\nBody', "Body", {"quoted key": "y"}),
        ("---\r\n\r\n \r\nname: x\r\n---\r\nBody", "Body", {"name": "x"}),
        ("---\n\n# a comment\nname: x\n---\nBody", "Body", {"name": "x"}),
        ("---\n\nx:\n  - y\n---\nBody", "Body", {"x": ["y"]}),
        ("---\n\nname: a sentence of many words\n\n---\nBody", "Body", {"name": "a sentence of many words"}),
        ("---\nname: x\n----\n---\nBody", "Body", {"name": "x\n----"}),
        ("---\nname: x\n ---\n---\nBody", "Body", {"name": "x ---"}),
        ("---\na: [\n---\nBody", "Body", {"a": "["}),
        ("---\n[[\n---\nBody", "Body", {}),
    ],
)
def test_front_matter_is_the_block_at_byte_0(text: str, body: str, metadata: dict[str, object]) -> None:
    """Only a BOM may precede it; the line ending after its closing `---` is part of it, malformed or not."""
    front = split(text)
    assert text[front.body_start :] == body
    assert front.metadata == metadata


@pytest.mark.parametrize(
    "text",
    ["Body\n---\nname: x\n---\n", " ---\nname: x\n---\n", "\n---\nname: x\n---\n", "----\nname: x\n----\n",
     "---name: x\n---\n", "--- # x\nname: x\n---\n", "---", "---\n", "",
     "---\n\nA rule above prose.\n\n---\nBody",
     "---\n\n# Title\n\n---\n", "--\nname: x\n--\n",
     "---\n\nwarning:this is prose\n\n---\nBody", "---\n\nwarning: this is prose that goes on\n\n---\nBody",
     "---\n\nwarning: this is prose\n---\nBody", "---\n\nNote: short\n\n---\n\nBody",
     "---\r\n\r\nNote: short\r\n\r\n---\r\nBody", "---\n\nhttp://x.y\n---\n",
     "---\n\nnote: it\nis [so\n---\nBody",
     "---\n\n# Title\n\nTip: short\n\n---\n"],
)  # fmt: skip
def test_anything_else_is_body(text: str) -> None:
    """Not after a line, not indented, not where a blank line and prose follow: nothing is stripped."""
    assert split(text) == (0, {}, ())


def test_a_bom_is_no_part_of_the_body() -> None:
    """Also where there is no front matter."""
    assert split("\ufeffBody").body_start == 1


def test_what_begins_like_front_matter_and_never_ends_is_text_and_said() -> None:
    """The key in its second line shows that it was meant to be front matter."""
    front = split("---\nname: x\n\nBody\n")
    assert (front.body_start, front.metadata) == (0, {})
    assert [(problem.kind, problem.line) for problem in front.diagnostics] == [("front-matter-lost", 1)]
    assert split("---\nA rule.\n").diagnostics == ()


def test_a_block_too_large_is_text() -> None:
    """65,536 characters are the bound, to the character."""
    filler = "a: " + "x" * (MAX_FRONT_MATTER_CHARS - 3 - 1 - 3)
    assert split(f"---\n{filler}\n---\nBody").body_start > 0
    assert split(f"---\n{filler}x\n---\nBody").body_start == 0
    assert split(f"---\n{filler[:-1]}\n---- \n" + "y" * 99).body_start == 0


@pytest.mark.parametrize(
    "block", ["\n" * 60_000, "\nx: " + "a" * 60_000, "\n" + "# c\n" * 15_000, "\n" + "a" * 60_000]
)
def test_what_may_be_prose_is_told_in_linear_time(block: str) -> None:
    """Two seconds of processor time at most; what is quadratic takes minutes."""
    started = time.process_time()
    split(f"---\n{block}\n---\nBody")
    assert time.process_time() - started < 2.0


def test_the_parts_of_a_hostile_text_stay_apart() -> None:
    """A closing line just at the bound that goes on behind it is no closing line."""
    text = "---\na: " + "x" * (MAX_FRONT_MATTER_CHARS - 7) + "\n---more\n"
    assert split(text).body_start == 0


# -- variables --------------------------------------------------------------------------------


def declared(block: str) -> tuple[Variable, ...]:
    """The variables that a block declares."""
    text = f"---\n{block}---\nBody"
    return variables(text, split(text))[0]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("variables:\n  a: 1.10\n  b:\n", (Variable("a", "1.10", line=3), Variable("b", line=4))),
        ("variables: [a, b]\n", (Variable("a", line=2), Variable("b", line=2))),
        ("variables:\n  - a\n  - b\n", (Variable("a", line=3), Variable("b", line=4))),
        ("variables:\n- a\n", (Variable("a", line=3),)),
        ("variables: {a: x, b: y}\n", (Variable("a", "x", line=2), Variable("b", "y", line=2))),
        (
            "name: b\nvariables:\n  a: {default: x, required: yes, description: A}\n  b:\n    default: y\n",
            (Variable("a", "x", True, "A", 4), Variable("b", "y", line=5)),
        ),
        ("variables:\n  - name: a\n    default: ''\n", (Variable("a", "", line=3),)),
        ("variables:\n  - a: x\n", (Variable("a", "x", line=3),)),
        ('"variables": [a]\n', (Variable("a", line=2),)),
        (
            "variables: {a: [x, y], b: {k: v}}\n",
            (Variable("a", "x, y", line=2), Variable("b", "k: v", line=2)),
        ),
        ("variables: {a: {default: [x], description: [y, 1]}}\n", (Variable("a", "x", False, "y, 1", 2),)),
        (
            "variables: {a: {description: 0}, b: {}}\n",
            (Variable("a", description="0", line=2), Variable("b", line=2)),
        ),
        ("variables: {a: {type: string}}\n", (Variable("a", line=2),)),
        ("variables: {a: !!binary aGVsbG8=}\n", (Variable("a", "aGVsbG8=", line=2),)),
        ("variables: {a: x}\nvariables: {b: y}\n", (Variable("a", "x", line=2), Variable("b", "y", line=3))),
        ("variables: [a: x, a]\n", (Variable("a", "x", line=2),)),
        ("variables:\n", ()),
        ("other: 1\n", ()),
    ],
)
def test_variables_are_declared_in_any_shape(block: str, expected: tuple[Variable, ...]) -> None:
    """Names alone, with a default or a table, as a list or a mapping; each with its line or the key's."""
    assert declared(block) == expected


@pytest.mark.parametrize("block", ["variables: 5\n", "variables: text\n", "variables: [[a]]\n"])
def test_variables_in_no_shape_are_said(block: str) -> None:
    """None is declared, and the diagnostic names the line of the key."""
    text = f"---\nname: x\n{block}---\n"
    found, problems = variables(text, split(text))
    assert found == ()
    assert [(problem.kind, problem.line) for problem in problems] == [("front-matter-lost", 3)]


@pytest.mark.parametrize(
    ("block", "kind", "line"),
    [
        ("variables: [a, b, a]\n", "doubled-key", 2),
        ("variables:\n  - a\n  - name: b\n  - name: a\n", "doubled-key", 5),
        ("variables:\n  - a: x\n  - a: y\n", "doubled-key", 4),
        ("variables:\n  a: {requird: true}\n", "unknown-key", 3),
        ("name: x\nvariables:\n  b: x\n  a:\n    defualt: y\n", "unknown-key", 5),
        ("name: x\nrequird: [a.md]\n", "unknown-key", 3),
        ("includ: [a.md]\n", "unknown-key", 2),
        ("Includes: [a.md]\n", "unknown-key", 2),
        ("'varibles': [a]\n", "unknown-key", 2),
        ("optimse: never\n", "unknown-key", 2),
        ("name: x\nMode: reference\n", "unknown-key", 3),
        ("KEEP: true\n", "unknown-key", 2),
        ("mode: refrence\n", "unknown-value", 2),
        ("name: x\nmode: Reference\n", "unknown-value", 3),
        ("once: perhaps\n", "unknown-value", 2),
    ],
)
def test_what_is_declared_twice_or_mistyped_is_said(block: str, kind: str, line: int) -> None:
    """In lists, in tables and at the top, with the line in the file."""
    text = f"---\n{block}---\nBody"
    front = split(text)
    problems = (
        *front.diagnostics,
        *mistyped(text, front),
        *misvalued(text, front),
        *variables(text, front)[1],
    )
    assert [(problem.kind, problem.line) for problem in problems] == [(kind, line)]


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ("variables:\n  b: {k: v}\n  k:\n", 4),
        ("variables:\n  b:\n    k: v\n  k:\n", 5),
        ("variables:\n  - {name: b, default: k}\n  - k\n", 4),
    ],
)
def test_the_line_of_a_variable_is_where_it_is_declared(block: str, line: int) -> None:
    """Not where the table of another one has the same word."""
    text = f"---\n{block}---\n"
    assert {each.name: each.line for each in variables(text, split(text))[0]}["k"] == line


@pytest.mark.parametrize("block", ["mode: agent\n", "mode: ask\n", "once: true\n", "once: no\n", "mode: 3\n"])
def test_values_of_others_are_no_mistakes(block: str) -> None:
    """`mode: agent` is VS Code's."""
    text = f"---\n{block}---\n"
    assert list(misvalued(text, split(text))) == []


def test_keys_of_others_are_no_mistakes() -> None:
    """Those of assistants and of schemas, and short ones that resemble many words."""
    keys = (
        "model: x\ntools: y\nexcludes: z\nrequired: a\ncomponent: b\nname: c\nnames: d\nmodes: e\nphase: f\n"
    )
    text = f"---\n{keys}variables: {{v: {{type: string, pattern: x}}}}\n---\n"
    front = split(text)
    assert (*mistyped(text, front), *variables(text, front)[1]) == ()


@pytest.mark.parametrize(
    ("written", "names"),
    [(["a", "b"], ("a", "b")), ("a b", ("a", "b")), ("a, b", ("a", "b")), ([{"name": "a"}, "b-c", 1], ("a",)),
     (None, ()), (5, ())],
)  # fmt: skip
def test_names_of_arguments(written: object, names: tuple[str, ...]) -> None:
    """A list or a string of words; what cannot follow a `$` is none."""
    assert argument_names({"arguments": written}) == names


@LAW
@given(st.text(alphabet="-\n\r \tab:[]{}.\ufeff#", max_size=60))
def test_splitting_never_raises_and_loses_nothing(text: str) -> None:
    """The body is a suffix of the text; what is before it begins with a BOM or `---`."""
    front = split(text)
    assert 0 <= front.body_start <= len(text)
    head = text[: front.body_start]
    assert head.strip("\ufeff") == "" or head.lstrip("\ufeff").startswith("---")
    variables(text, front)
