"""Progressive disclosure: nothing is rewritten or lost, and everything referenced comes back exactly."""

import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.cache_prefix import is_live
from promptd.core.optimise.budget.records import Fitted
from promptd.core.optimise.progressive.apply import apply_references
from promptd.core.optimise.progressive.refer import ReferenceLine
from promptd.core.optimise.progressive.sections import SourceFile
from promptd.core.optimise.strategies import STRATEGIES, Strategy, configured
from promptd.core.syntax.parse import parse
from promptd.core.syntax.sections import Headings
from tests.core.builders import DIALECTS, LAW
from tests.core.optimise.budget.bench import Bench, count

PROGRESSIVE = STRATEGIES["progressive"]


class Disclosed:
    """One prompt of a small library by `progressive`."""

    def __init__(
        self, files: Mapping[str, str], *names: str, strategy: Strategy = PROGRESSIVE, over: int = 0
    ) -> None:
        self.files = files
        self.bench = Bench(files, *names)
        self.starts = {id: parse(text, DIALECTS).body_start for id, text in files.items()}
        sources = {
            id: SourceFile(text, self.starts[id], sha256(text.encode()).hexdigest(), "", id)
            for id, text in files.items()
        }
        skeleton = self.bench.skeleton
        self.fitted: Fitted = apply_references(
            skeleton,
            strategy,
            self.bench.tools,
            self.bench.author_hints,
            sources,
            lambda slot: is_live(slot, skeleton, ()),
            over,
        )
        self.source = self.bench.text(skeleton)
        self.text = self.bench.text(self.fitted.skeleton)
        self.saved = 1 - count(self.text) / max(count(self.source), 1)

    @property
    def at_entry(self) -> str:
        """The text without the lines of ours."""
        parts = self.fitted.skeleton.parts
        return "".join(
            "\n" if isinstance(part, ReferenceLine) else part if isinstance(part, str) else part.raw
            for part in parts
        )

    def fetched(self) -> list[str]:
        """What each reference gives, as `get` finds it."""
        found = []
        for each in self.fitted.references or ():
            text = self.files[each.id]
            span = Headings(text, self.starts[each.id]).section(each.section) if each.section else each.span
            assert span == each.span
            got = text[slice(*span)]
            is_whole = not each.section and span == (self.starts[each.id], len(text))
            assert sha256((text if is_whole else got).encode()).hexdigest() == each.digest
            assert each.tokens == count(got)
            found.append(got)
        return found

    def lines(self) -> list[str]:
        """The lines of ours in the text."""
        return [line for line in self.text.splitlines() if line.startswith("[reference: ")]


def written(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    """True if `part` is `whole` with some lines left out."""
    rest = iter(whole)
    return all(line in rest for line in part)


def prose(word: str, sentences: int = 12) -> str:
    """Paragraphs that instruct nothing."""
    return "\n\n".join(f"The {word}{n} belongs to layer{n} of the {word} house{n}." for n in range(sentences))


# -- the law --------------------------------------------------------------------------------------

BLOCKS = st.one_of(
    st.sampled_from(("alpha", "beta", "gamma", "delta")).map(lambda word: f"{prose(word, 4)}\n\n"),
    st.sampled_from(
        (
            "You must never push to main.\n\n",
            "When you deploy:\n\n- look around\n- Always ask first\n- go on\n\n",
            "1. one step\n2. never two\n3. three steps\n\n",
            "- a\n  - do not b\n  - c\n- d\n\n",
            "Never do this:\n\n- rename files\n- delete files\n\n",
            "```sh\n# must run\nmake all\n```\n\n",
            "Always answer so:\n\n```json\n{}\n```\n\n",
            "```\nnever closed\n",
            "| a | b |\n|---|---|\n| 1 | must |\n\n",
            "<rules>\n- plain words\n</rules>\n\n",
            '<step name="x">\n' + prose("step", 5) + "\n</step>\n\n",
            "<open>\n",
            "</open>\n",
            "Words with <b>bold\nwords</b> in them.\n",
            "<!-- keep -->\nkept words\n<!-- /keep -->\n\n",
            "<!-- a comment\n\n## not a heading\n-->\n",
            "For {{name}} and $ARGUMENTS.\n\n",
            "Windows line.\r\n\r\nAnother one.\r\n",
            "No ending",
            "Setext\n======\n\n" + prose("set", 4) + "\n\n",
        )
    ),
    st.tuples(
        st.sampled_from(("#", "##", "###")), st.sampled_from(("One", "Two", "Rules", "{name} `x`", "One"))
    )
    .map(" ".join)
    .map(lambda heading: f"{heading}\n\n"),
)
BODIES = st.lists(BLOCKS, max_size=9).map("".join)
INCLUDES = st.lists(
    st.sampled_from(
        (
            "<include>b.md</include>\n",
            "<include>c.md</include>\n\n",
            "- <include>c.md</include>\n",
            "{{component:b.md#One}}\n",
            "{{component:c.md#Two}}\n",
        )
    ),
    min_size=1,
    max_size=4,
).map("\n".join)


TARGETS = st.sampled_from((0.45, 0.95))


@pytest.mark.slow
@LAW
@given(BODIES, INCLUDES, BODIES, st.sampled_from(("", "<include>d.md</include>\n")), BODIES, BODIES, TARGETS)
def test_nothing_is_rewritten_and_everything_comes_back(
    a: str, includes: str, b: str, inner: str, c: str, d: str, target: float
) -> None:
    """Entry is a subsequence of the source; with what is fetched it is all of it; instructions stay."""
    files = {
        "a.md": f"---\nvariables: {{name: {{default: Ada}}}}\n---\n# Task\n\n{a}{includes}{b}",
        "b.md": f"---\ndescription: B\n---\n{b}{inner}{d}",
        "c.md": f"{c}\n{b}",
        "d.md": d,
    }
    found = Disclosed(files, strategy=with_target(target))
    source = "".join(part if isinstance(part, str) else part.raw for part in found.bench.skeleton.parts)
    entry = written(found.at_entry)
    assert is_subsequence(entry, written(source))
    whole = "\n".join((found.at_entry, *found.fetched())).splitlines()
    assert {line.strip() for line in written(source)} <= {line.strip() for line in whole}
    assert found.fitted.quality.instructions.ratio == 1.0
    assert count(found.text) <= count(found.source)
    assert found.source.count("Ada") == found.text.count("Ada")
    assert found.text == Disclosed(files, strategy=with_target(target)).text
    assert len(found.lines()) == len(found.fitted.references or ())
    tags = Counter(re.findall(r"</?(?:open|step|rules|b)\b", source))
    left = Counter(re.findall(r"</?(?:open|step|rules|b)\b", found.at_entry))
    for name in ("step", "rules", "b"):
        if tags[f"<{name}"] == tags[f"</{name}"]:
            assert left[f"<{name}"] == left[f"</{name}"], name
    at = 0
    for part in _own(found):
        at = found.at_entry.index(part.strip(), at) + len(part.strip())


def _own(found: Disclosed) -> list[str]:
    """The text of the component that was asked for, in the source."""
    from promptd.core.optimise.budget.tree import grow, raw

    (node,) = grow(found.bench.skeleton).children
    return ["".join(raw(part.content) for part in chunk) for chunk in node.chunks]


# -- how much -------------------------------------------------------------------------------------

SECTIONS = "".join(f"## Part {n}\n\n{prose(f'word{n}x', 14)}\n\n" for n in range(10))
FILES = {
    "a.md": "# Task\n\nLook at it.\n\n<include>b.md</include>\n\n<include>c.md</include>\n\nDone.\n",
    "b.md": f"# Guide\n\nAbout the guide.\n\n{SECTIONS}",
    "c.md": f"---\ndescription: Background of it\npriority: 0.1\n---\n{prose('old', 14)}\n",
}


def with_target(share: float) -> Strategy:
    """The strategy with another target."""
    from msgspec.structs import replace

    return replace(PROGRESSIVE, aims=replace(PROGRESSIVE.aims, reduction=share))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45, 0.6])
def test_the_target_is_met_and_hardly_more(share: float) -> None:
    """Ten sections and a component: never more is referenced than one section beyond the target."""
    found = Disclosed(FILES, strategy=with_target(share))
    assert share <= found.saved <= share + 0.08
    if not share:
        assert found.text == found.source


def test_what_cannot_be_reached_is_not_forced() -> None:
    """A prompt of one component, and one whose includes all instruct, stay as they are."""
    assert Disclosed({"a.md": SECTIONS}).text == SECTIONS
    rules = "".join(f"- Never rename part {n} of it.\n" for n in range(40))
    found = Disclosed({"a.md": "# A\n\n<include>b.md</include>\n", "b.md": rules})
    assert found.text == found.source
    assert found.fitted.references == ()


def test_the_author_decides() -> None:
    """A low priority goes first; `never`, a weaker limit and `min_tokens` keep a component at entry."""
    (only,) = Disclosed(FILES, strategy=with_target(0.05)).fitted.references or ()
    assert only.id == "c.md"
    for hint in ("optimise: never", "optimize: balanced", "min_tokens: 10"):
        held = FILES | {"c.md": FILES["c.md"].replace("priority: 0.1", hint)}
        assert "c.md" not in {each.id for each in Disclosed(held).fitted.references or ()}, hint
    free = FILES | {"c.md": FILES["c.md"].replace("---\n", "---\noptimise: progressive\n", 1)}
    assert "c.md" in {each.id for each in Disclosed(free).fitted.references or ()}


def test_several_that_were_asked_for_all_stay() -> None:
    """Each of them is at entry as it is; where one is included too it may be referenced there."""
    found = Disclosed(FILES, "c.md", "a.md")
    assert FILES["c.md"].split("---\n")[2] in found.text
    assert "Look at it." in found.text
    assert {each.id for each in found.fitted.references or ()} == {"b.md", "c.md"}


def test_more_is_saved_where_a_budget_asks_for_it() -> None:
    """`over` wins against a lower target."""
    over = count(Disclosed(FILES).source) * 7 // 10
    assert 0.7 <= Disclosed(FILES, strategy=with_target(0.1), over=over).saved < 0.9


# -- what the line and the account say ------------------------------------------------------------


def test_the_line_says_what_is_there_and_how_to_get_it() -> None:
    """Heading, terms, tokens, and a command with id, section and digest; components by their own name."""
    found = Disclosed(FILES, strategy=with_target(0.6))
    part = next(line for line in found.lines() if "#part-" in line)
    (number,) = re.findall(r"#part-(\d)", part)
    section = f"## Part {number}\n\n" + prose(f"word{number}x", 14) + "\n\n"
    digest = sha256(section.encode()).hexdigest()[:12]
    assert part.startswith(f'[reference: "Part {number}" (')
    assert part.endswith(
        f" {count(section)} tokens; fetch: `promptd get 'b.md#part-{number}' --digest {digest}`]"
    )
    whole = next(line for line in found.lines() if "c.md" in line)
    assert "promptd get c.md --digest " in whole


def test_the_manifest_has_everything_that_went() -> None:
    """A component that is gone whole is `referenced`; sections are units with span, tokens and digest."""
    found = Disclosed(FILES, strategy=with_target(0.6))
    drafts = {draft.id: draft for draft in found.fitted.skeleton.drafts}
    assert (drafts["c.md"].reason, drafts["c.md"].variant) == ("referenced", "references")
    assert (drafts["b.md"].reason, drafts["b.md"].variant) == ("included", "references")
    (whole,) = drafts["c.md"].removed
    assert (whole.kind, whole.section) == ("component", "")
    assert all((unit.kind, unit.section[:5]) == ("section", "part-") for unit in drafts["b.md"].removed)
    assert all(unit.digest and unit.tokens > 0 for unit in drafts["b.md"].removed)
    spans = {unit.span for draft in drafts.values() for unit in draft.removed}
    assert spans == {each.span for each in found.fitted.references or ()}
    assert found.fitted.tokens_fetched == sum(each.tokens for each in found.fitted.references or ())


def test_instructions_stay_in_their_place_and_as_they_are() -> None:
    """Items with sub-items, lead-ins with what they announce, ordered lists and safety sections whole."""
    section = (
        f"## Work\n\n{prose('work', 14)}\n\nYou must run it twice.\n\n- quiet\n- Always ask:\n  - whom\n"
        "- calm\n\n1. first\n2. never second\n3. third\n\nDo not use:\n\n- tabs\n- marks\n\n"
        f"{prose('more', 14)}\n\n## Safety\n\n- no network\n\n"
        f"## Don'ts\n\n- shouting\n\n"
        "<constraints>\nplain words\n</constraints>\n"
    )
    files = {"a.md": "# A\n\n<include>b.md</include>\n", "b.md": section}
    found = Disclosed(files, strategy=with_target(0.9))
    (line,) = found.lines()
    assert found.text == (
        f"# A\n\n## Work\n\n{line}\n\nYou must run it twice.\n\n- Always ask:\n  - whom\n\n"
        "1. first\n2. never second\n3. third\n\nDo not use:\n\n- tabs\n- marks\n\n"
        "## Safety\n\n- no network\n\n## Don'ts\n\n- shouting\n\n"
        "<constraints>\nplain words\n</constraints>\n"
    )


def test_what_takes_a_value_stays() -> None:
    """The paragraph with a value and an argument; what is fetched is unfilled."""
    body = f"## Part\n\n{prose('part', 12)}\n\nFor {{{{name}}}} it is $1.\n\n{prose('rest', 12)}\n"
    files = {
        "a.md": "---\nvariables: {name: {default: Ada}}\n---\n# A\n\n<include>b.md</include>\n",
        "b.md": body,
    }
    found = Disclosed(files)
    assert "\n\nFor Ada it is $1.\n" in found.text
    assert " tokens, placeholders unfilled; fetch: " in found.lines()[0]
    assert found.fetched() == [body]


@pytest.mark.parametrize(
    "torn",
    [
        {"b.md": f"<role>\n{prose('b')}\n", "c.md": f"{prose('c')}\n</role>\n"},
        {"b.md": f"```text\n{prose('b')}\n", "c.md": f"{prose('c')}\n```\n"},
        {"b.md": f"<!-- keep -->\n{prose('b')}\n", "c.md": f"{prose('c')}\n<!-- /keep -->\n"},
    ],
)
def test_nothing_is_torn(torn: Mapping[str, str]) -> None:
    """What opens in one component and closes in another: both ends stay."""
    files = {"a.md": "# A\n\n<include>b.md</include>\n<include>c.md</include>\n", **torn}
    found = Disclosed(files, strategy=with_target(0.9))
    first, last = torn["b.md"].splitlines()[0], torn["c.md"].splitlines()[-1]
    assert first in found.text.splitlines()
    assert last in found.text.splitlines()


def test_of_equal_headings_each_leads_to_its_own() -> None:
    """Repeated headings have anchors of their own; a section that no name leads to is fetched otherwise."""
    body = "".join(f"## Part\n\n{prose(f'w{n}x', 14)}\n\n" for n in range(3))
    found = Disclosed({"a.md": "# A\n\n<include>b.md</include>\n", "b.md": f"# B\n\nIntro.\n\n{body}"})
    assert {each.section for each in found.fitted.references or ()} <= {"part", "part-1", "part-2"}
    assert len(found.fetched()) == 2


def test_an_included_section_is_referenced_as_one() -> None:
    """By its anchor; what stands around it in the file is not part of it."""
    text = f"# B\n\n{prose('x')}\n\n## One\n\n{prose('one')}\n\n## Two\n\n{prose('two')}\n"
    found = Disclosed({"a.md": "# A\n\n{{component:b.md#Two}}\n", "b.md": text})
    (only,) = found.fitted.references or ()
    assert only.section == "two"
    assert found.fetched() == [f"## Two\n\n{prose('two')}\n"]


def test_elements_are_fetched_by_their_span() -> None:
    """Where there are no headings; the line names the element."""
    steps = "".join(f'<step name="s{n}">\n{prose(f"w{n}x", 14)}\n</step>\n\n' for n in range(6))
    files = {"a.md": "# A\n\n<include>b.md</include>\n", "b.md": f"<process>\n\n{steps}</process>\n"}
    found = Disclosed(files)
    assert 0.45 <= found.saved < 0.65
    assert all(f"step s{n}" in line for line in found.lines() for n in re.findall(r"step s(\d)", line)[:1])
    assert all(got.startswith("<step") and got.endswith("</step>\n") for got in found.fetched())


def test_a_strategy_of_one_s_own_may_reference_first() -> None:
    """`references` in a table; its passes go over what is left and leave the lines alone."""
    own = configured({"mine": ("blank_lines", "references", "repeats")})["mine"]
    end = "## End\n\nDone now, all of it.\n\n"
    files = FILES | {"a.md": f"{FILES['a.md']}\n\n\n\n{end}{end}"}
    found = Disclosed(files, strategy=own)
    assert found.lines() == Disclosed(files).lines()
    assert found.text.count("Done now, all of it.") == 1
    kinds = {unit.kind for draft in found.fitted.skeleton.drafts for unit in draft.removed}
    assert {"section", "repeat"} <= kinds
