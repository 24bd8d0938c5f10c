"""Escapes for each medium: nothing that a terminal obeys or a reader cannot see stays as it is."""

import json
import sys
import tomllib
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.support import escape

# Formats that are seen: signs of Arabic, Syriac and Kaithi, and those of hieroglyphs.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
HIDDEN = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in SEEN
]
any_text = st.text(st.one_of(st.sampled_from(HIDDEN), st.characters(codec=None)))


def test_every_hidden_character_is_escaped() -> None:
    """By what Unicode says of them; and fillers, which count as letters but are never seen."""
    for char in (*HIDDEN, *"\u115f\u1160\u3164\uffa0\u034f"):
        assert escape.one_line(f"a{char}b") != f"a{char}b", f"{ord(char):x}"


@pytest.mark.parametrize(
    "text", ["plain", "Grüße — 你好\u3000世界", "fin\u00a0!", "❤\ufe0f", "a\\b", "e\u0301", "नमस्ते"]
)
def test_what_is_seen_stays(text: str) -> None:
    """Accents, other scripts, their blanks, and the variation selectors that make a picture of a sign."""
    assert escape.one_line(text) == escape.terminal(text) == text


def test_escapes_are_those_of_python() -> None:
    """As short as can be."""
    assert escape.one_line("\n\t\r\x1b\x9b\u202e\U000e0041\udcff") == r"\n\t\r\x1b\x9b\u202e\U000e0041\udcff"
    assert escape.terminal("a\n\tb\r\nc\rd\x07") == "a\n\tb\r\nc\\rd\\x07"


@given(any_text)
def test_json_and_toml_mean_the_same(text: str) -> None:
    """The escapes are the languages' own."""
    written = json.dumps(text, ensure_ascii=False)
    assert json.loads(escape.json(written)) == text
    assert not set(escape.json(written)) & set(HIDDEN)
    if text.isascii() or not any(0xD800 <= ord(char) < 0xE000 for char in text):
        assert tomllib.loads(f"x = {escape.toml(written)}")["x"] == text


@given(any_text)
def test_every_medium_is_one_token_without_hidden_characters(text: str) -> None:
    """A label stays inside its quotes, whatever it holds; HTML gives back the escaped text."""
    for shown in (escape.dot(text), escape.mermaid(text)):
        assert not set(shown) & set(HIDDEN)
        assert shown[0] == shown[-1] == '"'
    assert '"' not in escape.dot(text)[1:-1].replace("\\\\", "").replace('\\"', "")
    assert not set(escape.mermaid(text)[1:-1]) & set('"<>`\\')
    assert unescape(escape.html(text)) == escape.terminal(text)
    assert not set(escape.html(text)) & set("<>\"'")
