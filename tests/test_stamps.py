"""Stamps: what is struck for new values is byte for byte what is made and encoded for them otherwise."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptd import Engine
from promptd.engine.request import request_of
from promptd.errors import OverBudget
from promptd.files import Sweep
from tests.freshness import make_files_look_old
from tests.suite.examples import examples

FILES = {
    "main.md": '# {name}\n\n<include>part.md</include>\nFor {{ task | nothing }}: 100 %d %% "quoted"\n'
    "<include>missing.md</include>\n<include>deep.md</include>\n" + "A line that fills the page.\n" * 40,
    "part.md": "---\nvariables:\n  project: {description: which}\n---\nPart of {project} and {other}.\n" * 2,
    "deep.md": "Größe {name}\n<include>part.md</include>\n\\$1 and $ARGUMENTS stay.\n",
}
values = st.text(st.sampled_from([*' \n"\\/aé中%{}$<>👩\x00\x1f\u2028', *"word"]), max_size=20)
names = st.sampled_from(["name", "task", "project", "unused"])
asked = st.dictionaries(names, values, min_size=1)


@pytest.fixture(autouse=True)
def _old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a signature proves: young ones are read again, and their prompts made."""
    make_files_look_old(monkeypatch)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One library for all examples."""
    root = tmp_path_factory.mktemp("stamps")
    for name, text in FILES.items():
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def engine(library: Path) -> Engine:
    """One engine for all examples."""
    return Engine.open([library])


def ask(engine: Engine, variables: dict[str, Any]) -> bytes:
    """The reply to one request."""
    return engine.call("assemble", {"name": "main", "variables": variables})


def is_struck(engine: Engine, variables: dict[str, Any]) -> bool:
    """True if the last answer for these values was struck and no prompt is kept of it."""
    return request_of(("main",), variables) not in engine.keeper.prompts


@settings(deadline=None, max_examples=examples(60))
@given(asked, st.data())
def test_struck_is_what_is_made(engine: Engine, variables: dict[str, str], data: st.DataObject) -> None:
    """For any values: struck the first time, made in full the second, the same bytes both times."""
    first = dict.fromkeys(variables, "for the stamp")
    other = {name: data.draw(values) + "!" for name in variables}
    for given_before in (first, other):
        engine.keeper.prompts.discard(request_of(("main",), given_before))
    ask(engine, first)
    engine.keeper._struck.clear()
    struck = ask(engine, other)
    assert is_struck(engine, other)
    made = ask(engine, other)
    assert not is_struck(engine, other)
    assert struck == made


def test_a_stamp_is_fresh(tmp_path: Path) -> None:
    """It rests on the same facts as a prompt: a change on disk is in the next reply."""
    (tmp_path / "main.md").write_text("One {name}\n<include>part.md</include>\n")
    with Engine.open([tmp_path]) as engine:
        ask(engine, {"name": "a"})
        assert b"One b" in ask(engine, {"name": "b"})
        assert is_struck(engine, {"name": "b"})
        (tmp_path / "part.md").write_text("Part of {name}\n")
        assert b"Part of c" in ask(engine, {"name": "c"})
        (tmp_path / "main.md").write_text("Two {name}\n")
        assert b"Two d" in ask(engine, {"name": "d"})


def test_what_is_struck_counts_as_a_use_and_pushes_nothing_out(library: Path) -> None:
    """A thousand values that come once leave the cache of prompts as it was."""
    with Engine.open([library]) as engine:
        for number in range(20):
            ask(engine, {"name": f"{number}"})
        assert len(engine.keeper.prompts) == 1
        now_s = time.time()
        engine.keeper.fold_uses(now_s)
        assert engine.keeper.hot.weights(now_s)["main.md"] == pytest.approx(20.0, rel=0.01)


def test_limits_hold_for_what_is_struck(library: Path) -> None:
    """A value that makes the prompt too large is refused as it would be otherwise."""
    with Engine.open([library], max_context_tokens=2_000) as engine:
        ask(engine, {"name": "small"})
        with pytest.raises(OverBudget):
            ask(engine, {"name": "many words " * 2_000})


def test_the_number_of_forms_in_a_name_is_no_number(tmp_path: Path) -> None:
    """A file whose name holds what stands for a number in a form: such a prompt is always made."""
    (tmp_path / "main.md").write_text("{name}\n<include>1234567890123456789.md</include>\n")
    (tmp_path / "1234567890123456789.md").write_text("x\n")
    with Engine.open([tmp_path]) as engine:
        for name in ("a", "b", "c"):
            ask(engine, {"name": name})
            assert not is_struck(engine, {"name": name})


def test_other_names_have_a_stamp_of_their_own(library: Path) -> None:
    """What is unused, empty or left as written depends on which names are given, not on their values."""
    with Engine.open([library]) as engine:
        for names in (["name"], ["name", "task"], ["unused"]):
            ask(engine, dict.fromkeys(names, "first"))
            ask(engine, dict.fromkeys(names, "second"))
        outline = engine.keeper._outlines.peek(("main",))
        assert outline is not None
        assert {("name",), ("name", "task"), ("unused",)} <= outline.stamps.keys()
        assert engine.keeper.holds(outline.facts, Sweep(engine.keeper.files))


def test_struck_replies_are_replies(tmp_path: Path) -> None:
    """Nothing is kept of them, and they are counted all the same."""
    (tmp_path / "v.md").write_text("hello {{a}}\n")
    with Engine.open(tmp_path) as engine:
        tokens = [
            json.loads(engine.call("assemble", {"name": "v", "variables": {"a": f"x{n}"}}))["tokens"]
            for n in range(5)
        ]
        assert engine.keeper.savings().prompts.replies == 5
        assert engine.keeper.savings().tokens_served == sum(tokens)
