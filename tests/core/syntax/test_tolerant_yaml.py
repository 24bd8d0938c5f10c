"""YAML as people write it: what is kept, what is diagnosed, what cannot do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.plain_text import line_of_text, text_of
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
        ("name: x\nhint: [pr] [priority]\n", {"name": "x", "hint": "[pr] [priority]"}, [3]),
        ("files: **/*.ts, **/*.tsx\nname: x\n", {"files": "**/*.ts, **/*.tsx", "name": "x"}, [2]),
        ("\"a b\": [\n'c': 1\nété: 2\n", {"a b": "[", "c": 1, "été": 2}, [2]),
        ('description: "open\nn: 1\n', {"description": '"open', "n": 1}, [2]),
        ("a: b: c\nd: [1\ne: 2\n", {"a": "b: c", "d": "[1", "e": 2}, [2, 3]),
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


@pytest.mark.parametrize(
    ("block", "metadata"),
    [
        (
            "globs: **/*.ts, **/*.tsx\nalwaysApply: false\n",
            {"globs": "**/*.ts, **/*.tsx", "alwaysApply": False},
        ),
        ("argument-hint: [pr] [priority]\nname: x\n", {"argument-hint": "[pr] [priority]", "name": "x"}),
        ("description: Use `x`: then y\nname: n\n", {"description": "Use `x`: then y", "name": "n"}),
        (
            "name: n\ndescription: Reviews. Examples:\n user: hi\nmodel: opus\n",
            {"name": "n", "description": "Reviews. Examples:\n user: hi", "model": "opus"},
        ),
        (
            'description: Use it when: x.\n<example>\nContext: a\nuser: "b"\nassistant: [c\n</example>\n'
            "color: red\n",
            {
                "description": 'Use it when: x.\n<example>\nContext: a\nuser: "b"\nassistant: [c\n</example>',
                "color": "red",
            },
        ),
        (
            "description: Reviews <b>\nuser: hi\n</b>\nmodel: x\n",
            {"description": "Reviews <b>\nuser: hi\n</b>", "model": "x"},
        ),
        ("name: n\r\nglobs: *.ts\r\nx: 1\r\n", {"name": "n", "globs": "*.ts", "x": 1}),
    ],
)
def test_values_that_assistants_read_as_text_are_text(block: str, metadata: dict[str, object]) -> None:
    """The documented forms of Claude Code and Cursor; plain text runs on to the next known key."""
    assert read(block) == (metadata, [])


@pytest.mark.parametrize(
    ("block", "metadata", "lines"),
    [
        ("includes: [a]\nincludes: [b]\n", {"includes": ["a", "b"]}, [3]),
        ("includes: [a]\nincludes:\n", {"includes": ["a"]}, [3]),
        ("includes:\nincludes: b\n", {"includes": "b"}, [3]),
        ("includes: a, b\nx: 1\nincludes: [c]\n", {"includes": ["a", " b", "c"], "x": 1}, [4]),
        (
            "components: [{path: a}]\ncomponents: {path: b}\n",
            {"components": [{"path": "a"}, {"path": "b"}]},
            [3],
        ),
        ("requires: a\nrequires: b\nrequires: c\n", {"requires": ["a", "b", "c"]}, [3]),
        ("variables: {x: 1}\nvariables: {y: 2}\n", {"variables": {"x": 1, "y": 2}}, [3]),
        ("variables: [x]\nvariables: {y: 2}\n", {"variables": ["x", {"y": 2}]}, [3]),
        ("variables: {x: 1}\nvariables: {x: 2}\n", {"variables": {"x": 2}}, [3, 3]),
        ('"includes": [a]\nincludes: [b]\n', {"includes": ["a", "b"]}, [3]),
        ("name: a\n'name': b\nx: 1\nname: c\n", {"name": "c", "x": 1}, [3]),
        ("a: {b: 1, b: 2}\n", {"a": {"b": 2}}, [2]),
        ("a:\n  - b: 1\n    c: 1\n    b: 2\n", {"a": [{"b": 2, "c": 1}]}, [5]),
        ("a: {<<: {b: 1}, <<: {c: 2}}\n", {"a": {"<<": {"c": 2}}}, [2]),
        ("1: a\n'1': b\n", {"1": "b"}, [3]),
        ("a: &x {b: 1, b: 2}\nc: *x\n", {"a": {"b": 2}, "c": {"b": 2}}, [2]),
        ("includes: [a]\nglobs: *.ts\nincludes: [b]\n", {"includes": ["a", "b"], "globs": "*.ts"}, [4]),
        (
            "globs: *.ts\nx: {b: 1, b: 2}\nname: a\n'name': b\n",
            {"globs": "*.ts", "x": {"b": 2}, "name": "b"},
            [3, 5],
        ),
    ],
)
def test_a_key_that_is_written_twice_is_said_on_any_level(
    block: str, metadata: dict[str, object], lines: list[int]
) -> None:
    """With the line of the second one, quoted or not, whole or key by key; what lists things is joined."""
    found, diagnostics = read(block)
    assert found == metadata
    assert [(problem.kind, problem.line) for problem in diagnostics] == [("doubled-key", n) for n in lines]


def test_what_is_said_of_a_key_that_is_written_twice() -> None:
    """The lines, and which of them counts."""
    both, last = read("includes: [a]\nincludes: [b]\nx: 1\nx: 2\nx: 3\n")[1]
    assert both.message == "`includes` is written twice, on lines 2 and 3: both are used"
    assert last.message == "`x` is written 3 times, on lines 4, 5 and 6: the last one is used"
    many = read("a: {" + "b: 1, " * 5_000 + "}\n")[1]
    assert [problem.message for problem in many] == [
        "`b` is written 5000 times, on line 2: the last one is used"
    ]


def test_dates_bytes_and_sets_are_what_is_written() -> None:
    """A tag makes nothing of them that Python would spell."""
    block = "a: !!binary aGVsbG8=\nb: !!timestamp 2024-01-01\nc: !!set {y, x}\nd: !!float 1.50\n"
    assert read(block) == ({"a": "aGVsbG8=", "b": "2024-01-01", "c": ["y", "x"], "d": "1.50"}, [])


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


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("[beta, two]", "beta, two"),
        ("{a: b}", "a: b"),
        ("[a, [b, c], {d: e}]", "a, [b, c], {d: e}"),
        ("{a: [b, c], d: {e: f}}", "a: [b, c], d: {e: f}"),
        ("[scope: full|quick]", "{scope: full|quick}"),
        ("{optional: , x: ~}", "optional:, x:"),
        ("true", "true"),
        ("[no, true, 1.50, 2024-01-01]", "no, true, 1.50, 2024-01-01"),
        ("0", "0"),
        ("false", "false"),
        ("", ""),
        ("~", ""),
        ("|\n  a\n  b", "a\nb\n"),
        ("!!binary aGVsbG8=", "aGVsbG8="),
    ],
)
def test_any_value_is_text_as_people_write_it(written: str, text: str) -> None:
    """Lists with commas, mappings as pairs; never as Python spells them."""
    assert text_of(read(f"a: {written}\n")[0]["a"]) == text
    assert line_of_text(read(f"a: {written}\n")[0]["a"]) == " ".join(text.split())


def test_scalars_as_text() -> None:
    """`true`, as people and JSON write it, and numbers as they are."""
    assert [scalar_text(value) for value in (True, False, 1, 1.5, "x")] == ["true", "false", "1", "1.5", "x"]


def test_what_people_mean_by_yes() -> None:
    """Booleans and the words for them; numbers are neither."""
    assert all(map(is_true, (True, "yes", " On", "true", "TRUE")))
    assert not any(map(is_true, (False, "no", "", 1, None, [])))
