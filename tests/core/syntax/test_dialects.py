"""The dialects: what each claims, what none claims, and how a new one is plugged in."""

from pathlib import Path
from typing import Any

import pytest

from promptd.core.syntax.dialects import DIALECTS, resolved
from promptd.core.syntax.dialects.base import WrittenTarget, split_target
from promptd.core.syntax.parse import parse
from promptd.errors import ConfigError
from tests.core.builders import DIALECTS as ALL
from tests.core.builders import MemoryLibrary, directives, targets

# One directive of each body dialect, with the target a.md; the rules for every dialect are held on all.
WRITTEN = {
    "include": "<include>a.md</include>",
    "include with an attribute": '<include component="a.md"/>',
    "component": "{{component: a.md}}",
    "at-import": "@a.md",
}
every = pytest.mark.parametrize("directive", WRITTEN.values(), ids=WRITTEN)


def found(text: str) -> list[tuple[str, int, bool]]:
    """(target, line, is_alone) of every directive of a text."""
    return [(one.target, one.line, one.is_alone) for one in directives(text)]


# -- rules for every dialect ------------------------------------------------------------------


@every
@pytest.mark.parametrize(
    "around",
    ["```\n{}\n```", "~~~\n{}\n~~~", "`````md\n```\n{}\n```\n`````", "- x\n  ```\n  {}\n  ```",
     "> ```\n> {}\n> ```",
     "    ```\n    {}\n    ```", "1. ```\n   {}\n   ```", "`{}`", "`` {} ` ``", "x `a {} b`", "<!-- {} -->",
     "<!--\n{}\n-->", "<!--\n```\n-->\n```\n{}\n```", "```\r\n{}\r\n```\r\n", "```\n{}", "<!-- {}"],
)  # fmt: skip
def test_never_in_fences_spans_and_comments(directive: str, around: str) -> None:
    """Examples in prompt files show directives all the time: all of these stay literal."""
    assert found(around.format(directive)) == []


@every
@pytest.mark.parametrize(
    "around",
    ["{}", "    {}", "\n\n    {}\n", "\t{}\n", "<tag>\n    {}\n</tag>",
     "<tag>\n\n        {}\n\n</tag>", "- {}", "> {}",
     "| {} |", "# {}", "a {} b", "x\r\n{}\r\ny", "```\n```\n{}", "`` ` `` {}", "<!-- --> {}", "` {}",
     "```x``` {}",
     "\\` {} \\`", "\ufeff{}", "\r{}\r", "😀 {}", "- ```\n  x\n\n{}", "> ```\n> x\n\n{}"],
)  # fmt: skip
def test_everywhere_else_also_indented(directive: str, around: str) -> None:
    """In tables, quotes and lists, behind closed examples, and indented however far: it counts."""
    assert [target for target, _, _ in found(around.format(directive))] == ["a.md"]


@every
def test_where_it_stands(directive: str) -> None:
    """Line and span are those of the file, in code points, with front matter, BOM and CRLF counted."""
    text = f"\ufeff---\r\nname: 😀\r\n---\r\n😀\r\n  {directive}\t\r\nb {directive}"
    first, second = directives(text)
    assert (first.line, second.line) == (5, 6)
    assert text[first.start : first.end] == f"  {directive}\t\r\n"
    assert text[second.start : second.end] == directive
    assert (first.is_alone, second.is_alone) == (True, False)


@every
def test_two_on_one_line_stand_in_it(directive: str) -> None:
    """Neither stands alone, each keeps its own span."""
    one, two = directives(f"{directive} {directive}\n")
    assert (one.is_alone, two.is_alone) == (False, False)
    assert (one.start, one.end, two.start) == (0, len(directive), len(directive) + 1)


def test_marks_and_sections_after_any_of_them() -> None:
    """`?` optional, `&` a reference, `#` a section, alike in every dialect."""
    text = '<include>?a.md#One two</include>\n<include src="&a.md"/>\n{{component: &?a.md#x}}\n@?&a.md#x\n'
    marks = [(one.target, one.section, one.is_optional, one.is_reference) for one in directives(text)]
    assert marks == [
        ("a.md", "One two", True, False),
        ("a.md", None, False, True),
        ("a.md", "x", True, True),
        ("a.md", "x", True, True),
    ]


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("a", WrittenTarget("a", None, False, False)),
        (" ? a.md # b c ", WrittenTarget("a.md", "b c", True, False)),
        ("&?a", WrittenTarget("a", None, True, True)),
        ("??a", WrittenTarget("?a", None, True, False)),
        ("a#", WrittenTarget("a", None, False, False)),
        ("#x", WrittenTarget("", "x", False, False)),
    ],
)
def test_targets_are_taken_apart(written: str, target: WrittenTarget) -> None:
    """Each mark once, in either order, white space between them ignored."""
    assert split_target(written) == target


# -- include ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["<include>a/b.md</include>", "<include> a/b.md </include>", "<include>\n  a/b.md\n</include>",
     '<include component="a/b.md"/>', "<include component='a/b.md' />", '<include src="a/b.md"/>',
     '<include path="a/b.md"></include>', '<include file="a/b.md"/>', '<include\n  component="a/b.md"\n/>',
     '<include x="y" component = "a/b.md"/>', "<include>a/b.md</include >"],
)  # fmt: skip
def test_include_in_all_its_spellings(written: str) -> None:
    """Content or attribute, over lines or not, either kind of quotes."""
    (one,) = directives(written, "include")
    assert (one.target, one.base, one.is_alone, one.line) == ("a/b.md", "root-then-file", True, 1)


def test_include_attributes() -> None:
    """`optional` and `mode` are the marks `?` and `&` in words."""
    text = '<include component="a" optional="true"/><include optional="no" mode="reference">b</include>'
    assert [(one.is_optional, one.is_reference) for one in directives(text)] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    "written",
    ["<include>a.md", "<include/>", "<include></include>", "<include component=a.md/>",
     "<include component='a.md'>",
     "<include name='a.md'/>", "<include>a<b>.md</include>", "<include>#x</include>"],
)  # fmt: skip
def test_a_malformed_include_stays_and_is_said(written: str) -> None:
    """It is most likely a mistake: literal text, and a diagnostic with its line."""
    parsed = parse(f"\n{written}\n", ["include"])
    assert parsed.directives == ()
    assert [(problem.kind, problem.line) for problem in parsed.diagnostics] == [("malformed-include", 2)]


@pytest.mark.parametrize(
    "written", ["<included>a</included>", "<INCLUDE>a</INCLUDE>", "<includes/>", "include a.md"]
)
def test_what_is_no_include_is_left_in_peace(written: str) -> None:
    """No directive, no diagnostic."""
    parsed = parse(written, ["include"])
    assert (parsed.directives, parsed.diagnostics) == ((), ())


def test_an_include_around_a_code_span_is_an_example() -> None:
    """What reaches into a literal stretch is not a directive."""
    assert found("<include>`a.md`</include>") == []
    assert found("<include <!-- x --> component='a.md'/>") == []


# -- component --------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["{{component: a.md}}", "{{component:a.md}}", "{{ component: a.md }}"])
def test_component(written: str) -> None:
    """Resolved from the library root; blanks around the path are not part of it."""
    (one,) = directives(written, "component")
    assert (one.target, one.base) == ("a.md", "root")


@pytest.mark.parametrize(
    "written",
    ["{{component}}", "{{component: }}", "{{component: a\n}}", "{{{component: a.md}}}", "{component: a.md}",
     "{{component: {a}.md}}", "{{my component: a.md}}"],
)  # fmt: skip
def test_what_is_no_component_directive(written: str) -> None:
    """Everything a dialect does not claim stays literal."""
    assert directives(written, "component") == []


@pytest.mark.parametrize(
    ("written", "line"),
    [("{{component x}}", 2), ("{{ component a/b.md }}", 2), ('{{component "x"}}', 2), ("{{component: }}", 2),
     ("{{Component: a.md}}", 2), ("{{components: a.md}}", 2), ("{{component; a.md}}", 2),
     ("{{COMPONENT=a}}", 2), ("{{include: a.md}}", 2), ("{{INCLUDE:a.md}}", 2)],
)  # fmt: skip
def test_a_component_without_a_colon_or_a_path_is_said(written: str, line: int) -> None:
    """It stays, and the line says what would include it."""
    parsed = parse(f"\n{written}\n", ["component"])
    assert parsed.directives == ()
    assert [(problem.kind, problem.line) for problem in parsed.diagnostics] == [("malformed-include", line)]
    assert parse(f"`{written}`", ["component"]).diagnostics == ()


@pytest.mark.parametrize(
    "written", ["<Include>a.md</Include>", "<includes>a/b.md</includes>", "<INCLUDE> a.md </include>"]
)
def test_an_include_of_another_spelling_is_said(written: str) -> None:
    """It stays, and the line says what would include it."""
    parsed = parse(f"\n{written}\n", ["include"])
    assert parsed.directives == ()
    assert [(problem.kind, problem.line) for problem in parsed.diagnostics] == [("malformed-include", 2)]
    assert parse(f"`{written}`", ["include"]).diagnostics == ()


@pytest.mark.parametrize(
    "written", ["<includes>\nall tests\n</includes>", "<includes>Tests.</includes>", '{{ include "x" . }}']
)
def test_elements_and_templates_of_others_are_no_mistakes(written: str) -> None:
    """They name no file."""
    assert parse(written, ["include", "component"]).diagnostics == ()


# -- front matter -----------------------------------------------------------------------------

FRONT = """\
---
includes:
  - aa.md
  - a.md
  - ?b.md#Part
components: [c.md, {path: d.md, optional: true}, {component: e.md, mode: reference, section: S}]
requires: f.md, g.md
---
Body
"""


def test_front_matter_lists_in_their_order_with_their_lines() -> None:
    """`includes` and `components` are prepended, `requires` is a soft edge; the line is the item's own."""
    listed = directives(FRONT)
    assert [(one.target, one.line) for one in listed] == [
        ("aa.md", 3), ("a.md", 4), ("b.md", 5), ("c.md", 6), ("d.md", 6), ("e.md", 6), ("f.md", 7),
        ("g.md", 7),
    ]  # fmt: skip
    assert [one.is_soft for one in listed] == [False] * 6 + [True] * 2
    assert all(one.is_prepended and one.start == one.end == FRONT.index("Body") for one in listed)
    assert [one.target for one in listed if one.is_optional] == ["b.md", "d.md"]
    assert [one.target for one in listed if one.is_reference] == ["e.md"]
    assert [one.section for one in listed if one.section] == ["Part", "S"]


@pytest.mark.parametrize(
    "written", ["includes: a.md", "includes:\n- a.md", 'includes: ["a.md"]', "components: a.md"]
)
def test_front_matter_with_one_item(written: str) -> None:
    """A path may stand without a list."""
    assert targets(f"---\n{written}\n---\n") == ["a.md"]


@pytest.mark.parametrize(
    ("item", "kinds"),
    [("5", ["malformed-include"]), ("{x: y}", ["malformed-include"]), ("'#x'", ["malformed-include"])],
)
def test_front_matter_items_that_are_no_path_are_said(item: str, kinds: list[str]) -> None:
    """Nothing vanishes silently: one diagnostic on the line of what is left out, the others stand."""
    parsed = parse(f"---\nincludes:\n  - a.md\n  - {item}\n---\n", ["front-matter"])
    assert [one.target for one in parsed.directives] == ["a.md"]
    assert [problem.kind for problem in parsed.diagnostics] == kinds


def test_front_matter_of_others_is_not_read() -> None:
    """A list that is no list of ours, and a dialect that is off, give nothing."""
    assert directives("---\nincludes:\nother: [a.md]\n---\n") == []
    assert directives(FRONT, "include", "component", "at-import") == []


# -- at-import --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("@a.md", "a.md"),
        ("@./x.md", "./x.md"),
        ("@../x.md", "../x.md"),
        ("@./x", "./x"),
        ("@/etc/x", "/etc/x"),
        ("@~/.claude/x.md", "~/.claude/x.md"),
        ("@$HOME/x.md", "$HOME/x.md"),
        ("@docs/a.b.md", "docs/a.b.md"),
        ("@src/x.weird", "src/x.weird"),
        ("see @a.md.", "a.md"),
        ("see @a.md, then", "a.md"),
        ("(@a.md)", "a.md"),
        ("[@a.md]", "a.md"),
        ("x,@a.md;", "a.md"),
        ("read @a.md?", "a.md"),
        ("@a.md:", "a.md"),
        ("- @a.md", "a.md"),
        ("@my\\ file.md", "my file.md"),
        ("@.planning/STATE.md", ".planning/STATE.md"),
        ("@résumé/é.md", "résumé/é.md"),
        ("@README.MD", "README.MD"),
        ("[@a.md] (b)", "a.md"),
        ("- [ ] @a.md then [b](c.md)", "a.md"),
        ("读 @docs/a.md，然后", "docs/a.md"),  # noqa: RUF001
        ("“see @a.md”", "a.md"),
        ("@a.md→b", "a.md"),
        ("@a.md—which", "a.md"),
        ("@文档/甲.md。", "文档/甲.md"),
    ],
)
def test_at_import(text: str, target: str) -> None:
    """At the start of a line or after white space or list punctuation, if it looks like a path."""
    (one,) = directives(text, "at-import")
    assert (one.target, one.base, one.is_tentative) == (target, "file-then-root", False)


@pytest.mark.parametrize(
    "text",
    ["me@example.com", "x@a.md", "`@a.md`", "@", "@ a.md", "@.", "@..", "@/", "@./", "'@a.md'",
     '"@a.md"', "<@a.md>",
     "@.planning/{phase_dir}/x.md", "@docs/<name>.md", "@a/*.md", "@a.md@b.md", "@x=y.md", "@$1",
     "@$ARGUMENTS",
     "@a/$1.md", "@https://x.org/a.md", "@#x", "**@a.md**", "/@a.md", "@" + "x" * 2000 + ".md",
     "[@a.md](a.md)", "[@a.md][1]", "[see @a.md here](a.md)", "![@a.md](a.png)", "[x](@a.md)", "[x](@/a.md)"],
)  # fmt: skip
def test_what_is_no_import(text: str) -> None:
    """Addresses, placeholders, globs, arguments and the like stay literal."""
    assert directives(text, "at-import") == []


@pytest.mark.parametrize(
    "text",
    [
        "@README",
        "@media",
        "@babel/core",
        "@param",
        "@dataclass",
        "@app.route",
        "@john.doe",
        "@example.com",
        "@v1.2",
        "@code-reviewer",
        "@Next.js",
        "@docs.rs",
        "@mock.patch",
        "@mcp.prompt",
        "@types/node",
        "@google/design.md",
        "@angular/common.js",
        "@Profile→java/x.md",
        "npx -y @acme/lint.md",
        "npm install --save-dev @acme/lint.md",
    ],
)
def test_other_words_are_tentative(text: str) -> None:
    """An import only if the file exists: literal otherwise, and never dangling."""
    (one,) = directives(text, "at-import")
    assert one.is_tentative
    library = MemoryLibrary({"a.md": f"x {text} y\n"})
    prompt = library.assemble("a.md")
    assert prompt.text == f"x {text} y\n"
    assert prompt.warnings == ()


def test_a_tentative_word_is_an_import_where_the_file_exists() -> None:
    """`@README` finds README beside the including file, then at the root; no suffix is added to it."""
    assert MemoryLibrary({"d/a.md": "@README\n", "d/README": "read\n"}).assemble("d/a").text == "read\n"
    assert MemoryLibrary({"d/a.md": "@README\n", "README": "read\n"}).assemble("d/a").text == "read\n"
    assert MemoryLibrary({"d/a.md": "@README\n", "d/README.md": "read\n"}).assemble("d/a").text == "@README\n"


def test_arguments_in_a_word_that_is_no_import_are_filled() -> None:
    """`@$0` is how Claude Code commands name a file: the argument goes in, the `@` stays."""
    library = MemoryLibrary(
        {"a.md": "Review @$0 and @{{x}}/y.md\n@notes\n", "v.md": "---\nvariables: [x]\n---\n"}
    )
    filled = library.assemble("a.md", arguments="src/x.py", variables={"x": "@a.md"})
    assert filled.text == "Review @src/x.py and @@a.md/y.md\n@notes\n"


# -- one module and one line ------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "dialects.md"


def test_a_new_dialect_is_one_module_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module shown in docs/dialects.md works with all rules once its one line is in the registry."""
    module: dict[str, Any] = {}
    exec(PAGE.read_text().partition("```python\n")[2].partition("```\n")[0], module)
    monkeypatch.setitem(DIALECTS, "partial", module["DIALECT"])
    library = MemoryLibrary(
        {"a.md": "---\nname: a\n---\n`{{> b}}`\n  {{> b}}\n{{> gone}}\n", "b.md": "B"},
        dialects=[*ALL, "partial"],
    )
    prompt = library.assemble("a")
    assert prompt.text == "`{{> b}}`\nB\n"
    assert prompt.reasons == [("a.md", "included"), ("b.md", "included"), ("gone", "missing")]
    assert [(warning.id, warning.line, warning.target) for warning in prompt.warnings] == [
        ("a.md", 6, "gone")
    ]


def test_a_configuration_names_them_or_all() -> None:
    """In its own order; `all` has those of later versions too; a wrong name is told what there is."""
    assert resolved(("at-import", "include")) == ("at-import", "include")
    assert resolved(("all",)) == resolved(("include", "all")) == tuple(DIALECTS)
    assert resolved(()) == ()
    with pytest.raises(ConfigError, match=r"roots\.dialects: no dialect 'x'; there are: all, include, "):
        resolved(("x",))


def test_the_page_shows_every_dialect() -> None:
    """A row in the reference of docs/dialects.md for each."""
    page = PAGE.read_text()
    assert [name for name in DIALECTS if f"| `{name}` |" not in page] == []


def test_the_registry_names_each_dialect_as_it_names_itself() -> None:
    """The name in the configuration is the name on the dialect and on its directives."""
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in DIALECTS}
    assert set(ALL) == set(DIALECTS)
