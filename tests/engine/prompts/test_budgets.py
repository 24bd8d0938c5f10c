"""The laws of budgets, and what a reply says of them."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptd
from promptd.core.assembly.prompt import Prompt
from promptd.core.optimise.budget import candidates
from promptd.errors import OverBudget
from tests.core.builders import LAW
from tests.engine.prompts.builders import PromptBuilder

DEMO = Path(promptd.__file__).parent / "demo" / "library"
STRATEGIES = ("conservative", "balanced", "aggressive", "tidy")
TIDY = {"tidy": ["comments", "blank_lines", "labels"]}
SHARES = (30, 50, 70, 90)
HELD = ("literals", "information", "instructions")

SENTENCES = (
    "The harbour closes its gates at dusk, slowly, in order to save oil.",
    "Never leave a lamp alone in the tower!",
    "Boats wait beyond the second buoy until the pilot comes aboard.",
    "See `tide.md` for the 12 tables of the northern coast.",
    "Old sailors mend their nets on the quay in the evening sun.",
    "You must log {name} in the book.",
)
LINES = st.sampled_from(
    (
        "# Harbour\n\n",
        "\n## Lamps\n\n",
        *(f"{text}\n\n" for text in SENTENCES),
        *(f"- {text}\n" for text in SENTENCES),
        f"{' '.join(SENTENCES[:3])}\n",
        "**Lamps**: trimmed and filled daily.\n",
        "\n1. Ring the bell.\n2. Raise the flag.\n3. Wait for the pilot.\n\n",
        "<rules>\n    <item>Watch the wind.</item>\n    Rest at noon on the quay.   \n</rules>\n",
        '```json\n{ "a" :  1 }\n```\n',
        "\n\n\n\n",
        "<!-- why -->\n",
    )
)
BODIES = st.lists(LINES, min_size=1, max_size=9).map("".join)


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, str]:
    """A prompt that includes up to two components, which include a third."""
    c = draw(BODIES)
    b = f"{draw(BODIES)}\n<include>c.md</include>\n"
    below = draw(
        st.sampled_from(
            ("", "\n<include>b.md</include>\n", "\n<include>b.md</include>\n\n<include>c.md</include>\n")
        )
    )
    return {"a.md": f"{draw(BODIES)}{below}{draw(BODIES)}", "b.md": b, "c.md": c}


def check_laws(builder: PromptBuilder, name: str, share: int, **asked: Any) -> None:
    """It fits, keeps what each strategy that fits keeps, and is used up or says why not."""
    whole = builder.build(name, **asked)
    budget = max(whole.tokens * share // 100, 1)
    try:
        prompt = builder.build(name, budget=budget, **asked)
    except OverBudget as refusal:
        budget = refusal.details["smallest"]
        prompt = builder.build(name, budget=budget, **asked)
    assert prompt.tokens == builder.tokens(prompt.text) <= budget
    for strategy in STRATEGIES:
        rival = builder.build(name, strategy=strategy, **asked)
        if rival.tokens <= budget:
            for figure in HELD:
                assert figure_of(prompt, figure) >= figure_of(rival, figure), (strategy, figure)
    if whole.tokens > budget and prompt.tokens < 0.95 * budget:
        assert kinds(prompt, "unused-budget"), prompt.warnings


def figure_of(prompt: Prompt, figure: str) -> float:
    """One of the shares that were kept."""
    return 1.0 if prompt.fit is None else float(getattr(prompt.fit.quality, figure))


def kinds(prompt: Prompt, kind: str) -> list[str]:
    """What the warnings of one kind say."""
    return [warning.message for warning in prompt.warnings if warning.kind == kind]


@pytest.mark.slow
@settings(LAW, max_examples=25)
@given(libraries(), st.sampled_from(SHARES), st.sampled_from(("", "Ada", "a long name\nof two lines")))
def test_the_laws_hold_for_any_library(files: dict[str, str], share: int, value: str) -> None:
    """With values, and with a strategy that a configuration adds."""
    check_laws(PromptBuilder(files, strategies=TIDY), "a.md", share, variables={"name": value})


@pytest.mark.slow
def test_the_laws_hold_for_the_demo_library() -> None:
    """Every component of it as a prompt, at every share."""
    files = {path.relative_to(DEMO).as_posix(): path.read_text("utf-8") for path in DEMO.rglob("*.md")}
    builder = PromptBuilder(files, strategies=TIDY)
    for name in files:
        values = dict.fromkeys(("project_name", "language", "topic"), "x")
        for share in SHARES:
            check_laws(builder, name, share, variables=values)


# -- what is said -----------------------------------------------------------------------------

PART = "".join(
    f"- Part {n} of the {word} is to be read with care and `{word}.md`.\n"
    for n, word in enumerate(
        ("harbour", "lamp", "tower", "bell", "boat", "buoy", "quay", "net", "rope", "sail")
    )
)
FILES = {
    "a.md": "# Task\n\nDo it for {name}.\n\n<include>b.md</include>\n\n<include>c.md</include>\n",
    "b.md": f"---\npriority: 0.9\n---\n## Read\n\n{PART}",
    "c.md": f"---\npriority: 0.1\n---\n## Background\n\n{PART.replace('Part', 'Chapter')}",
}


def test_losses_are_warnings() -> None:
    """How many of how many, for which budget, which they are, and how to see why; with values too."""
    builder = PromptBuilder(FILES)
    for name in ("Ada", "Bo"):
        prompt = builder.build(variables={"name": name}, budget=100)
        (said,) = kinds(prompt, "shortened")
        command = "`promptd budget a.md --budget 100` shows why"
        assert said == f"2 of 3 components shortened to fit 100 tokens: b.md, c.md; {command}"
    (dropped,) = kinds(builder.build(budget=25, reserve=5), "dropped")
    assert dropped == (
        "2 of 3 components dropped to fit 25 tokens: b.md, c.md;"
        " `promptd budget a.md --budget 25 --reserve 5` shows why"
    )
    assert not builder.build(budget=10_000).warnings


def test_an_unused_budget_says_what_stands_in_the_way() -> None:
    """The file, the line and the tokens of what does not fit."""
    code = "```sh\n" + "".join(f"ring --bell {n} --at {n * 7} --loud\n" for n in range(40)) + "```\n"
    builder = PromptBuilder({"a.md": f"---\nname: a\n---\n# Bells\n\nRing them.\n\n{code}\nThen go home.\n"})
    prompt = builder.build(budget=200)
    (said,) = [warning for warning in prompt.warnings if warning.kind == "unused-budget"]
    assert said.id == "a.md"
    assert "of 200 tokens are used: the next, a code block of" in said.message
    assert "Then go home." in prompt.text
    asked = builder.build(strategy="aggressive", budget=10_000)
    assert not kinds(asked, "unused-budget")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_what_is_said_to_stand_in_the_way_does(share: float) -> None:
    """With what it hangs on it has more tokens than are left: a code block as first text, or led to."""
    code = "```sh\n" + "".join(f"ring --bell {n} --at {n * 7} --loud\n" for n in range(12)) + "```\n"
    items = "- Go home by the old road.\n- Sleep until the bells ring again.\n"
    for text in (
        f"Ring them so:\n\n{code}\n## Later\n\n{items}",
        f"# Bells\n\nRing.\n\n## All\n\nBefore noon:\n\n{code}\n## Later\n\nLook up. {items}",
    ):
        builder = PromptBuilder({"a.md": text})
        budget = int(builder.build().tokens * share)
        for said in kinds(builder.build(budget=budget), "unused-budget"):
            used, _, *needed = map(int, re.findall(r"\d+", said))
            assert used + sum(needed) > budget


def test_a_strategy_that_fits_by_itself_says_so() -> None:
    """It is what was asked for, so that nothing is taken back; the reply says that more would fit."""
    builder = PromptBuilder({"a.md": f"# T\n\n## Read\n\n{PART}\n## Read\n\n{PART}"})
    whole = builder.build().tokens
    prompt = builder.build(strategy="balanced", budget=whole - 1)
    assert prompt.text == builder.build(strategy="balanced").text
    (said,) = kinds(prompt, "unused-budget")
    assert "strategy 'balanced' by itself makes the prompt fit" in said
    assert builder.build(budget=whole - 1).tokens >= 0.95 * (whole - 1)


def test_included_texts_stay_paragraphs_of_their_own() -> None:
    """Whatever of the text between them is cut: neither joins the line before it, nor one another."""
    between = "Words about the weather of the day and the long road to the harbour."
    files = {
        "a.md": f"# T\n\nDo it now. {between}\n\n<include>b.md</include>\n\n{between} It is short.\n\n"
        "<include>c.md</include>\n",
        "b.md": "Text of B must always be kind.\n",
        "c.md": "Text of C must always be brave.\n",
    }
    builder = PromptBuilder(files)
    for budget in range(24, builder.build().tokens):
        text = builder.build(budget=budget).text
        for line in ("Text of B must always be kind.", "Text of C must always be brave."):
            if line in text:
                assert f"\n\n{line}\n" in text
        assert " \n" not in text


def test_a_kept_component_is_told_in_the_refusal() -> None:
    """With file, line, where it is included, and the budget that would do."""
    builder = PromptBuilder(FILES | {"c.md": FILES["c.md"].replace("priority: 0.1", "keep: yes")})
    with pytest.raises(
        OverBudget, match=r"c\.md:1 \(\d+ tokens, included at a\.md:7\) says `keep: true`"
    ) as caught:
        builder.build(budget=50)
    prompt = builder.build(budget=caught.value.details["smallest"])
    assert "Chapter 9" in prompt.text


def test_a_long_prompt_is_cut_component_by_component(monkeypatch: pytest.MonkeyPatch) -> None:
    """No strategy over the whole is tried, and the reply says so."""
    monkeypatch.setattr(candidates, "MAX_CHARS", 100)
    builder = PromptBuilder(FILES)
    prompt = builder.build(budget=200)
    assert 190 <= prompt.tokens <= 200
    (said,) = kinds(prompt, "too-long")
    assert "no strategy over the whole was tried" in said
    assert not builder.compile(("a.md",)).fitted


def test_a_second_budget_finds_the_whole_prompts_of_the_first() -> None:
    """The strategies over the whole are run once for all values and budgets."""
    builder = PromptBuilder({"a.md": f"# T\n\n{PART}\n## Again\n\n{PART}For {{name}}.\n"})
    whole = builder.build(variables={"name": "Ada"}).tokens
    builder.build(variables={"name": "Ada"}, budget=whole * 9 // 10)
    kept = {key: id(fitted.result) for key, (_, fitted) in builder.compile(("a.md",)).fitted.items()}
    assert kept
    for name in ("Bo", "Cy Young"):
        builder.build(variables={"name": name}, budget=whole * 85 // 100)
    again = builder.compile(("a.md",)).fitted
    assert {key: id(again[key][1].result) for key in kept} == kept
