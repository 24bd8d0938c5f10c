"""Prompts in the making: exact counts whatever is asked, options refused by name, honest accounts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.strategies import pass_functions
from promptd.errors import ConfigError, InvalidParams, OverBudget
from promptd.protocol.records import Shares
from tests.core.builders import LAW
from tests.engine.prompts.builders import PromptBuilder

LONG = "".join(
    f"- Step {number}: look at part {number} of the report and write down what is odd about it.\n"
    for number in range(40)
)
FILES = {
    "a.md": "# Task for {name}\n\n<include>b.md</include>\n\n"
    f"## Notes\n\n{LONG}\n## Again\n\nNever guess.   \n\n\n\nDone.\n",
    "b.md": "---\ndescription: The steps\nvariables: {name: {default: nobody}}\n---\n"
    f"## Notes\n\n{LONG}\n",
}
MODELS = {
    "m": {
        "input": 3.0,
        "cached_read": 0.3,
        "cache_write": 3.75,
        "calibration": 1.2,
        "cache_min_tokens": 100,
    }
}

# -- the law ----------------------------------------------------------------------------------

HOSTILE = st.text(
    st.sampled_from(
        [
            *" \t\r\n\n\n/aA1é中'\u2019.,{}<>#*-_`|\"\\$&",
            "\u00a0",
            "\u0301",
            "\u2028",
            "\u200d",
            "👩",
            "🏽",
            "ﬃ",
            "\u0661",
        ]
    ),
    max_size=40,
)
PIECES = st.one_of(
    HOSTILE,
    st.sampled_from(
        (
            "- Always say what you did.\n",
            "Don't we'll I've they'RE\n",
            "<|endoftext|><|im_start|>\n",
            "| a  | b |\n|----|---|\n| 1  | 2 |\n",
            '```json\n{ "a" :  [1, 2] }\n```\n',
            "<!-- a comment -->\n",
            "{name} and $ARGUMENTS\n",
            LONG[:400],
        )
    ),
)
BODIES = st.lists(PIECES, max_size=6).map("".join)
STRATEGIES = st.sampled_from(("none", "conservative", "balanced", "aggressive"))


@LAW
@given(
    BODIES, BODIES, STRATEGIES, HOSTILE, st.none() | HOSTILE, st.none() | st.integers(1, 400), st.booleans()
)
def test_the_count_is_that_of_encoding_the_whole(
    a: str, b: str, strategy: str, value: str, arguments: str | None, budget: int | None, encoding: bool
) -> None:
    """For any library, request, values, strategy and budget, in both encodings; and a budget is kept to."""
    files = {"a.md": f"{a}\n<include>b.md</include>\n{a}<include>b.md</include>", "b.md": b}
    builder = PromptBuilder(files, "cl100k_base" if encoding else "o200k_base")
    asked: dict[str, Any] = {"variables": {"name": value}, "arguments": arguments, "strategy": strategy}
    try:
        prompt = builder.build(**asked, budget=budget)
    except OverBudget as error:
        smallest = error.details["smallest"]
        assert budget is not None
        assert smallest > budget
        prompt = builder.build(**asked, budget=smallest)
        assert prompt.tokens <= smallest
        if smallest - 1 > budget:
            with pytest.raises(OverBudget, match=f"budget that fits is {smallest}, not {smallest - 1}"):
                builder.build(**asked, budget=smallest - 1)
    else:
        assert budget is None or prompt.tokens <= budget
    assert prompt.tokens == builder.tokens(prompt.text)
    source = builder.build(variables={"name": value}, arguments=arguments)
    assert prompt.tokens_source == source.tokens == builder.tokens(source.text)


# -- strategies -------------------------------------------------------------------------------


def test_none_is_the_default_and_says_nothing_of_savings() -> None:
    """A plain prompt is the assembled bytes; nothing was computed for it."""
    builder = PromptBuilder(FILES)
    prompt = builder.build()
    assert prompt.fit is None
    assert prompt.tokens == prompt.tokens_source
    assert builder.computed == 0
    assert not builder.optimiser.lexicon.is_active


def test_the_optimiser_is_imported_as_work() -> None:
    """What a strategy or budget needs is imported in a thread, once; a plain prompt does not ask for it."""
    builder = PromptBuilder(FILES)
    builder.optimiser.is_imported = False
    builder.build()
    assert (builder.computed, builder.optimiser.is_imported) == (0, False)
    builder.build(budget=100_000)
    assert (builder.computed, builder.optimiser.is_imported) == (1, True)
    builder.build(budget=100_000)
    assert builder.computed == 1


def test_one_optimisation_serves_every_value() -> None:
    """Another value computes nothing anew, and the text around it is the same."""
    builder = PromptBuilder(FILES)
    texts = [builder.build(variables={"name": name}, strategy="balanced").text for name in ("Ada", "Bo")]
    assert builder.computed == 1
    assert texts[0].replace("Ada", "Bo") == texts[1]


def test_a_strategy_reports_four_figures_and_the_savings() -> None:
    """The baseline is the same request with none; what was said twice is one unit of the manifest."""
    prompt = PromptBuilder(FILES).build(strategy="balanced")
    assert prompt.fit is not None
    quality = prompt.fit.quality
    assert quality == Shares(1.0, 1.0, 1.0, quality.structure)
    assert 0.5 < quality.structure < 1.0  # what was said twice is there once
    assert prompt.fit.savings.tokens_saved == prompt.tokens_source - prompt.tokens > 500
    assert prompt.fit.savings.baseline == "none"
    units = [unit for entry in prompt.manifest for unit in entry.removed]
    assert any(unit.kind == "repeat" and unit.duplicate_of == "b.md" for unit in units)
    assert {entry.variant for entry in prompt.manifest} == {"balanced"}


def test_a_configured_strategy_is_one_of_the_choices() -> None:
    """Passes by name, in order; the default may be one of them."""
    builder = PromptBuilder(FILES, strategy="tidy", strategies={"tidy": ["blank_lines"]})
    assert "\n\n\n" not in builder.build().text
    assert "\n\n\n" in builder.build(strategy="none").text


def test_another_idf_makes_the_prompt_anew() -> None:
    """Once the idf of the library's words is another, what was made before is not current any more."""
    builder = PromptBuilder(FILES)
    prompt = builder.build(strategy="aggressive")
    assert builder.optimiser.is_current(prompt)
    for number in range(8):
        builder.optimiser.changed([f"new{number}.md"], ())
        builder.optimiser.lexicon.learn(f"new{number}.md", LONG)
    assert not builder.optimiser.is_current(prompt)
    assert builder.optimiser.is_current(builder.build())


# -- budgets ----------------------------------------------------------------------------------


def test_a_budget_that_is_large_enough_costs_nothing() -> None:
    """It says so for every component, and computes nothing."""
    builder = PromptBuilder(FILES)
    prompt = builder.build(budget=100_000)
    assert prompt.text == builder.build().text
    assert prompt.fit is not None
    assert prompt.fit.allocation is not None
    assert [(row.id, row.variant) for row in prompt.fit.allocation] == [("a.md", "as is"), ("b.md", "as is")]
    assert builder.computed == 0


def test_a_strategy_that_makes_it_fit_is_enough() -> None:
    """With both, the strategy is tried first; only what it leaves too large is allocated."""
    builder = PromptBuilder(FILES)
    balanced = builder.build(strategy="balanced")
    assert builder.build(strategy="balanced", budget=balanced.tokens).text == balanced.text
    smaller = builder.build(strategy="balanced", budget=balanced.tokens - 1)
    assert smaller.tokens < balanced.tokens
    assert smaller.fit is not None
    assert smaller.fit.allocation is not None
    assert {row.variant for row in smaller.fit.allocation} != {"as is"}


def test_the_smallest_budget_that_would_do_is_the_smallest() -> None:
    """What the strategy alone makes of the whole may be smaller than the least of all its parts."""
    builder = PromptBuilder(
        dict.fromkeys(("a.md", "b.md"), f"---\noptimise: balanced\n---\n## Notes\n\n{LONG}")
    )
    asked = ("a.md", "b.md")
    whole = builder.build(*asked, strategy="balanced").tokens
    assert whole < builder.build(*asked).tokens
    with pytest.raises(OverBudget, match=f"the smallest budget that fits is {whole}, not 2"):
        builder.build(*asked, strategy="balanced", budget=2)
    assert builder.build(*asked, strategy="balanced", budget=whole).tokens == whole
    with pytest.raises(OverBudget):
        builder.build(*asked, strategy="balanced", budget=whole - 1)


def test_variants_are_kept_for_the_next_budget() -> None:
    """A second budget finds the variants of the first, where no whole prompt by a strategy fits either."""
    builder = PromptBuilder(FILES)
    builder.build(budget=400)
    kept = builder.optimiser.variants.statistics()
    builder.build(budget=300)
    assert kept.entries == builder.optimiser.variants.statistics().entries == 2


def test_a_pass_that_raises_under_a_budget_is_a_warning_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each component it was skipped for is named; kept variants say so again and are not counted again."""

    def fail(_page: Page, _context: Context) -> list[Edit]:
        raise ZeroDivisionError("a table with no columns")

    monkeypatch.setitem(pass_functions(), "repeats", fail)
    builder = PromptBuilder(FILES)
    for budget in (400, 300):
        said = [note for note in builder.build(budget=budget).warnings if note.kind == "skipped-pass"]
        assert [note.id for note in said] == ["a.md", "b.md"]
        assert all("'repeats' was skipped: ZeroDivisionError" in note.message for note in said)
    # Once for each component, and once for the whole prompt that was tried first.
    assert builder.optimiser.account.statistics().skipped_passes == {"repeats": 3}


def test_a_pass_that_raises_for_the_whole_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the whole prompt fits by a strategy, the prompt is named, and counted once for each strategy."""

    def fail(_page: Page, _context: Context) -> list[Edit]:
        raise ZeroDivisionError("a table with no columns")

    monkeypatch.setitem(pass_functions(), "json_code", fail)
    builder = PromptBuilder(FILES)
    for budget in (1_000, 900):
        said = [note for note in builder.build(budget=budget).warnings if note.kind == "skipped-pass"]
        assert [note.id for note in said] == ["a.md"]
    assert builder.optimiser.account.statistics().skipped_passes == {"json_code": 2}  # balanced, cut


# -- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "best"}, "there are: none, conservative, balanced, aggressive"),
        ({"model": "gpt"}, "there are: m"),
        ({"reserve": 5}, "give both"),
        ({"budget": 100, "reserve": 100}, "raise `budget` or lower `reserve`"),
    ],
)
def test_a_wrong_option_is_answered_with_what_there_is(options: dict[str, Any], said: str) -> None:
    """Each is refused before anything is computed, with the valid choices."""
    with pytest.raises(InvalidParams) as caught:
        PromptBuilder(FILES, models=MODELS).build(**options)
    assert said in caught.value.message


def test_a_wrong_strategy_in_the_configuration_is_refused_at_once() -> None:
    """An unknown pass is named with the nearest one; an unknown default strategy with what there is."""
    with pytest.raises(ConfigError, match="did you mean 'blank_lines'"):
        PromptBuilder(FILES, strategies={"tidy": ["blank_line"]})
    with pytest.raises(ConfigError, match="no strategy 'best'"):
        PromptBuilder(FILES, strategy="best")


def test_impossible_budgets_are_counted() -> None:
    """The refusal says the smallest budget that fits."""
    builder = PromptBuilder(FILES)
    with pytest.raises(OverBudget, match="smallest budget that fits"):
        builder.build(budget=3)
    assert builder.optimiser.account.statistics().over_budget == 1


# -- accounts ---------------------------------------------------------------------------------


def test_a_model_adds_an_estimate_and_a_cost() -> None:
    """Raw count, factor and encoding stand side by side; cost only where a model is named."""
    builder = PromptBuilder(FILES, models=MODELS)
    prompt = builder.build(strategy="balanced", model="m")
    assert prompt.estimate is not None
    assert prompt.estimate.tokens == prompt.tokens
    assert prompt.estimate.tokens_estimated == round(1.2 * prompt.tokens)
    assert prompt.fit is not None
    saved = prompt.fit.savings
    assert saved.cost_saved == pytest.approx(saved.tokens_saved * 1.2 * 3 / 1e6)
    assert builder.build(strategy="balanced").estimate is None


def test_a_default_model_is_configured() -> None:
    """Where a request names none."""
    prompt = PromptBuilder(FILES, models=MODELS, model="m").build()
    assert prompt.estimate is not None
    assert prompt.estimate.model == "m"


def test_uses_add_up_once() -> None:
    """A prompt's uses are counted into the sums when they are folded."""
    builder = PromptBuilder(FILES)
    prompt = builder.build(strategy="balanced")
    builder.optimiser.spend(prompt, 5)
    seen = builder.optimiser.statistics().savings
    assert (seen.replies, seen.tokens_saved) == (5, 5 * (prompt.tokens_source - prompt.tokens))


def test_the_stable_prefix_and_its_changes() -> None:
    """It ends at the first value; other values leave it, another component changes it, which is counted."""
    builder = PromptBuilder(FILES)
    for name in ("Ada", "Bo"):
        prompt = builder.build(variables={"name": name})
        assert prompt.text[: prompt.stable_end] == "# Task for "
        assert prompt.stable_prefix_tokens == builder.tokens("# Task for ")
    assert builder.optimiser.account.statistics().prefix_changes == 0
    builder.library.texts["a.md"] = builder.library.texts["a.md"].replace("# Task", "# Work")
    builder.compiled.clear()
    builder.build(variables={"name": "Ada"})
    assert builder.optimiser.account.statistics().prefix_changes == 1


def test_stable_first_is_said_where_it_could_not_be() -> None:
    """Asked for where no author allows it, a warning says that nothing moved."""
    prompt = PromptBuilder(FILES).build(stable_first=True)
    assert "stable-first" in {warning.kind for warning in prompt.warnings}


def test_bad_front_matter_is_a_warning() -> None:
    """A priority that is no number is reported where it matters."""
    files = FILES | {"b.md": FILES["b.md"].replace("---\n## Notes", "priority: high\n---\n## Steps")}
    builder = PromptBuilder(files)
    before = builder.build()
    prompt = builder.build(budget=900)
    assert any("`priority` is `high`" in warning.message for warning in prompt.warnings)
    again = builder.build()  # where it does not matter nothing is said, whatever was asked before
    assert (again.warnings, again.etag) == (before.warnings, before.etag) == ((), before.etag)
