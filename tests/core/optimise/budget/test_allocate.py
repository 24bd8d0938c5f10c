"""Budgets: what is chosen fits, says why, keeps what has to be kept, and every loss can be had back."""

import re
from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.budget.allocate import Allocation, allocate
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.cut import TextCutter
from promptd.core.optimise.budget.own_text import OwnText
from promptd.core.optimise.budget.records import Variants
from promptd.core.optimise.budget.tree import Node, grow, raw
from promptd.core.optimise.budget.variants import variants_of
from promptd.core.optimise.strategies import STRATEGIES
from promptd.core.tokens.cost import TokenBudget
from promptd.errors import OverBudget
from tests.core.builders import LAW
from tests.core.optimise.budget.bench import Bench, count


def within(bench: Bench, budget: int, reserve: int = 0, **values: str) -> Allocation:
    """Allocate a budget on the bench."""

    def of(node: Node, hints: AuthorHints) -> Variants:
        return variants_of(node, STRATEGIES, bench.tools, hints)

    @cache
    def cutter_of(node: Node, *, is_first: bool) -> TextCutter:
        return TextCutter(OwnText(node), bench.tools, is_first=is_first)

    return allocate(
        bench.skeleton,
        bench.author_hints,
        of,
        lambda skeleton: bench.filled(skeleton, **values),
        count,
        TokenBudget(budget, reserve),
        cutter_of,
    )


def prose(subject: str, sentences: int) -> str:
    """Sentences that say something different each, about one subject."""
    verbs = ("reads", "writes", "checks", "sorts", "files", "weighs", "names", "closes", "opens", "moves")
    return "".join(
        f"The {subject} {verbs[n % 10]} its {subject}{n} record, slowly and with {subject}{n + 7} care.\n\n"
        for n in range(sentences)
    )


FILES = {
    "a.md": f"# Task\n\n{prose('root', 4)}<include>b.md</include>\n\n<include>c.md</include>\n",
    "b.md": "---\ndescription: How to report\npriority: 0.9\n---\n"
    f"{prose('report', 20)}<include>d.md</include>\n",
    "c.md": f"---\ndescription: Background\npriority: 0.1\n---\n{prose('background', 20)}",
    "d.md": prose("detail", 10),
}
WHOLE = count(Bench(FILES).text(Bench(FILES).skeleton))


def variants(found: Allocation) -> Mapping[str, str]:
    """The variant of every component."""
    return {row.id: row.variant for row in found.rows}


def test_what_fits_is_as_it_is() -> None:
    """A budget that is large enough changes not a byte."""
    bench = Bench(FILES)
    found = within(bench, WHOLE)
    assert found.filled.text == bench.text(bench.skeleton)
    assert set(variants(found).values()) == {"as is"}
    assert not bench.had_back(found.skeleton)


def test_the_author_s_priority_decides() -> None:
    """Where one of two has to be shortened more it is the one with the lower priority."""
    bench = Bench(FILES)
    found = within(bench, WHOLE * 70 // 100)
    chosen = variants(found)
    assert chosen["b.md"] != "reference"
    assert chosen["c.md"] == "cut"
    assert found.rows[-1].quality < min(row.quality for row in found.rows[:-1])
    low = within(bench, WHOLE * 50 // 100)
    assert variants(low)["c.md"] == "reference"
    assert '[reference: "Background" ' in low.filled.text
    assert "promptd get c.md --digest " in low.filled.text
    assert found.tokens == count(found.filled.text) <= WHOLE * 70 // 100


def test_why_something_is_dropped_is_true() -> None:
    """Where even a reference costs more than the text, the account says so."""
    short = {"a.md": "Keep this.\n<include>b.md</include>\n", "b.md": "Two words.\n"}
    rows = within(Bench(short), 4).rows
    assert [(row.variant, row.why) for row in rows] == [
        ("as is", "fits unchanged"),
        ("dropped", "does not fit; a reference would save nothing"),
    ]
    long = {"a.md": short["a.md"], "b.md": prose("long", 9)}
    assert within(Bench(long), 4).rows[1].why == "does not fit"


def test_what_is_left_out_stands_in_the_manifest() -> None:
    """The entry of a component that is a reference, and of all in it, says so and how to have it back."""
    bench = Bench(FILES)
    found = within(bench, WHOLE * 25 // 100)
    reasons = {draft.id: draft.reason for draft in found.skeleton.drafts}
    assert reasons["a.md"] == "included"
    assert reasons["c.md"] == reasons["d.md"] == "dropped"
    back = dict(bench.had_back(found.skeleton))
    assert back["d.md"] == FILES["d.md"]
    assert {row.id: row.why for row in found.rows}["d.md"].startswith("does not fit")
    (b,) = [row for row in found.rows if row.id == "b.md"]
    assert (b.variant, b.why.split(":")[0]) == ("cut", "cut to fit")


def test_impossible_says_the_smallest_that_would_do() -> None:
    """The smallest budget in the error does do, and one token less does not."""
    bench = Bench(FILES)
    with pytest.raises(OverBudget, match="the smallest budget that fits is") as caught:
        within(bench, 10)
    smallest = caught.value.details["smallest"]
    assert within(bench, smallest).tokens <= smallest
    with pytest.raises(OverBudget):
        within(bench, smallest - 1)


def test_the_reserve_is_kept_free() -> None:
    """Budget less reserve is what the prompt may have; the smallest that would do includes the reserve."""
    bench = Bench(FILES)
    assert within(bench, WHOLE, reserve=100).tokens <= WHOLE - 100
    with pytest.raises(OverBudget) as without:
        within(bench, 10)
    with pytest.raises(OverBudget) as caught:
        within(bench, 10, reserve=500)
    assert caught.value.details["smallest"] == without.value.details["smallest"] + 500


@pytest.mark.parametrize("hint", ["optimise: never", "min_tokens: 100000"])
def test_what_the_author_protects_stays(hint: str) -> None:
    """It is in the prompt byte for byte, and so is whatever it stands in."""
    bench = Bench(FILES | {"d.md": f"---\n{hint}\n---\n{FILES['d.md']}"})
    with pytest.raises(OverBudget) as caught:
        within(bench, 10)
    found = within(bench, caught.value.details["smallest"])
    assert FILES["d.md"].strip() in found.filled.text
    assert variants(found)["d.md"] == "as is"
    assert variants(found)["b.md"] not in ("reference", "dropped")


def test_a_limit_is_the_strongest_strategy() -> None:
    """`optimise: conservative` may be left out, but is never rewritten more than that."""
    bench = Bench(FILES | {"c.md": f"---\noptimise: conservative\n---\n{prose('background', 20)}"})
    for share in range(20, 100, 5):
        try:
            found = within(bench, WHOLE * share // 100)
        except OverBudget:
            continue
        assert variants(found)["c.md"] in ("as is", "conservative", "reference", "dropped")


def test_values_count() -> None:
    """Tokens of values are part of the sum, and the choice leaves tokens for them."""
    bench = Bench(FILES | {"a.md": "Hello {name}.\n\n" + FILES["a.md"]})
    long = "word " * 300
    bench_text = bench.text(bench.skeleton, name=long)
    found = within(bench, count(bench_text) - 200, name=long)
    assert long in found.filled.text
    assert found.tokens == count(found.filled.text) <= count(bench_text) - 200


def test_what_is_asked_for_keeps_title_and_first_text() -> None:
    """It is never dropped; the smallest there may be is its title and its first text."""
    text = f"# One\n\n{prose('one', 9)}## Two\n\n{prose('two', 9)}<include>b.md</include>\n## Three\n\nEnd.\n"
    bench = Bench({"a.md": text, "b.md": "Always ask.\n"})
    with pytest.raises(OverBudget) as caught:
        within(bench, 1)
    found = within(bench, caught.value.details["smallest"])
    assert found.filled.text.rstrip() == ("# One\n\n" + prose("one", 1)).rstrip()
    assert variants(found) == {"a.md": "cut", "b.md": "dropped"}
    back = "".join(text for id, text in bench.had_back(found.skeleton) if id == "a.md")
    assert prose("two", 9) in back


def test_titles_alone_are_no_prompt() -> None:
    """Where all text is in what is included, the smallest has the first of it."""
    bench = Bench({"a.md": "# One\n\n<include>b.md</include>\n", "b.md": prose("long", 9)})
    with pytest.raises(OverBudget) as caught:
        within(bench, count("# One"))
    found = within(bench, caught.value.details["smallest"])
    assert found.filled.text.startswith("# One\n\n" + prose("long", 1).rstrip("\n"))
    titles = Bench({"a.md": "# One\n\n## Two\n"})
    assert within(titles, 5).filled.text == "# One\n\n## Two\n"


def test_what_is_kept_is_not_dropped() -> None:
    """The error names it with file, line and the directive; it is shortened without loss at most."""
    spaced = prose("detail", 10).replace("\n\n", "   \n\n\n\n")
    for hint in ("keep: true", "priority: required"):
        bench = Bench(FILES | {"d.md": f"---\n{hint}\n---\n{spaced}"})
        with pytest.raises(OverBudget, match=r"d\.md:1 \(130 tokens, included at b\.md:\d+\) says") as caught:
            within(bench, 100)
        assert caught.value.details["kept"] == ["d.md"]
        found = within(bench, caught.value.details["smallest"])
        assert variants(found)["d.md"] in ("as is", "conservative")
        assert re.findall(r"\w+", prose("detail", 10))[-1] in found.filled.text


def test_what_is_asked_for_is_folded() -> None:
    """Its passages may be folded, each with how to fetch it, and headings stay."""
    text = f"# One\n\n{prose('one', 9)}## Two\n\n{prose('two', 9)}<include>b.md</include>\n## Three\n\nEnd.\n"
    bench = Bench({"a.md": text, "b.md": "Always ask.\n"})
    root = next(node for node in grow(bench.skeleton).walk() if node.draft is not None)
    made = variants_of(root, STRATEGIES, bench.tools, AuthorHints()).all
    folded = [variant for variant in made if variant.name == "folded"][-1]
    written = "".join(map(raw, (part for chunk in folded.chunks for part in chunk)))
    headings = [line for line in written.split("\n") if line.startswith("#")]
    assert headings == ["# One", "## Two", "## Three"]
    for line in re.findall(r"\[a.md, .*\]", written):
        start, end = re.findall(r"--span (\d+) (\d+)", line)[0]
        assert text[int(start) : int(end)].strip() in (prose("one", 9).strip(), prose("two", 9).strip())
    back = {text[slice(*unit.span)].strip() for unit in folded.units}
    assert back >= {prose("one", 9).strip(), prose("two", 9).strip()}


def test_keep_regions_are_not_folded() -> None:
    """What an author marks to be kept stays in every folded variant."""
    kept = f"<!-- keep -->\n{prose('kept', 5)}<!-- /keep -->\n"
    bench = Bench({"a.md": f"# One\n\n{prose('one', 9)}# Two\n\n{kept}"})
    with pytest.raises(OverBudget) as caught:
        within(bench, 1)
    assert prose("kept", 5) in within(bench, caught.value.details["smallest"]).filled.text


PIECES = st.sampled_from((prose("x", 3), prose("y", 2), "- one\n- two\n", "Never do {name}.\n", "\n"))
INCLUDES = st.sampled_from(("<include>{}</include>\n", "in <include>{}</include> line\n"))


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, str]:
    """Draw five files of which each may include later ones."""
    names = ("a.md", "b.md", "c.md", "d.md", "e.md")
    files = {}
    for index, name in enumerate(names):
        lines = draw(st.lists(PIECES, max_size=3))
        for other in draw(
            st.lists(st.sampled_from(names[index + 1 :]), max_size=2) if index < 4 else st.just([])
        ):
            lines.insert(draw(st.integers(0, len(lines))), draw(INCLUDES).format(other))
        files[name] = "".join(lines)
    return files


@LAW
@given(libraries(), st.integers(1, 200), st.sampled_from(("", "v", "a b\nc")))
def test_it_fits_or_says_what_would(files: dict[str, str], budget: int, value: str) -> None:
    """For any library the text fits, its count is exact, and nothing is lost unseen."""
    bench = Bench(files)
    try:
        found = within(bench, budget, name=value)
    except OverBudget as error:
        smallest = error.details["smallest"]
        assert smallest > budget
        assert within(bench, smallest, name=value).tokens <= smallest
        return
    assert found.tokens == count(found.filled.text) <= budget
    assert len(found.rows) == len(found.skeleton.drafts) == len(bench.skeleton.drafts)
    lost = set(re.findall(r"\w+", bench.text(bench.skeleton, name=value)))
    lost -= set(re.findall(r"\w+", found.filled.text))
    back = " ".join(text for _, text in [*bench.had_back(found.skeleton), ("", value)])
    assert lost <= set(re.findall(r"\w+", back))


@LAW
@given(libraries(), st.integers(1, 200))
@pytest.mark.slow
def test_the_same_budget_gives_the_same_bytes(files: dict[str, str], budget: int) -> None:
    """Nothing but library, request and budget decides."""
    texts = []
    for _ in range(2):
        try:
            texts.append(within(Bench(files), budget).filled.text)
        except OverBudget as error:
            texts.append(error.message)
    assert texts[0] == texts[1]
