"""Each pass by itself: what it takes, and what it leaves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Trace, ordered
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.wording import minified
from promptd.core.optimise.quality import inventory
from promptd.core.optimise.records import Aims
from promptd.core.optimise.strategies import pass_functions
from promptd.core.optimise.words import idf_of
from tests.core.optimise.texts import LIBRARY, count


def run(name: str, text: str, aims: Aims | None = None) -> str:
    """The text after one pass."""
    source = inventory(text)
    context = Context(count, idf_of(LIBRARY), aims or Aims(), source, count(text))
    return Trace.of(text).apply(ordered(pass_functions()[name](read(text), context))).text


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("comments", "a\n  <!-- gone -->\nb <!-- gone --> c\n", "a\nb  c\n"),
        ("comments", "<!-- keep -->\na\n<!-- /keep -->\n", "<!-- keep -->\na\n<!-- /keep -->\n"),
        ("comments", "`<!-- shown -->`\n<!-- never closed\n", "`<!-- shown -->`\n<!-- never closed\n"),
        ("trailing_space", "end \nbreak   \nnext\t\n\n", "end\nbreak  \nnext\n\n"),
        ("trailing_space", "```\ncode  \n```\n", "```\ncode  \n```\n"),
        ("blank_lines", "a\n  \n\n\nb\n", "a\n\nb\n"),
        ("blank_lines", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"),
        ("table_padding", "| a    | b `x  y`  |\n|---|---|\n", "| a | b `x  y` |\n|---|---|\n"),
        ("markup_indent", "<a>\n  <b>\n  text\n  </b>\n</a>\n", "<a>\n<b>\n  text\n</b>\n</a>\n"),
        (
            "dedent",
            "<a>\n      1. one\n         - two\n      text\n</a>\n",
            "<a>\n1. one\n   - two\ntext\n</a>\n",
        ),
        ("dedent", "<a>\n    ```\n    code\n    ```\n</a>\n", "<a>\n    ```\n    code\n    ```\n</a>\n"),
        ("table_padding", "|-- src\n|   |-- a.py\n|       x\n", "|-- src\n|   |-- a.py\n|       x\n"),
        ("labels", "- **Label**: said\n", "- Label: said\n"),
        ("labels", "- **Never**: said\n- **`x`**: y\n", "- **Never**: said\n- **`x`**: y\n"),
        ("emphasis", "a **b** c\n**Whole line**\n**must** go\n", "a b c\n**Whole line**\n**must** go\n"),
        ("emphasis", "x 2**3**4 and f(**a, **b)**c\n", "x 2**3**4 and f(**a, **b)**c\n"),
        ("json_code", '```json\n{\n  "a": [1, 2.50]\n}\n```\n', '```json\n{"a":[1,2.50]}\n```\n'),
        ("json_code", "```json\n{ not json }\n```\n", "```json\n{ not json }\n```\n"),
        ("tag_lines", "<a>\n<b>\nx\n</b>\n</a>\n", "<a><b>\nx\n</b></a>\n"),
    ],
)
def test_a_pass(name: str, before: str, after: str) -> None:
    """Before and after, one rule a line."""
    assert run(name, before) == after


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists
    )
)
def test_minified_json_is_an_equal_value(value: object) -> None:
    """White space goes, the value stays; strings are not touched."""
    small = minified(json.dumps([value], indent=2))
    assert small is not None
    assert json.loads(small) == [value]


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "{", "[NaN]", "12", '"text"'])
def test_what_is_not_minified(text: str) -> None:
    """Too deep, not JSON, or nothing with white space in it."""
    assert minified(text) is None


def test_least_drops_what_is_said_elsewhere_first() -> None:
    """Of two sentences of one length that whose words stand elsewhere goes, and nothing protected."""
    text = (
        "The parser reads lines and the writer writes lines. Here it has tests.\n\n"
        "Here the parser has lines.\n\nQuokkas enjoy eucalyptus sometimes.\n\nNever stop. See `x`.\n"
    )
    left = run("least_informative", text, Aims(reduction=0.1, information=0.9))
    assert "\nHere the parser" not in left
    assert "Quokkas" in left
    assert "Never stop. See `x`." in left


def test_least_leaves_headings_with_content_and_takes_empty_ones() -> None:
    """A heading goes with the last thing below it, not before."""
    text = "# Lines\nThe lines are read.\n# Lines\nAgain and again somebody reads.\n\n`code` stays\n"
    left = run("least_informative", text, Aims(reduction=1, information=0))
    assert left == "# Lines\n\n`code` stays\n"
