"""What `check` says besides faults: with the file, the line, and the name that was meant."""

import pytest

from promptd.core.library.check import check, missing_sections, required_sections
from promptd.core.library.library import Library
from promptd.core.library.lint import MAX_COMPARED, did_you_mean, lints, missing_alias, with_near_names
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.protocol.records import Dangling, Problem
from tests.core.builders import DIALECTS, MemoryLibrary


def remarks(files: dict[str, str], configured: tuple[str, ...] = (), *lookalikes: str) -> list[Problem]:
    """All remarks on a library of these files."""
    places = [Place(0, id) for id in lookalikes]
    return list(lints(MemoryLibrary(files).library, configured, places))


@pytest.mark.parametrize("written", ["{{channel}}", "{channel}", "{{ channel }}"])
def test_a_name_in_braces_that_nothing_fills_is_listed(written: str) -> None:
    """With file and line."""
    message = f"`{written}` is declared nowhere: it stays as written"
    assert remarks({"a.md": f"---\nname: x\n---\ny\nPost to {written}.\n"}) == [
        Problem("placeholder", "a.md", 5, message)
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"a.md": "---\nvariables: [channel]\n---\n{{channel}}"},
        {"a.md": "{{channel}}", "b.md": "---\nvariables: [channel]\n---\n"},
        {"a.md": "{{channel}} {{channel|general}}"},
        {"a.md": "`{{channel}}`\n```\n{channel}\n```\n<!-- {channel} -->"},
        {"a.md": '${channel} {{channel|upper}} {"channel": 1}'},
    ],
)
def test_what_is_declared_or_an_example_is_not_listed(files: dict[str, str]) -> None:
    """By front matter or inline, in any file; code and comments show examples."""
    assert remarks(files) == []


def test_configured_names_are_declared_and_several_are_one_remark() -> None:
    """Each with its line; of very many how many more."""
    text = "{a} {b}\n{c}\n"
    (problem,) = remarks({"a.md": text}, ("a",))
    assert problem.message == "`{b}` (line 1) and `{c}` (line 2) are declared nowhere: they stay as written"
    many = "".join(f"{{n{number}}}\n" for number in range(9))
    assert remarks({"a.md": many})[0].message.endswith(
        "`{n4}` (line 5) and 4 more are declared nowhere: they stay as written"
    )


def test_a_file_whose_suffix_differs_in_case_is_said() -> None:
    """Unless a directive made a component of it."""
    message = "not a component: the suffix .MD differs in case from .md"
    assert remarks({"a.md": "x"}, (), "d/B.MD") == [Problem("suffix", "d/B.MD", 1, message)]
    assert remarks({"a.md": "x", "B.MD": "x"}, (), "B.MD") == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("parts/severty.md", "parts/severity.md"),
        ("severity.md", "parts/severity.md"),
        ("part/severity", "parts/severity.md"),
        ("parts/severity.dm", "parts/severity.md"),
        ("parts/zzz.md", ""),
        ("gone.md", ""),
        ("", ""),
        ("x" * 5_000, ""),
    ],
)
def test_a_path_that_does_not_exist_is_held_against_those_that_do(written: str, meant: str) -> None:
    """By its last segment; what resembles nothing suggests nothing."""
    suggested = did_you_mean(written, ["parts/severity.md", "lone.md"], are_paths=True)
    assert suggested == (f"; did you mean {meant!r}?" if meant else "")


def test_near_names_stand_in_the_report() -> None:
    """For includes and for sections, beside file and line."""
    files = {
        "a.md": "<include>parts/sevrity.md</include>\n<include>b.md#Overviw</include>\n",
        "b.md": "# Overview\n",
    }
    library = MemoryLibrary(files | {"parts/severity.md": ""}).library
    reading = Reading(Place(0, "b.md"), text=files["b.md"], parsed=parse(files["b.md"], DIALECTS))
    lost = missing_sections(required_sections(library), [reading])
    assert lost == (
        Dangling("a.md", 2, "b.md#Overviw", "has no section 'Overviw'; did you mean 'Overview'?"),
    )
    assert check(library, ()).dangling == (
        Dangling("a.md", 1, "parts/sevrity.md", "does not exist; did you mean 'parts/severity.md'?"),
    )
    prompt = MemoryLibrary(files | {"parts/severity.md": ""}).assemble("a")
    assert "has no section 'Overviw'; did you mean 'Overview'?" in prompt.warnings[1].message


def test_of_very_many_only_the_first_are_compared() -> None:
    """A library that was moved whole has thousands; each is named, some with a suggestion."""
    ids = [f"f{number}.md" for number in range(1000)]
    dangling = [Dangling("a.md", line, f"x/f{line}.txt", "missing") for line in range(1, 1000)]
    few = list(with_near_names(dangling[:3], ids))
    assert [each.reason for each in few] == [f"missing; did you mean 'f{line}.md'?" for line in (1, 2, 3)]
    assert MAX_COMPARED // len(ids) == 1000
    assert [each.reason for each in with_near_names(dangling[:2], ids * 600)] == [few[0].reason, "missing"]


def test_a_word_in_requires_that_names_nothing_here_is_not_said() -> None:
    """It may name a skill of an assistant; a path is one, and a file beside this one is an edge."""
    files = {"c/a.md": "---\nrequires: [b, phase, c/gone.md]\n---\n", "c/b.md": ""}
    library = MemoryLibrary(files).library
    report = check(library, ())
    assert [(problem.kind, problem.line) for problem in report.warnings] == [("requires", 2)]
    assert "'c/gone.md'" in report.warnings[0].message
    assert list(library.graph.requires("c/a.md", hard_only=False)) == ["c/b.md"]


@pytest.mark.parametrize(
    "components",
    ["[Button, Card]", "{button: {color: red}}", "{button: {path: 1}}", "Button", "[{name: x}]", "5",
     "A design system of all, and/or some."],
)  # fmt: skip
def test_components_that_are_no_paths_are_another_key(components: str) -> None:
    """Design tokens and the like: nothing is put in, nothing is said."""
    library = MemoryLibrary({"a.md": f"---\ncomponents: {components}\n---\nx\n"})
    prompt = library.assemble("a")
    assert (prompt.text, prompt.warnings) == ("x\n", ())
    assert check(library.library, ()).warnings == ()


def test_components_that_are_paths_or_exist_are_ours() -> None:
    """A word without a suffix counts if there is such a file; a wrong item beside a path is said."""
    files = {"a.md": "---\ncomponents: [b, c.md, gone.md, {x: [y]}]\n---\nx\n", "b.md": "B\n", "c.md": "C\n"}
    prompt = MemoryLibrary(files).assemble("a")
    assert prompt.text == "B\nC\nx\n"
    assert prompt.kinds == ["malformed-include", "missing"]
    assert prompt.warnings[0].message == "an item of `components` is not a path and is left out: `x: [y]`"


def test_a_path_that_ends_as_an_id_does_means_that_id() -> None:
    """Not one of a more similar name elsewhere."""
    ids = ["commands/add.md", "work/add.md", "work/sub/ADD.md"]
    (found,) = with_near_names([Dangling("a.md", 1, "~/.claude/work/add.md", "missing")], ids)
    assert found.reason == "missing; did you mean 'work/add.md'?"


def test_an_alias_that_would_find_most_is_proposed() -> None:
    """With the line for the configuration; never for a single path, nor where nothing would be found."""
    targets = ["~/.claude/work/a.md", "$HOME/.claude/work/b.md", "~/.claude/work/gone.md", "x/a.md"]
    dangling = [Dangling("m.md", line, target, "missing") for line, target in enumerate(targets, 1)]
    (problem,) = missing_alias(dangling, ["work/a.md", "work/b.md", "m.md"])
    assert problem.message == (
        "2 of 4 dangling includes begin with `~/.claude/` and exist in the library;"
        ' add under [library.aliases]: "~/.claude" = ""'
    )
    assert list(missing_alias(dangling, ["work/a.md"])) == []


def test_what_an_earlier_root_hides_is_said_once() -> None:
    """With the names; a file that is alone in its root is not among them."""
    library = Library(NamingRules((".md",)), roots=2)
    for root, id in ((0, "a.md"), (1, "a.md"), (0, "b.md"), (1, "c.md"), (0, "d/e.md"), (1, "d/e.md")):
        signature = FileSignature(1, 2 + root, 1, 1, 1)
        library.apply([Reading(Place(root, id), signature, 9, f"{root}{id}", "x", parse("x", DIALECTS))])
    message = "2 files are hidden by one of the same name in an earlier root: a.md, d/e.md"
    assert list(lints(library, (), ())) == [Problem("hidden", "", 0, message)]
