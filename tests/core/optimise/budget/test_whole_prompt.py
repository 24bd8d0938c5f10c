"""A strategy over a whole prompt: values stay out of it, and whatever goes can be had back."""

import pytest

from promptd.core.optimise.budget.author_hints import OPTIMISE_KEYS, author_hints_of
from promptd.core.optimise.budget.whole_prompt import apply_strategy
from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.strategies import STRATEGIES, pass_functions
from tests.core.optimise.budget.bench import Bench

REPEATED = "<tone>\nKeep the tone warm, brief and free of any jargon.\n</tone>\n"
FILES = {
    "a.md": f"# Write\n\nFor {{name}}.   \n\n\n{REPEATED}\n<include>b.md</include>\n\nThe end, {{name}}.\n",
    "b.md": "---\noptimise: balanced\nvariables: {name: {}}\n---\n"
    f"{REPEATED}\nTwo sentences are enough.\n",
}


def test_values_go_in_afterwards() -> None:
    """The same skeleton serves every value, and a value is never touched, whatever it looks like."""
    bench = Bench(FILES)
    fitted = apply_strategy(bench.skeleton, STRATEGIES["balanced"], bench.tools, bench.author_hints)
    value = "Ada   \n\n\n" + REPEATED
    assert bench.text(fitted.skeleton, name=value).count(value) == 2
    assert bench.text(fitted.skeleton, name="Bo").count(REPEATED) == 1


def test_what_went_is_in_the_manifest_and_can_be_had_back() -> None:
    """The repeat is in the entry of its component, with its place there and where the same still stands."""
    bench = Bench(FILES)
    fitted = apply_strategy(bench.skeleton, STRATEGIES["balanced"], bench.tools, bench.author_hints)
    assert ("b.md", REPEATED) in bench.had_back(fitted.skeleton)
    (unit,) = [unit for draft in fitted.skeleton.drafts for unit in draft.removed if unit.duplicate_of]
    assert (unit.kind, unit.duplicate_of, unit.reason) == ("repeat", "a.md", "duplicate of a.md")
    assert unit.duplicate_span is not None
    assert FILES["a.md"][slice(*unit.duplicate_span)].strip() == REPEATED.strip()


def test_none_changes_nothing() -> None:
    """The strategy without passes gives the assembled bytes."""
    bench = Bench(FILES)
    fitted = apply_strategy(bench.skeleton, STRATEGIES["none"], bench.tools, bench.author_hints)
    assert bench.text(fitted.skeleton, name="Ada") == bench.text(bench.skeleton, name="Ada")
    assert fitted.quality.information.ratio == 1.0


@pytest.mark.parametrize("key", OPTIMISE_KEYS)
def test_optimise_never_is_kept_to(key: str) -> None:
    """A component whose author says never is byte for byte in the prompt, in either spelling."""
    never = "## Law\n\nSaid twice, kept twice.   \n\n\n\nSaid twice, kept twice.   \n"
    bench = Bench({"a.md": "# A\n\n<include>b.md</include>\n", "b.md": f"---\n{key}: never\n---\n{never}"})
    fitted = apply_strategy(bench.skeleton, STRATEGIES["aggressive"], bench.tools, bench.author_hints)
    assert never in bench.text(fitted.skeleton)


def test_both_spellings_of_optimise_are_one_key() -> None:
    """Either names the limit, a note names the one that was written, and `optimise` wins over `optimize`."""
    names = tuple(STRATEGIES)
    for key in OPTIMISE_KEYS:
        assert author_hints_of("a.md", "", {key: "balanced"}, names).limit == "balanced"
        (note,) = author_hints_of("a.md", "", {key: "sometimes"}, names).notes
        assert note.message.startswith(f"`{key}` is `sometimes`")
        assert note.line == 1
        (note,) = author_hints_of("a.md", "", {key: ["a", True]}, names, {key: 7}).notes
        assert note.message.startswith(f"`{key}` is `a, true`;")
        assert note.line == 7
    both = {"optimize": "balanced", "optimise": "conservative"}
    assert author_hints_of("a.md", "", both, names).limit == "conservative"


def test_a_component_said_before_is_deduplicated() -> None:
    """A component that stands in the prompt twice is whole in its first place; the other entry says so."""
    text = "## Rules\n\nNever push to main without a review by somebody else.\n"
    files = {
        "a.md": "# A\n\n<include>b.md</include>\n\n# B\n\n<include>b.md</include>\n\n# C\n\nDone.\n",
        "b.md": text,
    }
    bench = Bench(files)
    fitted = apply_strategy(bench.skeleton, STRATEGIES["balanced"], bench.tools, bench.author_hints)
    assert bench.text(fitted.skeleton).count(text.strip()) == 1
    assert [(draft.id, draft.reason) for draft in fitted.skeleton.drafts] == [
        ("a.md", "included"),
        ("b.md", "included"),
        ("b.md", "deduplicated"),
    ]


def test_a_skipped_pass_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that raises costs its own saving and nothing else."""

    def fail(_page: Page, _context: Context) -> list[Edit]:
        raise ZeroDivisionError("a table with no columns")

    monkeypatch.setitem(pass_functions(), "blank_lines", fail)
    bench = Bench(FILES)
    fitted = apply_strategy(bench.skeleton, STRATEGIES["conservative"], bench.tools, bench.author_hints)
    assert fitted.skipped == ("blank_lines",)
    (note,) = [note for note in fitted.skeleton.notes if note.kind == "skipped-pass"]
    assert "blank_lines" in note.message
    assert "\n\n\n<tone>" in bench.text(fitted.skeleton, name="Ada")


@pytest.mark.parametrize(
    ("metadata", "is_kept", "limit", "notes"),
    [
        ({"keep": True}, True, "conservative", 0),
        ({"keep": "yes"}, True, "conservative", 0),
        ({"priority": "required"}, True, "conservative", 0),
        ({"priority": "required", "keep": False}, True, "conservative", 0),
        ({"keep": True, "optimise": "never"}, True, "never", 0),
        ({"keep": True, "optimise": "aggressive"}, True, "conservative", 0),
        ({"keep": False}, False, None, 0),
        ({"keep": "no"}, False, None, 0),
        ({"keep": "sometimes"}, True, "conservative", 1),
        ({"keep": None, "priority": 0.7}, False, None, 0),
        ({"priority": "requird"}, False, None, 1),
    ],
)
def test_keep_is_read(metadata: dict[str, object], is_kept: bool, limit: str | None, notes: int) -> None:
    """By either key; a value that says neither yes nor no keeps, and is a note as a wrong priority is."""
    hints = author_hints_of("a.md", "", metadata, tuple(STRATEGIES))
    assert (hints.is_kept, hints.limit, len(hints.notes)) == (is_kept, limit, notes)
    assert hints.priority == metadata.get("priority") if isinstance(metadata.get("priority"), float) else 0.5
