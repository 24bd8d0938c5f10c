"""Values go into a skeleton: precedence, required ones, arguments, and that they are never read again."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.skeleton import Rules
from promptd.errors import MissingVariable
from tests.core.builders import LAW, Assembled, MemoryLibrary

DECLARED = "---\nvariables:\n  v: d\n  n:\n---\n"


def fill(
    text: str,
    variables: dict[str, str] | None = None,
    arguments: str | None = None,
    configured: dict[str, str] | None = None,
) -> Assembled:
    """The prompt of one file with these values."""
    return MemoryLibrary({"a.md": text}).assemble(
        "a", rules=Rules(variables=configured or {}), variables=variables, arguments=arguments
    )


# -- variables --------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["{v}", "{{v}}", "{{ v }}"])
def test_a_variable_is_replaced_where_it_is_known(written: str) -> None:
    """Supplied, configured for the library, or declared in front matter; else it stays."""
    assert fill(f"x {written} y", {"v": "V"}).text == "x V y"
    assert fill(f"x {written} y", configured={"v": "C"}).text == "x C y"
    assert fill(f"{DECLARED}x {written} y").text == "x d y"
    assert fill(f"x {written} y").text == f"x {written} y"
    assert fill(f"x {written} y", {"w": "V"}).text == f"x {written} y"


def test_precedence() -> None:
    """Supplied, configured, the inline default, the declared one."""
    text = f"{DECLARED}{{{{v|i}}}}"
    assert fill(text, {"v": "s"}, configured={"v": "c"}).text == "s"
    assert fill(text, configured={"v": "c"}).text == "c"
    assert fill(text).text == "i"
    assert fill(DECLARED + "{{v}}").text == "d"
    assert fill(DECLARED + "{{v|}}").text == ""
    assert fill(text, {"v": ""}).text == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{v|d}}", "d"),
        ("{{v|}}", ""),
        ("{{v|d}} {v} {{v}} {{v|e}}", "d d d e"),
        ("{v} {{v|d}}", "d d"),
        ("`{{v}}` {{v|d}}", "`d` d"),
        ("{{v|d}}\n```\n{{v|e}} {v}\n```\n", "d\n```\n{{v|e}} {v}\n```\n"),
        ("---\nvariables: {v: f}\n---\n{v} {{v|d}}", "f d"),
    ],
)
def test_an_inline_default_is_a_declaration(text: str, expected: str) -> None:
    """Of its name, for the whole prompt; front matter's comes first, and code is no place to declare."""
    prompt = fill(text)
    assert prompt.text == expected
    assert prompt.warnings == ()


def test_an_inline_default_gives_way_to_front_matter_wherever_that_stands() -> None:
    """An included file's declaration counts before the includer's inline default."""
    library = MemoryLibrary({"a.md": "{{v|d}} {v}\n@b.md\n", "b.md": "---\nvariables: {v: f}\n---\n{v}\n"})
    assert library.assemble("a").text == "d f\nf\n"


@pytest.mark.parametrize(
    "text",
    ["{{v|upper}}", "{{ v | upper | trim }}", '{{ v | default("x") }}', "`{{v|d}}`", "<!-- {{v|d}} -->",
     "```\n{{v|d}}\n```"],
)  # fmt: skip
def test_filters_and_examples_declare_nothing(text: str) -> None:
    """`{{name|filter}}` of another template language stays as it is, and so does what stands in code."""
    assert fill(text).text == text
    assert fill("{{v|upper}}", {"v": "V"}).text == "V"


@pytest.mark.parametrize(
    "text",
    [
        '{"json": {"a": 1}}',
        "{phase_dir}",
        "{{Hostname}}",
        "${HOME}/x",
        "function() {return}",
        "{}",
        "{{{v}}}",
    ],
)
def test_any_other_brace_text_stays(text: str) -> None:
    """JSON, placeholders and other people's templates are not ours."""
    assert fill(text, {"x": "X"}).text == text


def test_declared_without_value_or_default_is_nothing_and_said() -> None:
    """Once, with the file and line of the declaration."""
    prompt = fill(f"{DECLARED}x {{n}} {{{{n}}}} y")
    assert prompt.text == "x   y"
    assert [(warning.kind, warning.id, warning.line, warning.target) for warning in prompt.warnings] == [
        ("empty-variable", "a.md", 4, "n")
    ]


def test_required_and_absent_names_file_and_line() -> None:
    """Also in an included file, also where the text never uses it; any source of a value will do."""
    declaration = "---\nvariables:\n  v:\n    required: true\n    description: Who asks\n---\nx\n"
    library = MemoryLibrary({"a.md": "@d/b.md\n", "d/b.md": declaration})
    with pytest.raises(MissingVariable, match=r"'v' \(Who asks\) is required by d/b\.md:3") as raised:
        library.assemble("a")
    typed = "promptd assemble a.md --variable v=VALUE"
    assert raised.value.details == {"name": "v", "id": "d/b.md", "line": 3, "names": ["v"], "typed": typed}
    assert library.assemble("a", variables={"v": ""}).text == "x\n"
    assert library.assemble("a", rules=Rules(variables={"v": "c"})).text == "x\n"
    assert fill("---\nvariables: {v: {required: true, default: d}}\n---\n{v}").text == "d"


def test_what_is_only_referred_to_requires_nothing() -> None:
    """Its text is not part of the prompt."""
    library = MemoryLibrary({"a.md": "@&b.md\n", "b.md": "---\nvariables: {v: {required: true}}\n---\n"})
    assert library.assemble("a").warnings == ()


def test_all_that_is_required_is_told_at_once_with_what_to_type() -> None:
    """Each with its declaration; the command gives every one of them a value."""
    library = MemoryLibrary(
        {
            "my a.md": "---\nvariables:\n  v: {required: true}\n  given: {required: true}\n---\n@b.md\n",
            "b.md": "---\nvariables: {w: {required: true, description: [Who, 1]}}\n---\n",
        }
    )
    with pytest.raises(MissingVariable) as raised:
        library.assemble("my a", variables={"given": "g"})
    assert raised.value.message == (
        "2 variables have no value: 'v' is required by my a.md:3, 'w' (Who, 1) is required by b.md:2; "
        "type: promptd assemble 'my a.md' --variable v=VALUE --variable w=VALUE"
    )
    assert raised.value.details["names"] == ["v", "w"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("[a, b]", "a, b"), ("{k: v}", "k: v"), ("true", "true"), ("1.50", "1.50"),
     ("!!binary aGVsbG8=", "aGVsbG8="), ("2024-01-01", "2024-01-01"), ("0", "0"), ("[[a], ~]", "[a],")],
)  # fmt: skip
def test_a_default_goes_in_as_people_write_it(value: str, text: str) -> None:
    """Never as Python spells it, whichever way it is declared."""
    assert fill(f"---\nvariables:\n  x: {value}\n---\n{{x}}").text.rstrip() == text
    assert fill(f"---\nvariables:\n  x: {{default: {value}}}\n---\n{{x}}").text.rstrip() == text


def test_a_declaration_counts_for_the_whole_prompt() -> None:
    """The includer's before that of an included file; one in an included file reaches the includer's text."""
    library = MemoryLibrary({"a.md": "{v} {w}\n@b.md\n", "b.md": "---\nvariables: {v: b, w: b}\n---\n{v}\n"})
    assert library.assemble("a").text == "b b\nb\n"
    library = MemoryLibrary(
        {"a.md": "---\nvariables: {v: a}\n---\n@b.md\n", "b.md": "---\nvariables: {v: b}\n---\n{v}\n"}
    )
    assert library.assemble("a").text == "a\n"


def test_a_supplied_variable_that_is_used_nowhere_is_said() -> None:
    """Most likely a misspelt name: the warning lists the prompt's own; configured ones may be unused."""
    prompt = fill("{name} {{other}}", {"nam": "x"}, configured={"c": "1"})
    assert prompt.kinds == ["unused-variable"]
    assert "'nam' is not used" in prompt.warnings[0].message
    assert "name, other" in prompt.warnings[0].message
    assert "its variables: none" in fill("x", {"v": "1"}).warnings[0].message


@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_variables_in_a_fence_count_where_front_matter_declares_them(fence: str) -> None:
    """Code has braces of its own; in a code span a name in braces is a name."""
    text = f"{fence}\ngit log {{v}} {{{{v}}}}\n{fence}\n`{{v}}` {{v}}\n"
    filled = f"{fence}\ngit log V V\n{fence}\n`V` V\n"
    assert fill(f"---\nvariables: [v]\n---\n{text}", {"v": "V"}).text == filled
    kept = text.replace("`{v}` {v}", "`V` V")
    assert fill(text, {"v": "V"}).text == kept
    assert fill(text, configured={"v": "V"}).text == kept
    library = MemoryLibrary({"a.md": f"@b.md\n{text}", "b.md": "---\nvariables: [v]\n---\n"})
    assert library.assemble("a", variables={"v": "V"}).text == filled
    assert fill(f"{fence}\n{{v}}\n{fence}\n", {"v": "V"}).kinds == ["unused-variable"]


def test_a_dollar_before_a_brace_is_another_language() -> None:
    """Shell and JavaScript: neither a supplied value nor a declaration changes that."""
    text = "${v} ${{v}} ${{ v|d }} $${v} \\${v}"
    assert fill(f"---\nvariables: [v]\n---\n{text} {{v}}", {"v": "V"}).text == f"{text} V"


# -- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("x $ARGUMENTS y", "a b", "x a b y"),
        ("x $ARGUMENTS y", "", "x  y"),
        ("$ARGUMENTS[0]-$ARGUMENTS[1]", "a 'b c'", "a-b c"),
        ("$0-$1", "a 'b c'", "a-b c"),
        ("$0-$1", "a", "a-$1"),
        ("$ARGUMENTS[7] $0", "a", "$ARGUMENTS[7] a"),
        ("$0", '"a b" c', "a b"),
        ("$0 $1", "don't panic", "don't panic"),
        ("\\$0 $0", "a", "$0 a"),
        (
            "A \\$0 B \\\\$0 C $0 D \\$x E $5 F \\$ARGUMENTS",
            "a",
            "A $0 B \\\\a C a D \\$x E $5 F $ARGUMENTS",
        ),
        ("\\\\$ARGUMENTS", "a b", "\\\\a b"),
        ("\\\\$ARGUMENTS[0]", "a b", "\\\\a"),
        ("\\\\\\$0", "a", "\\\\\\a"),
        ("\\$ARGUMENTS $0", "a", "$ARGUMENTS a"),
        ("$ARGUMENTS", "  a  ", "  a  "),
        ("$10 $0", "a b", "$10 a"),
        ("US$ $0.50", "1", "US$ 1.50"),
    ],
)
def test_arguments_as_in_claude_code(text: str, arguments: str, expected: str) -> None:
    r"""0-based, shell quoting, an absent index literal, the whole string byte for byte, `\$0` literal."""
    assert fill(text, arguments=arguments).text == expected


def test_named_arguments() -> None:
    """By the names of the requested component, in included text too; an absent one becomes empty."""
    library = MemoryLibrary(
        {
            "a.md": "---\narguments: [issue, branch]\n---\n$issue/$branch/$x\n@b.md\n",
            "b.md": "\\$issue $issue\n",
        }
    )
    assert library.assemble("a", arguments="7").text == "7//$x\n$issue 7\n"
    assert library.assemble("b", arguments="7").text == "\\$issue $issue\n\n\nARGUMENTS: 7"


def test_each_requested_component_has_its_own_names() -> None:
    """Two commands in one prompt name the same words differently."""
    library = MemoryLibrary(
        {"a.md": "---\narguments: x y\n---\n$x $y\n", "b.md": "---\narguments: y x\n---\n$x $y\n"}
    )
    assert library.assemble("a", "b", arguments="1 2").text == "1 2\n2 1\n"


@pytest.mark.parametrize("text", ["$ARGUMENTS $0 \\$1 $ARGUMENTS[0]", "---\narguments: [v]\n---\n$v \\$v"])
def test_without_arguments_everything_stays_as_written(text: str) -> None:
    """Not given is not the same as given and empty: the template is shown as it is."""
    body = text.rpartition("---\n")[2]
    assert fill(text).text == body


def test_arguments_that_have_no_place_are_appended() -> None:
    """`ARGUMENTS: …` at the end, in no manifest entry; not where any placeholder took them, nor if empty."""
    prompt = fill("x\n", arguments="a b")
    assert prompt.text == "x\n\n\nARGUMENTS: a b"
    assert prompt.manifest[0].span == (0, 2)
    assert fill("x $9\n", arguments="a").text == "x $9\n\n\nARGUMENTS: a"
    assert fill("x $0\n", arguments="a b").text == "x a\n"
    assert fill("---\narguments: [p, q]\n---\n$q", arguments="a").text == ""
    assert fill("x\n", arguments="").text == "x\n"


def test_codex_counts_from_one() -> None:
    """A per-root switch: `$1` is the first argument and `$0` stays."""
    library = MemoryLibrary({"a.md": "$0 $1 $2 $ARGUMENTS"})
    rules = Rules(arguments_base=(1,))
    assert library.assemble("a", rules=rules, arguments="a b").text == "$0 a b a b"


def test_shell_forms_are_never_run() -> None:
    """They stay as written, arguments in them too, or give way to the notice."""
    text = "!`git diff $0` {v}\n```!\nls {v}\n```\n$0\n"
    library = MemoryLibrary({"a.md": text})
    kept = library.assemble("a", arguments="A", variables={"v": "V"})
    assert kept.text == "!`git diff $0` V\n```!\nls {v}\n```\nA\n"
    replaced = library.assemble("a", rules=Rules(shell="replace"), arguments="A", variables={"v": "V"})
    notice = "[shell command execution disabled by policy]"
    assert replaced.text == f"{notice} V\n{notice}\nA\n"


# -- laws -------------------------------------------------------------------------------------

VALUE = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(
            [
                "{v}",
                "{{w}}",
                "$ARGUMENTS",
                "$0",
                "\\$0",
                "<include>b.md</include>",
                "@b.md",
                "{{component: b.md}}",
                "```\n",
                "<!--",
                "!`ls`",
                "\r\n",
                "😀",
                "'",
                '"',
                "---\n",
                "{{v|x}}",
            ]
        )
    ).map("".join),
)


@LAW
@given(VALUE, VALUE, VALUE)
def test_values_go_in_verbatim_and_are_never_read_again(v: str, w: str, arguments: str) -> None:
    """Whatever a value holds stands in the prompt as it is: nothing in it is replaced, included or cut."""
    library = MemoryLibrary({"a.md": "1 {v} 2 {{w|x}} 3 $ARGUMENTS 4\n@b.md\n", "b.md": "B {v}"})
    prompt = library.assemble("a", variables={"v": v, "w": w}, arguments=arguments)
    assert prompt.text == f"1 {v} 2 {w} 3 {arguments} 4\nB {v}\n"
    assert prompt.piece("b.md") == f"B {v}"


@LAW
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), VALUE)))
def test_spans_move_with_the_values(values: list[tuple[str, str]]) -> None:
    """Each entry still slices its own text out of the prompt."""
    files = {f"{name}.md": f"[{name}:{{{name}}}]\n" for name in "abc"}
    library = MemoryLibrary({"r.md": "{a}@b\n@a.md\nx @b.md y\n{b}\n@c.md\n", **files})
    given_values = dict(values)
    prompt = library.assemble("r", variables=given_values)
    for name in "abc":
        expected = f"[{name}:{given_values.get(name, f'{{{name}}}')}]"
        assert prompt.piece(f"{name}.md").rstrip("\n") == expected


def test_a_megabyte_of_arguments_is_no_burden() -> None:
    """Not split where no place asks for words, and split in linear time where one does."""
    started = time.process_time()
    assert len(fill("x", arguments="a" * 1_000_000).text) > 1_000_000
    assert len(fill("$0", arguments="a" * 1_000_000).text) == 1_000_000
    assert time.process_time() - started < 6.0
