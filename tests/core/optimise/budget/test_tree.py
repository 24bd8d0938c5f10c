"""A skeleton and its tree are the same thing twice, and the ledger knows the file behind every character."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.budget.ledger import Ledger
from promptd.core.optimise.budget.tree import flatten, grow, text_of
from tests.core.builders import LAW
from tests.core.optimise.budget.bench import Bench

LINES = st.sampled_from(
    ("one\n", "two {name}\n", "\n", "<include>b.md</include>\n", "x <include>c.md</include> y\n", "end")
)
BODIES = st.lists(LINES, max_size=6).map("".join)


@LAW
@given(
    BODIES, BODIES.map(lambda body: body.replace("b.md", "c.md")), st.sampled_from(("c\n", "c {name}", ""))
)
def test_there_and_back(a: str, b: str, c: str) -> None:
    """Flattening what has grown from a skeleton gives the same text, entries and parts."""
    bench = Bench({"a.md": a, "b.md": b, "c.md": c})
    again = flatten(grow(bench.skeleton), bench.skeleton)
    before, after = (bench.filled(each, name="N") for each in (bench.skeleton, again))
    assert before.text == after.text
    spans = [
        [(draft.id, draft.chain, filled.offset(draft.first), filled.offset(draft.last)) for draft in drafts]
        for drafts, filled in ((bench.skeleton.drafts, before), (again.drafts, after))
    ]
    assert spans[0] == spans[1]
    assert flatten(grow(again), again).parts == again.parts


@LAW
@given(BODIES, st.sampled_from(("b\n", "b {name}\nb2\n", "b <include>c.md</include>\n")), st.data())
def test_every_stretch_is_found_in_its_file(a: str, b: str, data: st.DataObject) -> None:
    """What the ledger says of any stretch of the text, the file has at that span."""
    files = {"a.md": a, "b.md": b, "c.md": "c c\n"}
    bench = Bench(files)
    text, _ = text_of(bench.skeleton.parts)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    for written in Ledger.of(grow(bench.skeleton)).spans(start, end):
        assert files[written.id][slice(*written.span)] == text[slice(*written.at)]
        assert written.node.draft is not None
        assert written.node.draft.id == written.id


def test_front_matter_is_not_counted_into_offsets() -> None:
    """Spans are those of the file, front matter included, since that is what `get` shows."""
    files = {"a.md": "---\nname: a\n---\nBody <include>b.md</include> here.\n", "b.md": "b"}
    bench = Bench(files)
    ledger = Ledger.of(grow(bench.skeleton))
    ids = [(written.id, files[written.id][slice(*written.span)]) for written in ledger.spans(0, 99)]
    assert ids == [("a.md", "Body "), ("b.md", "b"), ("a.md", " here.\n")]
