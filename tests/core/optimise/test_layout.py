"""Indentation inside elements: what is XML goes to the margin, what could mean something keeps its shape."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.damage import steps
from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Trace, ordered
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.strategies import pass_functions
from promptd.core.optimise.words import idf_of
from tests.core.optimise.texts import LIBRARY, anything, count, run
from tests.suite.examples import examples

PYTHON = (
    "class A:\n    x = 1\n\n    def f(self):\n        # go\n        for row in rows:\n"
    "            - print(row)\n        return 1"
)
YAML = "- name: build\n  run: |\n    make\n    # then\n    make test\n- name: ship\n  needs:\n    - build"
TREE = "src\n  core\n    a.py\n  b.py"
VERSE = "Roses are red\n      violets are blue\n   and so on\n# not a heading\n  the end"
NESTED = "1. one\n   - two\n      * three\n     more of two\n2. four"
MAKE = "all: a.o\n\tcc a.o\n# note\n\t@echo done"
JSX = (
    "def render():\n    return (\n        <div>\n            <p>\n              x\n            </p>\n"
    "        </div>\n    )"
)
SHAPES = {
    "python": PYTHON,
    "yaml": YAML,
    "tree": TREE,
    "verse": VERSE,
    "nested": NESTED,
    "make": MAKE,
    "jsx": JSX,
}


def indented(text: str, width: str) -> str:
    """A text with its lines that are not blank moved to the right."""
    return "\n".join(width + line if line else line for line in text.split("\n"))


@pytest.mark.parametrize("strategy", ["conservative", "balanced", "aggressive"])
@pytest.mark.parametrize("width", ["", "  ", "    ", "      ", "\t"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_kept(shape: str, width: str, strategy: str) -> None:
    """In an element, at any depth: every line keeps its distance to the others, and none is lost."""
    text = f"<example>\n{indented(SHAPES[shape], width)}\n</example>\n"
    left = [line for line in run(text, strategy).text.split("\n")[1:-2] if line.strip()]
    written = [line for line in SHAPES[shape].split("\n") if line.strip()]
    widths = {len(line) - len(own) for line, own in zip(left, written, strict=True)}
    assert [line.lstrip() for line in left] == [line.lstrip() for line in written]
    assert len(widths) == 1


def after(name: str, text: str) -> str:
    """A text after one pass."""
    context = Context(count, idf_of(LIBRARY))
    edits = pass_functions()[name](read(text), context)
    return Trace.of(text).apply(ordered(edits)).text


PIECES = (*SHAPES.values(), "<b>", "</b>", "<i>x</i>", "<!-- c -->", "text", "# Head", "```\n  code\n```", "")
mixed = st.lists(
    st.tuples(st.sampled_from(PIECES), st.sampled_from(("", "  ", "    ", "\t"))), max_size=6
).map(lambda parts: "\n".join(indented(piece, width) for piece, width in parts))
elements = st.builds(
    lambda inner, width: f"{width}<a>\n{inner}\n{width}</a>\n", mixed, st.sampled_from(("", "  "))
)


@pytest.mark.parametrize("name", ["dedent", "markup_indent"])
@settings(max_examples=examples(300), deadline=None)
@given(text=st.one_of(elements, anything))
@example("<a>\n    x:\n        # y\n      <b>\n      </b>\n  z\n</a>\n")
def test_no_line_moves_against_its_neighbours(name: str, text: str) -> None:
    """The lines between two tags move together or not at all."""
    assert steps(after(name, text)) == steps(text)


def test_what_is_laid_out_as_xml_goes_to_the_margin() -> None:
    """Tags and each run of lines between them; code in it, or a tab, keeps a run where it is."""
    text = "<a>\n  <b>\n    - x\n      - y\n  </b>\n  <c>\n    z\n    ```\n    code\n    ```\n  </c>\n</a>\n"
    assert after("dedent", text) == (
        "<a>\n<b>\n- x\n  - y\n</b>\n<c>\n    z\n    ```\n    code\n    ```\n</c>\n</a>\n"
    )


def test_a_comment_in_indented_text_is_no_heading() -> None:
    """A heading begins a block, in the column in which its element begins."""
    kinds = [block.kind for block in read(f"<a>\n{indented(PYTHON, '    ')}\n</a>\n").root.walk()]
    assert "section" not in kinds
    kinds = [block.kind for block in read("<a>\n    text\n\n    ## Head\n    text\n</a>\n").root.walk()]
    assert "section" in kinds
