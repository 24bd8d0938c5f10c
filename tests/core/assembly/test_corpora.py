"""Two real libraries, if $PROMPTD_CORPORA has them: independently counted figures, and properties."""

import re
from functools import cache

import pytest

from promptd.core.assembly.skeleton import Rules
from promptd.core.library.check import CheckReport, check
from tests.core.builders import Assembled, MemoryLibrary
from tests.corpora import MISSING, has_corpora, root_of

PROMPTS = ("commands/**", "agents/**")

pytestmark = pytest.mark.skipif(not has_corpora(), reason=MISSING)


@cache
def corpus(name: str) -> MemoryLibrary:
    """All files of a corpus in memory."""
    root = root_of(name)
    files = {
        path.relative_to(root).as_posix(): path.read_bytes().decode() for path in sorted(root.rglob("*.md"))
    }
    return MemoryLibrary(
        files, aliases={"~/.claude/get-shit-done": "get-shit-done"} if name == "gsd" else None
    )


@cache
def report(name: str) -> CheckReport:
    """The check of a corpus."""
    return check(corpus(name).library, PROMPTS)


@cache
def prompts(name: str) -> dict[str, Assembled]:
    """Every file of a corpus, assembled."""
    library = corpus(name)
    return {id: library.assemble(id) for id in library.texts}


def test_the_figures_of_swm_factory() -> None:
    """1,001 directives, 877 distinct edges, 115 dangling to 90 missing files, and no false cycle."""
    found = report("swm-factory")
    assert (found.components, found.directives, found.edges) == (280, 1001, 877)
    assert len(found.dangling) == 115
    assert len({dangling.target for dangling in found.dangling}) == 90
    assert (found.cycles, found.errors) == ((), ())
    graph = corpus("swm-factory").library.graph
    assert max(len(graph.dependents(id)) for id in corpus("swm-factory").texts) == 99


@pytest.mark.parametrize("name", ["swm-factory", "gsd"])
def test_every_dangling_reference_stands_where_it_is_said_to(name: str) -> None:
    """File and line lead to the written target."""
    for dangling in report(name).dangling:
        line = corpus(name).texts[dangling.id].splitlines()[dangling.line - 1]
        assert dangling.target in line, dangling


@pytest.mark.parametrize("name", ["swm-factory", "gsd"])
def test_every_file_assembles_and_every_gap_is_said(name: str) -> None:
    """Spans lie inside the prompt, and each missing piece has its warning."""
    for id, prompt in prompts(name).items():
        assert prompt.manifest[0].id == id
        assert all(0 <= start <= end <= len(prompt.text) for start, end in (e.span for e in prompt.manifest))
        missing = [entry for entry in prompt.manifest if entry.reason == "missing"]
        assert len({(entry.chain) for entry in missing}) == len(
            [warning for warning in prompt.warnings if warning.kind == "missing"]
        ), id


def test_examples_of_swm_factory_stay_literal() -> None:
    """Two components show themselves in a fence: their text still holds the example, and no cycle is seen."""
    library = corpus("swm-factory")
    shown = [
        id
        for id, text in library.texts.items()
        if f"<include>{id}</include>" in text and id.startswith("components")
    ]
    assert shown
    for id in shown:
        assert f"<include>{id}</include>" in prompts("swm-factory")[id].text


def test_gsd_resolves_its_home_through_the_alias() -> None:
    """No reference below the alias dangles; what dangles leads elsewhere."""
    found = report("gsd")
    assert found.cycles == ()
    assert not [one for one in found.dangling if one.target.startswith("~/.claude/get-shit-done/")]
    assert "leads to a home directory" in next(one.reason for one in found.dangling if "$HOME" in one.target)


def test_placeholders_of_gsd_stay_literal() -> None:
    """`{phase_dir}` and its like come out as often as they go in, and `$ARGUMENTS` without arguments too."""
    placeholder = re.compile(r"\{phase_dir\}|\{phase_number\}|\$ARGUMENTS")
    library = corpus("gsd")
    counted = 0
    for id, prompt in prompts("gsd").items():
        pieces = [entry.id for entry in prompt.manifest if entry.reason == "included"]
        bodies = [library.texts[piece][_body_start(library, piece) :] for piece in pieces]
        expected = sum(len(placeholder.findall(body)) for body in bodies)
        assert len(placeholder.findall(prompt.text)) == expected, id
        counted += expected
    assert counted > 100


def _body_start(library: MemoryLibrary, id: str) -> int:
    component = library.library.get(id)
    assert component is not None
    return component.parsed.body_start


@pytest.mark.parametrize("name", ["swm-factory", "gsd"])
def test_text_of_real_files_is_untouched(name: str) -> None:
    """With nothing put in and missing ones kept, all but the includes that resolve is there as written."""
    library = corpus(name)
    for id, text in library.texts.items():
        component = library.library.get(id)
        assert component is not None
        expected, position = "", component.parsed.body_start
        for link in component.links:
            if link.target is not None and not (link.directive.is_prepended or link.directive.is_import):
                expected += text[position : link.directive.start]
                position = link.directive.end
        assert (
            library.assemble(id, rules=Rules(missing="keep", max_depth=0)).text == expected + text[position:]
        )


def test_arguments_reach_the_commands_of_gsd() -> None:
    """`$ARGUMENTS` is replaced verbatim; a command without a place for them gets them appended."""
    library = corpus("gsd")
    for id in library.texts:
        if id.startswith("commands/"):
            prompt = library.assemble(id, arguments="--wave 2 '{phase_dir}'")
            assert "--wave 2 '{phase_dir}'" in prompt.text, id
            assert "$ARGUMENTS" not in prompt.text.replace("\\$ARGUMENTS", ""), id
