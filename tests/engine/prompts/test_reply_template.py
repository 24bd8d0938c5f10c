"""Templates of replies: what is rendered for new values is, byte for byte, what is made otherwise."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from promptd import Engine
from promptd import config as configuration
from promptd.engine.prompts import reply
from promptd.errors import OverBudget
from promptd.protocol.replies import AssembleReply
from promptd.protocol.request import request_of
from promptd.sources.worktree import sweep
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
    """Files that a signature proves at once: young ones, or those of a slow disk, have their prompts made."""
    make_files_look_old(monkeypatch)
    monkeypatch.setattr(sweep, "SLOW_STAT_S", 3_600.0)  # a busy machine may be taken for a slow disk


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One library for all examples."""
    root = tmp_path_factory.mktemp("templates")
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


def is_rendered(engine: Engine, variables: dict[str, Any]) -> bool:
    """True if the last answer for these values was rendered and no prompt is kept of it."""
    return request_of(("main",), variables) not in engine.workspace.prompts


@settings(deadline=None, max_examples=examples(60))
@given(asked, st.data())
def test_rendered_is_what_is_made(engine: Engine, variables: dict[str, str], data: st.DataObject) -> None:
    """For any values: rendered the first time, made in full the second, the same bytes both times."""
    first = dict.fromkeys(variables, "for the template")
    other = {name: data.draw(values) + "!" for name in variables}
    for given_before in (first, other):
        engine.workspace.prompts.discard(request_of(("main",), given_before))
    ask(engine, first)
    engine.workspace.usage._once.clear()
    rendered = ask(engine, other)
    assert is_rendered(engine, other)
    made = ask(engine, other)
    assert not is_rendered(engine, other)
    assert rendered == made


def test_a_template_is_fresh(tmp_path: Path) -> None:
    """It rests on the same evidence as a prompt: a change on disk is in the next reply."""
    (tmp_path / "main.md").write_text("One {name}\n<include>part.md</include>\n")
    with Engine.open([tmp_path]) as engine:
        ask(engine, {"name": "a"})
        assert b"One b" in ask(engine, {"name": "b"})
        assert is_rendered(engine, {"name": "b"})
        (tmp_path / "part.md").write_text("Part of {name}\n")
        assert b"Part of c" in ask(engine, {"name": "c"})
        (tmp_path / "main.md").write_text("Two {name}\n")
        assert b"Two d" in ask(engine, {"name": "d"})


def test_what_is_rendered_counts_as_a_use_and_pushes_nothing_out(library: Path) -> None:
    """A thousand values that come once leave the cache of prompts as it was."""
    with Engine.open([library]) as engine:
        for number in range(20):
            ask(engine, {"name": f"{number}"})
        assert len(engine.workspace.prompts) == 1
        now_s = time.time()
        engine.workspace.fold_uses(now_s)
        assert engine.workspace.hot.weights(now_s)["main.md"] == pytest.approx(20.0, rel=0.01)


def test_limits_hold_for_what_is_rendered(library: Path) -> None:
    """A value that makes the prompt too large is refused as it would be otherwise."""
    with Engine.open([library], max_context_tokens=2_000) as engine:
        ask(engine, {"name": "small"})
        with pytest.raises(OverBudget):
            ask(engine, {"name": "many words " * 2_000})


def test_nothing_in_a_file_looks_like_a_mark(tmp_path: Path) -> None:
    """Names, metadata and texts full of NUL bytes, digits and per cent signs: rendered as they are made."""
    tricky = '\0001\0 "\\0001\\0" %d %b %%'
    includes = "<include>%d 0001.md</include>\n<include>%b</include>\n"
    (tmp_path / "main.md").write_text(f"---\nodd: '{tricky[4:]}'\n---\n{tricky} {{name}}\n{includes}")
    (tmp_path / "%d 0001.md").write_text(f"{tricky}\n")
    with Engine.open([tmp_path]) as engine:
        ask(engine, {"name": "first"})
        rendered = ask(engine, {"name": tricky})
        assert is_rendered(engine, {"name": tricky})
        assert rendered == ask(engine, {"name": tricky})
        assert not is_rendered(engine, {"name": tricky})


# A reply with fields of the future, and all of them in the opposite order.
Other = msgspec.defstruct(
    "Other",
    [(name, Any, UNSET) for name in ("weight", *reversed(AssembleReply.__struct_fields__), "author")],
)


def test_a_new_field_needs_no_change_of_a_template(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is added to the reply is in its template too, in whatever order."""

    def other(_kind: type[AssembleReply], **fields: Any) -> msgspec.Struct:
        return Other(author="Ada, 100 %", weight=0.5, **fields)

    monkeypatch.setattr(reply, "partial", other)
    with Engine.open([library]) as engine:
        ask(engine, {"name": "first"})
        rendered = ask(engine, {"name": "second"})
        assert is_rendered(engine, {"name": "second"})
        assert rendered == ask(engine, {"name": "second"})
        assert rendered.startswith(b'{"weight":0.5,"consistent":true,"clock":"c:')
        assert rendered.endswith(b',"author":"Ada, 100 %"}')


def test_a_reply_has_the_clock_of_its_moment(library: Path) -> None:
    """A held prompt and a template are both sent with the clock of the revision at that time."""
    with Engine.open([library]) as engine:
        before = json.loads(ask(engine, {"name": "held"}))
        (library / "unrelated.md").write_text("Something else.\n")
        engine.call("rescan")
        held = json.loads(ask(engine, {"name": "held"}))
        rendered = json.loads(ask(engine, {"name": "rendered"}))
        (library / "unrelated.md").unlink()
        assert before["clock"] != held["clock"] == rendered["clock"] == engine.workspace.clock
        assert before | {"clock": held["clock"]} == held


def test_other_names_have_a_template_of_their_own(library: Path) -> None:
    """What is unused, empty or left as written depends on which names are given, not on their values."""
    with Engine.open([library]) as engine:
        for names in (["name"], ["name", "task"], ["unused"]):
            ask(engine, dict.fromkeys(names, "first"))
            ask(engine, dict.fromkeys(names, "second"))
        outline = engine.workspace._compiled.peek(("main",))
        assert outline is not None
        assert {("name",), ("name", "task"), ("unused",)} <= outline.templates.keys()
        assert engine.workspace.holds(outline.evidence, engine.workspace.source.check())


def test_rendered_replies_are_replies(tmp_path: Path) -> None:
    """Nothing is kept of them, and they are counted all the same."""
    (tmp_path / "v.md").write_text("hello {{a}}\n")
    with Engine.open(tmp_path) as engine:
        tokens = [
            json.loads(engine.call("assemble", {"name": "v", "variables": {"a": f"x{n}"}}))["tokens"]
            for n in range(5)
        ]
        assert engine.workspace.savings().prompts.replies == 5
        assert engine.workspace.savings().tokens_served == sum(tokens)


ETAG_FILES = {"main.md": "A stable line.\n" * 30 + "{name}\n"}
MODELS = (
    'models = { m = { input = 1.0, cached_read = 0.1, cache_write = 1.0, calibration = 1.2 } }\nmodel = "m"\n'
)


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("input = 1.0", "input = 2.0"),
        ("calibration = 1.2", "calibration = 1.3"),
        ("cache_min_tokens", "cache_min_tokens"),
        ('encoding = "o200k_base"', 'encoding = "cl100k_base"'),
        ('model = "m"', ""),
    ],
)
@pytest.mark.parametrize("options", [{}, {"strategy": "conservative"}, {"budget": 500}])
def test_an_etag_is_another_where_the_reply_is(
    tmp_path: Path, written: str, other: str, options: dict[str, Any]
) -> None:
    """Prices, calibration, encoding: whatever else the reply has, one etag never stands for two replies."""
    for name, text in ETAG_FILES.items():
        (tmp_path / name).write_text(text)
    replies = []
    for tokens in (
        MODELS + 'encoding = "o200k_base"\n',
        (MODELS + 'encoding = "o200k_base"\n').replace(written, other),
    ):
        file = tmp_path / "promptd.toml"
        file.write_text(f'[[roots]]\npath = "{tmp_path}"\n[tokens]\n{tokens}')
        with Engine.open(config=configuration.load(str(file), {}, {})) as engine:
            asked = {"name": "main", "variables": {"name": "x"}, **options}
            replies.append(json.loads(engine.call("assemble", asked)))
    first, second = ({key: reply[key] for key in reply if key not in ("etag", "clock")} for reply in replies)
    assert (first == second) is (replies[0]["etag"] == replies[1]["etag"])
    assert (first == second) is (written == other)
