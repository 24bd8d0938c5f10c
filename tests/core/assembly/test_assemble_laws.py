"""Laws of assembling, for libraries of any shape and texts of any kind."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.skeleton import ImportRules, Rules
from tests.core.builders import LAW, MemoryLibrary

IDS = ["a.md", "b.md", "c.md", "d/e.md"]
PIECES = st.sampled_from(
    ["x", "😀", "\n", "\r\n", "  ", "- ", "> ", "`", "```\n", "<!--", "-->", "{v}", "{{w|z()}}", "$1",
     "# H\n", "# S\n",
     "---\n", "<include>gone.md</include>", "@README", "{{component: d/e.md}}", "<include>b.md</include>",
     "<include>\nc.md\n</include>", "@?c.md", "@&b.md", "@c.md#h", "{{component: b.md}}",
     "see @b.md now", "\n@c.md\n"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def acyclic(texts: list[str]) -> dict[str, str]:
    """Files in which each may name only later ones: directives to itself or earlier ones are removed."""
    files = {}
    for index, (id, text) in enumerate(zip(IDS, texts, strict=True)):
        for earlier in IDS[: index + 1]:
            text = text.replace(earlier.removesuffix(".md"), "gone")
        files[id] = text
    return files


FILES = st.lists(TEXTS, min_size=4, max_size=4).map(acyclic)


@LAW
@given(FILES, st.sampled_from(["warn", "keep"]), st.booleans())
def test_the_manifest_slices_the_prompt(files: dict[str, str], missing: str, once: bool) -> None:
    """Spans lie inside the prompt, children inside parents, siblings in order; the root spans everything."""
    prompt = MemoryLibrary(files).assemble("a", rules=Rules(missing=missing, once=once))  # type: ignore[arg-type]
    spans = {(): (0, len(prompt.text))}
    reached = {(): 0}
    assert prompt.manifest[0].span == (0, len(prompt.text))
    for entry in prompt.manifest[1:]:
        parent = entry.chain[:-1]
        start, end = entry.span
        assert spans[parent][0] <= start <= end <= spans[parent][1]
        assert reached[parent] <= start
        reached[parent] = end
        spans[entry.chain], reached[entry.chain] = entry.span, start


@LAW
@given(FILES)
def test_same_inputs_same_bytes(files: dict[str, str]) -> None:
    """Whatever the order in which the files were met."""
    one = MemoryLibrary(files).assemble("a")
    other = MemoryLibrary(dict(reversed(files.items()))).assemble("a")
    assert one == other


@LAW
@given(TEXTS)
def test_text_outside_directives_is_untouched(text: str) -> None:
    """With every directive claimed by none, the prompt is the body, byte for byte."""
    library = MemoryLibrary({"a.md": text}, dialects=())
    start = library.plan("a.md").members[0].parsed.body_start
    assert library.assemble("a").text == text[start:]


@LAW
@given(TEXTS)
def test_text_between_directives_is_untouched(text: str) -> None:
    """With nothing to include, the prompt is what is written between the spans, and at those of imports."""
    library = MemoryLibrary({"a.md": text})
    parsed = library.plan("a.md").members[0].parsed
    expected, position = "", parsed.body_start
    for directive in parsed.directives:
        goes = directive.is_optional and directive.is_alone and not directive.is_tentative
        expected += text[position : directive.end if directive.is_import and not goes else directive.start]
        position = directive.end
    assert library.assemble("a").text == expected + text[position:]


@LAW
@given(st.lists(TEXTS, min_size=4, max_size=4), st.sampled_from(["inline", "after", "marked"]), st.booleans())
def test_cycles_of_imports_end_and_are_said(texts: list[str], placement: str, once: bool) -> None:
    """Whatever imports what: there is a prompt, and each import that would go round is a warning."""
    files = {
        id: text.replace("include", "x").replace("component", "x")
        for id, text in zip(IDS, texts, strict=True)
    }
    library = MemoryLibrary(files)
    rules = Rules(imports=(ImportRules(placement, max_hops=64, is_once=once),))  # type: ignore[arg-type]
    prompt = library.assemble("a", rules=rules)
    assert all(
        entry.id not in inside(entry.chain[:-1]) for entry in prompt.manifest if entry.reason == "included"
    )
    cycles = [entry for entry in prompt.manifest if entry.reason == "cycle"]
    assert all(entry.id in inside(entry.chain) for entry in cycles)
    assert {entry.chain for entry in cycles} == {
        each.chain for each in prompt.warnings if each.kind == "cycle"
    }


def inside(chain: tuple[str, ...]) -> set[str]:
    """The ids of a chain."""
    return {each.rpartition(":")[0] for each in chain}
