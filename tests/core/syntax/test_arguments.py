"""Argument strings are split as a shell splits them."""

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.arguments import split_words
from tests.core.builders import LAW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("a b\tc\nd", ["a", "b", "c", "d"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ("a'b c'd", ["ab cd"]),
        ("''", [""]),
        (r"a\ b", ["a b"]),
        (r'"a\"b" "\\" "\n"', ['a"b', "\\", "\\n"]),
        ("don't panic", ["don't", "panic"]),
        ('say "hello', ["say", '"hello']),
        ("a\\", ["a\\"]),
        ("😀 'é é'", ["😀", "é é"]),
        ("a # b", ["a", "#", "b"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Quotes and backslashes as in a shell; a lone quote makes it plain words."""
    assert split_words(text) == expected


@LAW
@given(st.text(alphabet="ab \t\n'\"\\#$é😀", max_size=30))
def test_it_agrees_with_the_shell_lexer(text: str) -> None:
    """The standard library is the oracle; where it raises, words are split at white space."""
    try:
        expected = shlex.split(text)
    except ValueError:
        expected = text.split()
    assert split_words(text) == expected


@pytest.mark.parametrize("piece", ["a", "'", '"', "\\", "''", '"\\"', "a ", "\\ ", "a'", '"a'])
def test_a_megabyte_takes_linear_time(piece: str) -> None:
    """Six seconds of processor time at most; `shlex.split` takes half a minute."""
    started = time.process_time()
    split_words(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 6.0
