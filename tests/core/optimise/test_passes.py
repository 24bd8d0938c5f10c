"""Each pass by itself: what it takes, and what it leaves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.blocks import read
from promptd.core.optimise.data import phrases_of, shipped_phrases
from promptd.core.optimise.edits import Trace, ordered
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.wording import minified
from promptd.core.optimise.quality import inventory
from promptd.core.optimise.records import Aims
from promptd.core.optimise.strategies import pass_functions
from promptd.core.optimise.words import idf_of
from promptd.errors import ConfigError
from tests.core.optimise.texts import LIBRARY, count


def run(name: str, text: str, aims: Aims | None = None) -> str:
    """The text after one pass."""
    source = inventory(text)
    context = Context(count, idf_of(LIBRARY), shipped_phrases(), aims or Aims(), source, count(text))
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
            "<a>\n1. one\n - two\ntext\n</a>\n",
        ),
        ("dedent", "<a>\n    ```\n    code\n    ```\n</a>\n", "<a>\n    ```\n    code\n    ```\n</a>\n"),
        ("labels", "- **Label**: said\n", "- Label: said\n"),
        ("labels", "- **Never**: said\n- **`x`**: y\n", "- **Never**: said\n- **`x`**: y\n"),
        ("emphasis", "a **b** c\n**Whole line**\n**must** go\n", "a b c\n**Whole line**\n**must** go\n"),
        ("phrases", "In order to win, play.\n", "To win, play.\n"),
        ("phrases", "It is basically done.\n", "It is done.\n"),
        ("phrases", "You must do it in order to win.\n", "You must do it in order to win.\n"),
        ("phrases", 'Say "in order to" or `in order to`.\n', 'Say "in order to" or `in order to`.\n'),
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


def test_a_table_of_phrases_names_the_line_that_is_wrong() -> None:
    """A phrase, a tab, a replacement."""
    with pytest.raises(ConfigError, match="phrases:2"):
        phrases_of("a b\tc\nno tab here\n")
    assert phrases_of("# comment\n\nA  B\tc\n").table == {"a b": "c"}


def test_no_shipped_phrase_is_made_of_another_again() -> None:
    """A replacement holds no phrase of the table, so that replacing twice changes nothing."""
    table = shipped_phrases()
    assert [phrase for phrase, said in table.table.items() if table.pattern.search(said)] == []
