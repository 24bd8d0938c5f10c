"""Prompt caching and cost: the stable prefix, providers' formats, what is saved, what a change costs."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.cache_prefix import stable_end
from promptd.core.optimise.budget.lexicon import Lexicon
from promptd.core.optimise.budget.providers import MAX_MARKS, anthropic, openai
from promptd.core.optimise.budget.stable_first import stable_first
from promptd.core.optimise.words import idf_of
from promptd.core.tokens.cost import (
    Account,
    Model,
    estimate,
    savings,
)
from tests.core.builders import LAW
from tests.core.optimise.budget.bench import Bench, count

FILES = {
    "a.md": "---\nstable_first: true\n---\n# A {brace}\n\n"
    "<include>b.md</include>\n\n<include>c.md</include>\n",
    "b.md": "---\nvariables: {name: {default: x}}\n---\nFor {name}.\n",
    "c.md": "Always the same.\n",
}
MODEL = Model("m", input=3.0, cached_read=0.3, cache_write=3.75, calibration=1.2, cache_min_tokens=10)


def test_the_stable_prefix_ends_at_the_first_value() -> None:
    """Brace text that is never given a value does not end it; a declared variable does, given or not."""
    bench = Bench(FILES)
    filled = bench.filled(bench.skeleton, name="Ada")
    assert filled.text[: stable_end(bench.skeleton, filled, ())] == "# A {brace}\n\nFor "
    assert stable_end(bench.skeleton, filled, {"brace"}) == len("# A ")


def test_without_values_all_of_it_is_stable() -> None:
    """A prompt that no request can change is one stable prefix."""
    bench = Bench(FILES, "c.md")
    assert stable_end(bench.skeleton, bench.filled(bench.skeleton), ()) == len("Always the same.\n")


def test_stable_pieces_come_first_where_the_author_allows_it() -> None:
    """What has values goes behind what has none, the manifest follows; no word is lost."""
    bench = Bench(FILES)
    moved, has_moved = stable_first(bench.skeleton, bench.author_hints, (), is_asked=False)
    assert has_moved
    assert bench.text(moved, name="Ada") == "# A {brace}\n\nAlways the same.\n\nFor Ada.\n"
    assert [draft.id for draft in moved.drafts] == ["a.md", "c.md", "b.md"]
    spans = [moved.parts[draft.first : draft.last] for draft in moved.drafts[1:]]
    assert spans[0] == ["Always the same.\n"]


def test_nothing_moves_unasked() -> None:
    """Without the front matter the order is the author's, and so is that of pieces with text in between."""
    files = FILES | {"a.md": "# A\n\n<include>b.md</include>\n\n<include>c.md</include>\n"}
    assert not stable_first(Bench(files).skeleton, Bench(files).author_hints, (), is_asked=False)[1]
    between = FILES | {"a.md": FILES["a.md"].replace("include>\n\n<", "include>\n\nAnd then:\n\n<")}
    assert not stable_first(Bench(between).skeleton, Bench(between).author_hints, (), is_asked=False)[1]


def test_the_client_may_allow_it_for_what_it_asks_for() -> None:
    """The order of several components asked for is the client's own."""
    bench = Bench(FILES | {"d.md": "Same.\n"}, "b.md", "d.md")
    moved, has_moved = stable_first(bench.skeleton, {}, (), is_asked=True)
    assert has_moved
    assert [draft.id for draft in moved.drafts] == ["d.md", "b.md"]


# -- formats ----------------------------------------------------------------------------------

TEXT = st.text(st.sampled_from("ab \n."), max_size=80)


@LAW
@given(TEXT, st.data(), st.integers(0, 20))
def test_blocks_are_the_text_and_marks_are_within_bounds(text: str, data: st.DataObject, least: int) -> None:
    """Put together the blocks are the prompt; at most four are marked, none late, none too early."""
    end = data.draw(st.integers(0, len(text)))
    edges = data.draw(st.lists(st.integers(0, len(text)), max_size=9))
    blocks = anthropic(text, end, edges, count, least)
    assert "".join(block["text"] for block in blocks) == text
    position = 0
    marked = []
    for block in blocks:
        assert block["text"].strip() or len(blocks) == 1
        position += len(block["text"])
        if "cache_control" in block:
            marked.append(position)
    assert len(marked) <= MAX_MARKS
    for at in marked:
        assert not text[end:at].strip()
        assert count(text[:at]) >= least


def test_the_last_mark_is_the_end_of_the_stable_prefix() -> None:
    """The whole stable prefix is cached, and pieces before it spread the marks."""
    text = "".join(f"piece {number}\n" for number in range(20)) + "and values"
    end = text.index("and values")
    blocks = anthropic(text, end, range(0, end, 8), count, 3)
    assert [("cache_control" in block) for block in blocks] == [True] * 4 + [False]
    assert blocks[-1]["text"] == "and values"


def test_openai_takes_one_system_message() -> None:
    """It caches equal beginnings by itself."""
    assert openai("text") == [{"role": "system", "content": "text"}]


# -- cost -------------------------------------------------------------------------------------


def test_savings_are_capped_at_what_would_have_been_sent() -> None:
    """A prompt beyond the context limit would have been refused: only the limit counts as a baseline."""
    assert savings(1_000, 600, 10_000, None).tokens_saved == 400
    capped = savings(1_000_000, 600, 10_000, MODEL)
    assert (capped.baseline, capped.tokens_baseline, capped.tokens_saved) == ("none", 10_000, 9_400)
    assert capped.cost_saved == round(9_400 * 1.2 * 3 / 1e6, 9)
    assert savings(100, 120, 10_000, None).tokens_saved == -20


def test_an_estimate_stands_beside_the_raw_count() -> None:
    """The factor, the encoding and both numbers are in it."""
    found = estimate(1_000, "o200k_base", MODEL)
    assert (found.tokens, found.tokens_estimated, found.calibration) == (1_000, 1_200, 1.2)
    assert (found.encoding, found.model) == ("o200k_base", "m")


def test_a_prefix_that_changes_costs_a_write() -> None:
    """The first sight is no change, the same is none, another is one; one too short to be cached is free."""
    account = Account()
    for digest in ("a", "a", "b"):
        account.prefix("key", digest, 1_000, MODEL)
    account.prefix("short", "a", 5, MODEL)
    account.prefix("short", "b", 5, MODEL)
    seen = account.statistics()
    assert (seen.prefixes, seen.prefix_changes) == (2, 2)
    assert seen.prefix_cost == round(1_000 * 1.2 * 3.45 / 1e6, 6)


def test_savings_add_up() -> None:
    """Replies, tokens and cost, by strategy."""
    account = Account()
    account.add("balanced", savings(100, 60, 1_000, MODEL), 3)
    account.add("none", savings(100, 100, 1_000, None), 1)
    seen = account.statistics()
    assert (seen.replies, seen.tokens_baseline, seen.tokens_saved) == (4, 400, 120)
    assert seen.by_strategy == {"balanced": 3, "none": 1}


# -- the lexicon ------------------------------------------------------------------------------

NUMBERS = ("one", "two", "three", "four", "five")
WORDS = st.lists(st.sampled_from(NUMBERS), max_size=6).map(" ".join)
CHANGES = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | WORDS), max_size=20)


@LAW
@given(CHANGES)
def test_incremental_equals_from_scratch(changes: list[tuple[str, str | None]]) -> None:
    """After any changes the idf is what counting anew gives."""
    lexicon, texts = Lexicon(), dict[str, str]()
    lexicon.begin(())
    for id, text in changes:
        lexicon.forget(id)
        texts.pop(id, None)
        if text is not None:
            lexicon.expect(id)
            lexicon.learn(id, text)
            texts[id] = text
    fresh = Lexicon()
    fresh.begin(texts)
    for id in fresh.unknown():
        fresh.learn(id, texts[id])
    assert lexicon.idf() == fresh.idf()
    exact = idf_of(texts.values())
    for word in NUMBERS:
        assert abs(lexicon.idf().of(word) - exact.of(word)) <= 0.7  # within a factor of two


def test_the_version_changes_only_with_the_idf() -> None:
    """A component more or less hardly moves an order of magnitude, and the same idf is the same object."""
    lexicon = Lexicon()
    lexicon.begin("abcdefgh")
    for id in lexicon.unknown():
        lexicon.learn(id, "one two")
    before, version = lexicon.idf(), lexicon.version
    lexicon.expect("i")
    lexicon.learn("i", "one three")
    assert lexicon.idf() is before
    assert lexicon.version == version


def test_an_idle_lexicon_counts_nothing() -> None:
    """Who uses no strategy pays for none."""
    lexicon = Lexicon()
    lexicon.expect("a")
    lexicon.learn("a", "one")
    assert lexicon.unknown() == []
    assert lexicon.idf().texts == 0
