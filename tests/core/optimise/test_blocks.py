"""How a prompt is read: elements, sections, items, leaves; and laws of the tree over hostile text."""

import pytest
from hypothesis import given, settings

from promptd.core.optimise.anchors import anchors
from promptd.core.optimise.blocks import read
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Block
from promptd.core.optimise.units import sentences
from tests.core.optimise.texts import anything
from tests.suite.examples import examples


@settings(max_examples=examples(300), deadline=None)
@given(text=anything)
def test_blocks_nest_and_follow_one_another(text: str) -> None:
    """Children lie inside their container, in order, without overlap; anchors are sorted and disjoint."""
    page = read(text)
    for block in page.root.walk():
        assert block.start <= block.head <= block.end
        position = block.start
        for child in block.children:
            assert position <= child.start <= child.end <= block.end
            position = child.end
    position = 0
    for anchor in page.anchors:
        assert position <= anchor.start <= anchor.end
        position = anchor.end


def shape(block: Block) -> list[object]:
    """A tree as nested lists of kinds."""
    return [block.kind, *(shape(child) for child in block.children)]


def test_elements_sections_and_lists_nest() -> None:
    """Markdown inside an XML-shaped element, indented as XML is."""
    text = (
        "# Top\n<step>\n    1. one\n       - two\n         more of two\n\n    ## In it\n    text\n</step>\n"
    )
    assert shape(read(text).root) == [
        "root",
        ["section", ["element", ["item", ["item"]], ["section", ["paragraph"]]]],
    ]


def test_an_element_needs_both_tags() -> None:
    """What is not closed, or closed only, is a line that is a tag."""
    assert shape(read("<a>\ntext\n").root) == ["root", ["tag"], ["paragraph"]]
    assert shape(read("text\n</a>\n").root) == ["root", ["paragraph"], ["tag"]]
    assert shape(read("<a><b>\nx\n</b></a>\n").root) == ["root", ["element", ["element", ["paragraph"]]]]


def test_indented_text_is_code_only_outside_elements() -> None:
    """XML-shaped prompts indent their prose (FORMATS): there four columns say nothing."""
    assert shape(read("text\n\n    x = 1\n").root) == ["root", ["paragraph"], ["code"]]
    assert shape(read("<a>\n\n    prose\n</a>\n").root) == ["root", ["element", ["paragraph"]]]


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("see `a b` there", "code", "`a b`"),
        ("go to https://e.org/x?y=1.", "url", "https://e.org/x?y=1."),
        ("in src/main.py now", "path", "src/main.py"),
        ("use --force then", "path", "--force"),
        ("at most 30% of it", "number", "30%"),
        ("for {name} and on", "placeholder", "{name}"),
        ("from $ARGUMENTS on", "placeholder", "$ARGUMENTS"),
        ("fill [main files] in", "placeholder", "[main files]"),
        ('say "so be it" now', "quote", '"so be it"'),
        ("a <b> tag", "tag", "<b>"),
    ],
)
def test_anchors_of_a_sentence(text: str, kind: str, written: str) -> None:
    """Each kind of anchor is found as it is written."""
    found = [(anchor.kind, text[anchor.start : anchor.end]) for anchor in anchors(text)]
    assert (kind, written) in found


def test_keep_regions_end_where_they_say_or_with_the_text() -> None:
    """Marks inside code are examples."""
    text = "a <!-- keep -->b<!-- /keep --> c `<!-- keep -->` d"
    regions = [text[anchor.start : anchor.end] for anchor in anchors(text) if anchor.kind == "keep"]
    assert regions == ["<!-- keep -->b<!-- /keep -->"]
    open_ended = "a\n<!-- keep -->\nb 1\n"
    assert [anchor.kind for anchor in anchors(open_ended)] == ["keep"]


@pytest.mark.parametrize(
    "text",
    [
        "You MUST go.", "do not go", "Don't go", "only here", "CRITICAL", "Important: x", "- No emojis.",
        "It isn't to be sent.", "Refrain from jokes.", "Nunca borres archivos.", "Dateien niemals löschen.",
        "Ne supprimez jamais un fichier.", "Никогда не удаляй файлы.",
        "不得删除文件。", "必ず確認する。", "반드시 확인한다.",
    ],
)  # fmt: skip
def test_what_instructs(text: str) -> None:
    """Modal words in any case, and nouns that stand as marks."""
    assert is_instructing(text)


@pytest.mark.parametrize(
    "text", ["the critical path", "gather requirements", "an important customer", "musty", "say no more"]
)
def test_what_does_not_instruct(text: str) -> None:
    """Adjectives and nouns in a sentence."""
    assert not is_instructing(text)


def test_sentences_are_not_cut_in_wrapped_lines_or_after_abbreviations() -> None:
    """A fragment must not be taken for a unit."""
    text = (
        "Prose that was wrapped by its author at about eighty columns\ngoes on here. See e.g. that one. End\n"
        "❌ no\n"
    )
    page = read(text)
    found = [text[start:end].strip() for start, end in sentences(page, 0, len(text))]
    assert found == [text[: text.index(" See")].strip(), "See e.g. that one.", "End", "❌ no"]
