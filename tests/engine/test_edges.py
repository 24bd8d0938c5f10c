"""Edges on a disk: where a linked file's imports lead, what closed directories hide, what is counted."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from promptd import Engine, config
from promptd.errors import UnknownComponent
from tests.freshness import answer, assert_fresh, assert_hold_the_same, cold_one, whole


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a root."""
    for id, text in files.items():
        (root / id).parent.mkdir(parents=True, exist_ok=True)
        (root / id).write_text(text)


def same_as_cold(engine: Engine) -> None:
    """What was seen before makes no difference to what is said of the whole library."""
    with cold_one(engine) as cold:
        assert whole(engine) == whole(cold)
        assert_hold_the_same(engine, cold)


# -- links ------------------------------------------------------------------------------------


def test_a_linked_memory_file_is_looked_up_from_where_it_really_is(tmp_path: Path) -> None:
    """Then from where the link is; pointing it elsewhere changes the prompt, even at the same bytes."""
    text = "@rules.md\n"
    write(
        tmp_path,
        {"one/AGENTS.md": text, "two/AGENTS.md": text, "one/rules.md": "one\n", "app/rules.md": "app\n"},
    )
    link = tmp_path / "app" / "CLAUDE.md"
    link.symlink_to("../one/AGENTS.md")
    with Engine.open([tmp_path]) as engine:
        assert engine.assemble("app/CLAUDE").text == "one\n"
        (tmp_path / "one" / "rules.md").unlink()
        assert engine.assemble("app/CLAUDE").text == "app\n"
        write(tmp_path, {"one/rules.md": "again\n", "two/rules.md": "two\n"})
        assert engine.assemble("app/CLAUDE").text == "again\n"
        link.unlink()
        link.symlink_to("../two/AGENTS.md")
        assert engine.assemble("app/CLAUDE").text == "two\n"
        assert_fresh(engine, [("app/CLAUDE",)])
        same_as_cold(engine)


def test_a_link_out_of_the_library_leads_nowhere(tmp_path: Path) -> None:
    """What is beside its target is not read either."""
    write(tmp_path, {"out/AGENTS.md": "@secret.md\n", "out/secret.md": "SECRET\n", "in/a.md": "A\n"})
    (tmp_path / "in" / "CLAUDE.md").symlink_to("../out/AGENTS.md")
    with Engine.open([tmp_path / "in"]) as engine:
        assert "OutsideRoot" in answer(engine, "CLAUDE")[0]


def test_what_a_memory_file_is_told_of_the_root_is_fresh(tmp_path: Path) -> None:
    """The hint comes and goes with the file at the root."""
    write(tmp_path, {"app/CLAUDE.md": "See @docs/x.md.\n"})
    with Engine.open([tmp_path]) as engine:
        for text in ("X", None, "Y"):
            write(tmp_path, {"docs/x.md": text}) if text else (tmp_path / "docs" / "x.md").unlink()
            (warning,) = engine.assemble("app/CLAUDE").warnings
            assert ("write `@../docs/x.md`" in warning.message) == (text is not None)
            assert_fresh(engine, [("app/CLAUDE",)])


# -- several roots ----------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["a loop", "a link out", "a link to its own parent"])
@pytest.mark.parametrize("is_asked_before", [True, False])
def test_what_is_behind_a_closed_directory_of_an_earlier_root(
    tmp_path: Path, closed: str, is_asked_before: bool
) -> None:
    """A listing cannot look there and a request does: both say the same of the later root's files."""
    first, second = tmp_path / "first", tmp_path / "second"
    include = "".join(f"<include>{id}</include>\n" for id in ("d/c.md", "d/b.md", "d/raw.xml"))
    write(second, {"a.md": include, "d/c.md": "c\n", "d/b.md": "b\n", "d/raw.xml": "raw\n"})
    write(tmp_path, {"away/c.md": "SECRET", "first/c.md": "first\n"})
    target = {"a loop": "d", "a link out": tmp_path / "away", "a link to its own parent": first}
    (first / "d").symlink_to(target[closed])
    with Engine.open([first, second]) as engine:
        if is_asked_before:
            answer(engine, "a"), answer(engine, "d/c.md")
        same_as_cold(engine)
        assert_fresh(engine, [("a",), ("d/c.md",), ("d/b",)])
        same_as_cold(engine)


def test_a_hidden_file_that_no_listing_shows_is_held_by_nobody(tmp_path: Path) -> None:
    """Cold or warm: it is read when the file that hides it goes."""
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, {"a.md": "<include>raw.xml</include>\n", "raw.xml": "one\n"})
    second.mkdir()
    with Engine.open([first, second]) as engine:
        assert engine.assemble("a").text == "one\n"
        write(second, {"raw.xml": "two\n"})
        same_as_cold(engine)
        (first / "raw.xml").unlink()
        assert engine.assemble("a").text == "two\n"
        same_as_cold(engine)


# -- counts -----------------------------------------------------------------------------------


def said(engine: Engine, method: str, **params: Any) -> Any:
    """Return a decoded reply."""
    return msgspec.json.decode(engine.call(method, params))


def test_edges_and_dangling_are_one_number(tmp_path: Path) -> None:
    """In `check`, `graph` and the statistics that health and metrics show, after any requests."""
    write(
        tmp_path,
        {
            "a.md": "---\nrequires: c.md\n---\n@b.md\n@&b.md\n@gone.md @maybe\n{{component: b.md#Nowhere}}\n",
            "b.md": "B\n",
            "c.md": "{{component: gone.md}}\n",
            "raw.xml": "<include>a.md</include><include>gone.md</include>",
        },
    )
    with Engine.open([tmp_path]) as engine:
        answer(engine, "raw.xml")
        report, counts = said(engine, "check"), engine.workspace.library.statistics()
        assert report["edges"] == len(said(engine, "graph")["edges"]) == counts.edges == 2
        assert len(report["dangling"]) == counts.dangling == 2
        assert [each["target"] for each in report["missing_sections"]] == ["b.md#Nowhere"]
        assert sum(row["dependencies"] for row in said(engine, "list")["components"]) == counts.edges
        assert report["components"] == said(engine, "list")["total"] == counts.components == 3


def test_a_prompt_is_counted_by_id_however_it_was_spelled(tmp_path: Path) -> None:
    """Its uses are one line of the account, cached or rendered, alone or with others."""
    write(tmp_path, {"review.md": "{x}\n", "b.md": "---\nvariables: [x]\n---\n"})
    with Engine.open([tmp_path]) as engine:
        for name in ("review", "review.md", "./review.md"):
            for value in "12":
                engine.call("assemble", {"name": name, "variables": {"x": value}})
            engine.call("assemble", {"components": [name, "b"]})
        engine.workspace.savings()
        popular = engine.workspace.optimiser.popular.hottest(10)
        assert {one.name: one.requests for one in popular} == {"review.md": 6, "review.md, b.md": 3}
        assert engine.assemble(("./review",)).ids == ("review.md",)


def test_changes_list_what_changed_and_nothing_else(tmp_path: Path) -> None:
    """Not what was changed back, what came and went, or what only stands near a change."""
    write(tmp_path, {"a.md": "A\n@b.md\n", "b.md": "B\n@c.md\n", "c.md": "C\n"})
    with Engine.open([tmp_path]) as engine:
        clock = said(engine, "list")["clock"]

        def changes() -> tuple[list[str], list[str]]:
            reply = said(engine, "changes", since=clock)
            assert not reply["full_resync"]
            return [row["id"] for row in reply["components"]], reply["removed"]

        write(tmp_path, {"b.md": "Different\n@c.md\n", "new.md": "x"})
        assert changes() == (["b.md", "new.md"], [])
        write(tmp_path, {"b.md": "B\n@c.md\n"})
        (tmp_path / "new.md").unlink()
        assert changes() == ([], [])
        write(tmp_path, {"a.md": "A\n@c.md\n"})
        assert changes() == (["a.md", "b.md", "c.md"], []), "the dependents of the latter are others"


def test_names_that_are_gone_are_not_offered(tmp_path: Path) -> None:
    """Others that are nearly as near are, also of a later root."""
    write(tmp_path, {f"review-{n}.md": "x" for n in range(6)})
    with Engine.open([tmp_path]) as engine:
        whole(engine)
        for n in range(4):
            (tmp_path / f"review-{n}.md").unlink()
        with pytest.raises(UnknownComponent) as raised:
            engine.assemble(("review-0",))
        assert sorted(raised.value.details["nearest"]) == ["review-4.md", "review-5.md"]


BUDGET = ("shortened", "referenced", "dropped", "unused-budget")  # what a budget says of itself


@pytest.mark.parametrize("strategy", ["none", "balanced", "aggressive"])
def test_no_strategy_or_budget_takes_a_word_out_of_a_sentence(tmp_path: Path, strategy: str) -> None:
    """The words of imports are text of the file; what is left out for a budget are the blocks behind it."""
    sentence = "Always read @docs/a.md, @gone.md and @CLAUDE.md first.\n"
    write(tmp_path, {"CLAUDE.md": sentence, "docs/a.md": "One thing must never be left out.\n" * 9})
    with Engine.open([tmp_path]) as engine:
        whole_prompt = engine.assemble(("CLAUDE",))
        for tokens in (whole_prompt.tokens, 40, 25):
            prompt = engine.assemble(("CLAUDE",), strategy=strategy, budget=tokens)
            assert prompt.text.startswith(sentence)
            said = [one.kind for one in prompt.warnings if one.kind not in BUDGET]
            assert said == ["missing", "cycle"]


@pytest.mark.parametrize(
    ("imports", "text"),
    [
        ("after", "Read @b.md.\n\nB\n"),
        ("inline", "Read B.\n"),
        ("marked", "Read <!-- Imported from: b.md -->\nB\n<!-- End of import from: b.md -->.\n"),
    ],
)
def test_a_root_says_where_the_text_of_its_imports_goes(tmp_path: Path, imports: str, text: str) -> None:
    """`imports` in the configuration; another root has its own."""
    write(tmp_path, {"one/a.md": "Read @b.md.\n", "two/c.md": "Read @b.md.\n", "two/b.md": "B\n"})
    (tmp_path / "promptd.toml").write_text(
        f'[[roots]]\npath = "one"\nimports = "{imports}"\n[[roots]]\npath = "two"\n'
    )
    with Engine(config.load(str(tmp_path / "promptd.toml"), {})) as engine:
        assert engine.assemble(("a",)).text == text
        assert engine.assemble(("c",)).text == "Read @b.md.\n\nB\n"
