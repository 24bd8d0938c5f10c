"""YAML as people write it: what is kept, what is diagnosed, what cannot do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.tolerant_yaml import MAX_DEPTH, MAX_NODES, is_true, read
from promptd.protocol.request import scalar_text
from tests.core.builders import LAW


@pytest.mark.parametrize(
    ("block", "metadata"),
    [
        ("name: x\ntags: [a, b]\n", {"name": "x", "tags": ["a", "b"]}),
        ("a: 1\nb: 1.5\nc: true\nd: ~\ne:\n", {"a": 1, "b": 1.5, "c": True, "d": None, "e": None}),
        ("a: {b: {c: [1]}}\n", {"a": {"b": {"c": [1]}}}),
        ("a: &x 1\nb: *x\n", {"a": 1, "b": 1}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
        ("a: é 😀\r\nb: |\r\n  x\r\n  y\r\n", {"a": "é 😀", "b": "x\ny\n"}),
        ("# only a comment\n", {}),
        ("", {}),
    ],
)
def test_what_parses_is_plain_data_with_text_keys(block: str, metadata: dict[str, object]) -> None:
    """Mappings, lists and scalars as JSON has them; aliases are resolved; nothing is diagnosed."""
    assert read(block) == (metadata, [])


@pytest.mark.parametrize(
    "written",
    ["1.10", "0755", "0x1f", "1_000", "12:30", "2024-01-01", "2024-01-01 10:00:00", "yes", "No", "on", "off",
     "1e3", ".inf", ".nan", "-.5", "99999999999999999999", "+1", "=", "<<"],
)  # fmt: skip
def test_a_scalar_stays_what_was_written(written: str) -> None:
    """A version is no number, a time is no sum of seconds, `no` is no boolean: JSON would show another."""
    assert read(f"a: {written}\n")[0] == {"a": written}


def test_merge_keys_do_not_merge() -> None:
    """`<<` is a key like any other: merged mappings can be multiplied without end."""
    rows = ["a0: &a0 {k: v}"]
    rows += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    metadata, diagnostics = read("\n".join(rows))
    assert metadata["a0"] == {"k": "v"}
    assert diagnostics


@pytest.mark.parametrize(
    ("block", "kept", "lines"),
    [
        ("name: x\nargument-hint: [pr] [priority]\n", {"name": "x", "argument-hint": "[pr] [priority]"}, [3]),
        ("globs: **/*.ts, **/*.tsx\nname: x\n", {"globs": "**/*.ts, **/*.tsx", "name": "x"}, [2]),
        ("a: b: c\nd: [1\ne: 2\n", {"a": "b: c", "d": "[1", "e": 2}, [2, 3]),
        ("description: Use `x`: then y\nn: 1\n", {"description": "Use `x`: then y", "n": 1}, [2]),
        ("a: @x\r\nb: 1\r\n", {"a": "@x", "b": 1}, [2]),
        ("a: 1\n  b: 2\nc: 3\n", {"a": "1\n  b: 2", "c": 3}, [2]),
        ("a: 1\n\tb\nc: 3\n", {"c": 3}, [2]),
        ("a: {[x]: y}\nb: 1\n", {"a": "{[x]: y}", "b": 1}, [2]),
    ],
)
def test_what_does_not_parse_is_kept_as_text_and_diagnosed(
    block: str, kept: dict[str, object], lines: list[int]
) -> None:
    """One bad key costs itself only, and its line in the file is named (the `---` is line 1)."""
    metadata, diagnostics = read(block)
    assert kept.items() <= metadata.items()
    assert [(problem.kind, problem.line) for problem in diagnostics] == [("front-matter", n) for n in lines]


def test_a_block_that_only_fails_as_a_whole_is_read_by_keys() -> None:
    """An alias to an anchor two keys up parses in neither half alone; a stray line is dropped and said."""
    metadata, diagnostics = read("}stray\na: 1\nb: 2\n")
    assert metadata == {"a": 1, "b": 2}
    assert [problem.line for problem in diagnostics] == [2]


@pytest.mark.parametrize("block", ["- a\n- b\n", "just text\n", "12\n", "[unclosed\n", "{a: [\n", "\x00"])
def test_what_holds_no_key_at_all_is_left_out_and_said(block: str) -> None:
    """No metadata, one diagnostic of the kind that reaches the prompt's warnings."""
    metadata, diagnostics = read(block)
    assert metadata == {}
    assert [(problem.kind, problem.line) for problem in diagnostics] == [("front-matter-lost", 2)]


@pytest.mark.parametrize("opener", ["[", "- ", "? ", "{a: ", "a: {b: ", "- - "])
def test_deep_nesting_is_refused_before_it_overflows_the_c_stack(opener: str) -> None:
    """The loader of libyaml recurses; 30,000 levels of it would end the process, not raise an error."""
    metadata, diagnostics = read(opener * (60_000 // len(opener)))
    assert diagnostics
    assert all(isinstance(value, str) for value in metadata.values())


def test_bounds_on_depth_and_on_what_aliases_expand_to() -> None:
    """A bomb becomes text and a diagnostic."""
    assert read(f"a: {'[' * (MAX_DEPTH - 2)}{']' * (MAX_DEPTH - 2)}\n")[1] == []
    assert "deep" in read(f"a: {'[' * (MAX_DEPTH + 1)}{']' * (MAX_DEPTH + 1)}\n")[1][0].message
    assert str(MAX_NODES) in read(f"a: [{'1,' * MAX_NODES}]\n")[1][0].message
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{to}: &{to} [{', '.join([f'*{of}'] * 10)}]\n" for of, to in zip("abcdefg", "bcdefgh", strict=True)
    )
    assert read(bomb)[1] != []
    assert read("a: &a [*a]\nb: 1\n")[0]["b"] == 1


@LAW
@given(st.text(alphabet=" \t\r\n-:[]{}&*?|>%@`'\"!#,abyn01.<~😀\x00\ud800", max_size=80))
def test_reading_never_raises_and_gives_plain_data(block: str) -> None:
    """Any text gives JSON-like data with text keys, and nothing malformed goes without a diagnostic."""

    def is_plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(map(is_plain, value))
        return value is None or isinstance(value, (str, bool, int, float))

    metadata, _ = read(block)
    assert is_plain(metadata)


def test_scalars_as_text() -> None:
    """`true`, as people and JSON write it, and numbers as they are."""
    assert [scalar_text(value) for value in (True, False, 1, 1.5, "x")] == ["true", "false", "1", "1.5", "x"]


def test_what_people_mean_by_yes() -> None:
    """Booleans and the words for them; numbers are neither."""
    assert all(map(is_true, (True, "yes", " On", "true", "TRUE")))
    assert not any(map(is_true, (False, "no", "", 1, None, [])))
