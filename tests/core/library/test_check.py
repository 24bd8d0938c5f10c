"""The check of a library: what dangles, what is cyclic, invalid, unused or doubtful, and the trees."""

from typing import Any

import msgspec

from promptd.core.library.check import (
    check,
    edges,
    kind_of,
    missing_sections,
    required_sections,
    tree,
)
from promptd.core.library.library import Link
from promptd.core.syntax.component import Reading
from promptd.core.syntax.parse import parse
from promptd.errors import EncodingError
from promptd.protocol.records import Dangling, GraphEdge, Problem, TreeNode
from tests.core.builders import DIALECTS, MemoryLibrary

FILES = {
    "commands/a.md": "---\nrequires: [parts/r.md, soft.md]\n---\n@../parts/b.md\n{{component: gone.md}}\n",
    "parts/b.md": "---\nhint: [a] [b]\n---\n{{component: parts/c.md}}\n@&./r.md\n{{component: parts/c}}\n",
    "parts/c.md": "@?nowhere.md @media\n",
    "parts/r.md": "R\n",
    "parts/lone.md": "L\n",
    "x.md": "<include>y.md</include>\n",
    "y.md": "\n<include>x.md</include>\n",
}
PROMPTS = ("commands/**",)


def test_counts() -> None:
    """Components; directives, soft and tentative ones left out; pairs one of which names the other."""
    library = MemoryLibrary(FILES).library
    report = check(library, PROMPTS)
    assert (report.components, report.directives, report.edges) == (7, 8, 6)
    counts = library.statistics()
    assert (counts.components, counts.edges, counts.dangling) == (7, 6, len(report.dangling))
    assert not report.ok


def test_what_dangles_is_named_with_file_line_and_reason() -> None:
    """Optional, tentative and soft ones do not dangle."""
    report = check(MemoryLibrary(FILES).library, PROMPTS)
    assert report.dangling == (Dangling("commands/a.md", 5, "gone.md", "does not exist"),)


def test_a_section_that_is_not_there_dangles() -> None:
    """Only where the file exists and the section is not optional; an unreadable file is skipped."""
    files = {
        "a.md": "{{component: b.md#Yes}}\n{{component: b.md#no}}\n{{component: c.md#no}}\n@?./b.md#no\n",
        "b.md": "# Yes\n",
    }
    library = MemoryLibrary(files).library
    required = required_sections(library)
    parsed = parse(files["b.md"], DIALECTS)
    lost = missing_sections(required, [Reading(required[0].place, text=files["b.md"], parsed=parsed)])
    assert lost == (Dangling("a.md", 2, "b.md#no", "has no section 'no'"),)
    report = check(library, (), lost=lost)
    assert report.missing_sections == lost
    assert [(each.line, each.target) for each in report.dangling] == [(3, "c.md")]
    assert not check(library, (), lost=lost).ok
    assert missing_sections(required, []) == ()


def test_cycles_are_named_once_with_their_lines() -> None:
    """One chain for each cycle, from its first id on."""
    assert check(MemoryLibrary(FILES).library, PROMPTS).cycles == (("x.md:1", "y.md:2", "x.md"),)


def test_imports_that_lead_back_are_warnings() -> None:
    """They are skipped where they would go round, so nothing is refused: said with file and line."""
    library = MemoryLibrary({"a.md": "x\n@b.md\n", "b.md": "See @a.md.\n", "CLAUDE.md": "Keep @CLAUDE.md.\n"})
    report = check(library.library, ())
    assert (report.cycles, report.ok) == ((), True)
    assert [(each.kind, each.id, each.line) for each in report.warnings] == [
        ("cycle", "CLAUDE.md", 1), ("cycle", "a.md", 2), ("cycle", "b.md", 1),
    ]  # fmt: skip


def test_an_import_that_claude_code_skips_is_a_warning_in_memory_files() -> None:
    """It takes the punctuation for part of the path. Here it is imported, without a warning of the prompt."""
    text = "@b.md: the rules\nRead @b.md, @Next.js, and @b.md.\n"
    library = MemoryLibrary({"CLAUDE.md": text, "x.md": text, "b.md": "B\n"})
    assert [(each.id, each.line, each.message[:28]) for each in check(library.library, ()).warnings] == [
        ("CLAUDE.md", 1, "Claude Code skips `@b.md:`: "),
        ("CLAUDE.md", 2, "Claude Code skips `@b.md,`: "),
    ]
    assert library.assemble("CLAUDE").warnings == ()


def test_a_glob_without_a_match_says_so() -> None:
    """One of the configuration that is not among the usual ones; a directive's says that it is none."""
    library = MemoryLibrary({"a.md": "---\nincludes: [parts/*.md]\n---\n"}).library
    report = check(library, ("commands/**", "cmds/**", "*.md"), usual=("commands/**",))
    assert [(each.kind, each.message) for each in report.warnings] == [
        ("prompts", "library.prompts: no component matches 'cmds/**'")
    ]
    assert "patterns are not expanded" in report.dangling[0].reason


def test_what_is_not_listed_is_counted_nowhere() -> None:
    """A file that a request alone named: `check`, `graph` and the statistics say the same without it."""
    files = MemoryLibrary({"a.md": "A\n", "raw.xml": "<include>a.md</include><include>gone</include>"})
    counts, report = files.library.statistics(), check(files.library, ())
    assert (counts.components, counts.edges, counts.dangling) == (1, 0, 0)
    assert (report.components, report.edges, len(report.dangling)) == (1, 0, 0)
    assert files.library.dependents("a.md") == []


def test_several_directives_make_one_edge() -> None:
    """With all their lines, and the kind that puts text in if one does."""
    a = MemoryLibrary({"a.md": "@&b.md\n\n{{component: b.md}}\n", "b.md": ""}).library.get("a.md")
    assert a is not None
    assert list(edges(a)) == [GraphEdge("a.md", "b.md", 1, "includes", (1, 3))]


def test_unused_is_what_no_prompt_reaches() -> None:
    """By any kind of edge; without prompts in the library, what has no dependents counts as one."""
    assert check(MemoryLibrary(FILES).library, PROMPTS).unused == ("parts/lone.md", "x.md", "y.md")
    assert check(MemoryLibrary(FILES).library, ("nothing/**",)).unused == ("x.md", "y.md")


def test_warnings_are_what_an_author_should_look_at() -> None:
    """Problems of the scan, diagnostics of files with their line, soft requirements that lead nowhere."""
    report = check(MemoryLibrary(FILES).library, PROMPTS, ["/x: cannot be listed"])
    assert [(warning.kind, warning.id, warning.line) for warning in report.warnings] == [
        ("scan", "", 0),
        ("requires", "commands/a.md", 2),
        ("front-matter", "parts/b.md", 2),
    ]
    assert "soft.md" in report.warnings[1].message


def test_a_file_that_cannot_be_used_is_an_error() -> None:
    """With the type its error has on the wire."""
    report = check(
        MemoryLibrary({"a.md": "x", "b.md": EncodingError("b.md is not UTF-8", id="b.md")}).library, PROMPTS
    )
    assert report.errors == (Problem("promptd.EncodingError", "b.md", 0, "b.md is not UTF-8"),)
    assert not report.ok


def test_a_library_in_order_is_ok() -> None:
    """Warnings alone are no problem."""
    report = check(MemoryLibrary({"a.md": "@b.md\n", "b.md": "---\nhint: [a] [b]\n---\n"}).library, PROMPTS)
    assert report.ok
    assert report.warnings


def shown(root: TreeNode) -> Any:
    """Return a tree as it is sent: only the fields that a node has."""
    return msgspec.json.decode(msgspec.json.encode(root))


def test_the_tree_below_a_component() -> None:
    """Every edge with its line and kind, a component as often as it is used."""
    below = shown(tree(MemoryLibrary(FILES).library, "commands/a.md"))
    assert [(child["id"], child["line"], child["kind"]) for child in below["children"]] == [
        ("parts/r.md", 2, "requires"),
        ("parts/b.md", 4, "includes"),
    ]
    assert [(child["id"], child["line"], child["kind"]) for child in below["children"][1]["children"]] == [
        ("parts/c.md", 4, "includes"),
        ("parts/r.md", 5, "reference"),
        ("parts/c.md", 6, "includes"),
    ]


def test_the_tree_above_a_component() -> None:
    """Who uses it, with the line in the user's file."""
    above = shown(tree(MemoryLibrary(FILES).library, "parts/c.md", reverse=True))
    assert [(child["id"], child["line"]) for child in above["children"]] == [
        ("parts/b.md", 4),
        ("parts/b.md", 6),
    ]
    assert above["children"][0]["children"] == [
        {"line": 4, "kind": "includes", "id": "commands/a.md", "children": []}
    ]


def test_a_tree_is_bounded_and_survives_cycles() -> None:
    """A node that leads to itself is marked and not opened; depth and size cut the rest off, marked too."""
    library = MemoryLibrary(FILES).library
    assert shown(tree(library, "x.md"))["children"][0]["children"][0] == {
        "line": 2, "kind": "includes", "id": "x.md", "cycle": True, "children": [],
    }  # fmt: skip
    assert shown(tree(library, "x.md", depth=1))["children"][0]["truncated"] is True
    tower = {f"f{n}.md": f"<include>f{n + 1}.md</include>\n" * 2 for n in range(60)}
    library = MemoryLibrary(tower | {"f60.md": ""}).library
    assert str(shown(tree(library, "f0.md", limit=100))).count("'id'") == 99


def test_kinds_of_links() -> None:
    """Soft ones require, references refer, all others include."""
    links = [link for id in ("commands/a.md", "parts/b.md") for link in _links(id)]
    assert [kind_of(link) for link in links][:4] == ["requires", "requires", "includes", "includes"]


def _links(id: str) -> tuple[Link, ...]:
    component = MemoryLibrary(FILES).library.get(id)
    assert component is not None
    return component.links
