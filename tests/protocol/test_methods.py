"""The methods: each parameter is checked before anything is done, each result has the documented fields."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd import Engine, errors
from promptd.core.library.resolve import matches
from promptd.errors import DigestMismatch, InvalidParams, UnknownComponent, UnknownSection
from promptd.protocol import methods
from promptd.protocol.describe import describe
from promptd.protocol.methods import METHODS, decode_params
from tests.conftest import Library

FILES = {
    "commands/p.md": "---\ndescription: the prompt\n---\nHello {name} $ARGUMENTS\n<include>part</include>\n",
    "part.md": "---\ndescription: a part\n---\npart <include mode='reference'>later.md</include>\n@gone.md\n",
    "later.md": "later\n",
    "bad.md": b"\xff",
    "ring.md": "<include>ring.md</include>\n",
}


@pytest.fixture
def engine(library: Library) -> Any:
    """An engine on a small library with a bit of everything."""
    with Engine.open(library(FILES)) as opened:
        yield opened


def call(engine: Engine, method: str, **params: Any) -> Any:
    """Return what a method answers."""
    return msgspec.json.decode(engine.call(method, params))


# -- parameters -----------------------------------------------------------------------------------

# A valid call of each method, and for each parameter values that are wrong.
VALID: dict[str, dict[str, Any]] = {
    "assemble": {"name": "part"},
    "subscribe": {"components": ["part", "later"]},
    "get": {"name": "part"},
    "list": {"glob": "commands/*"},
    "changes": {"since": "c:1a-2:7"},
    "dependencies": {"name": "part", "depth": 2},
    "dependents": {"name": "part"},
    "graph": {"name": "part"},
    "unsubscribe": {"subscription": 1},
}
NAMES = ["", "x" * 1_025, 7, None, ["a"]]
PROMPT = {
    "name": NAMES,
    "components": [[], [""], ["a"] * 1_001, "a", None, [7]],
    "variables": [["a"], "a", {"a": None}, {"a": ["x"]}, {"a": {}}, {f"v{n}": 1 for n in range(1_001)}, None],
    "arguments": [7, ["a"], True],
}
WRONG: dict[str, dict[str, list[Any]]] = {
    "assemble": PROMPT
    | {
        "strategy": [7, ["a"]],
        "budget": ["8000", 1.5, True, 0, 10**12],
        "reserve": [-1, "1"],
        "model": [7],
        "format": ["gemini", 7],
        "stable_first": ["yes", 1],
        "etag": [7],
    },
    "subscribe": PROMPT,
    "get": {
        "name": NAMES,
        "span": [[1], [1, -1], [1, 2, 3], ["1", "2"], "12"],
        "section": ["", 3, "x" * 1025],
        "digest": ["", "0123456", "0123456g", 12345678],
    },
    "list": {"glob": ["", "x" * 1_025, 7, None]},
    "changes": {"since": ["", "7", "c:7", "c::7", "c:1a:x", "c:1a:-1", "c:1a:7:8", "c:1a:07", 7, ["a"]]},
    "dependencies": {"name": NAMES, "depth": [0, 65, "2", 1.5, None]},
    "dependents": {"name": NAMES, "depth": [0, 65]},
    "graph": {"name": ["", 7, ["a"]]},
    "unsubscribe": {"subscription": ["1", None, 1.5]},
}
CASES = [
    (method, name, value)
    for method, wrong in WRONG.items()
    for name, values in wrong.items()
    for value in values
]


@pytest.mark.parametrize(("method", "name", "value"), CASES)
def test_a_wrong_parameter_is_refused_by_name(method: str, name: str, value: Any) -> None:
    """Wrong type, too long, out of range: InvalidParams that names method and parameter."""
    params = VALID[method] | {name: value}
    with pytest.raises(InvalidParams) as caught:
        decode_params(METHODS[method], json.dumps(params).encode())
    assert caught.value.message.startswith(f"{method}: ")
    assert f"`{name}" in caught.value.message


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_parameter_is_refused_by_name(method: str) -> None:
    """With the parameters there are, so that a typing mistake is found at once."""
    params = VALID.get(method, {}) | {"budgett": 1}
    with pytest.raises(InvalidParams, match=rf"{method}: .*`budgett`; its parameters: ") as caught:
        decode_params(METHODS[method], json.dumps(params).encode())
    assert caught.value.details["method"] == method


@pytest.mark.parametrize("method", METHODS)
def test_valid_parameters_are_taken(method: str) -> None:
    """Without any they may be left out altogether, or be an empty object."""
    params = VALID.get(method, {})
    taken = decode_params(METHODS[method], json.dumps(params).encode())
    assert all(getattr(taken, name) == value for name, value in params.items())
    if not params:
        assert decode_params(METHODS[method], b"") == taken


@pytest.mark.parametrize("raw", [b"[]", b"7", b'"a"', b"null", b"{", b'{"name":"\xff"}', b'{"a":' * 3_000])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    """Positions, scalars, half an object, wrong bytes, depths without end."""
    with pytest.raises(InvalidParams, match=r"^get: "):
        decode_params(METHODS["get"], raw)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_make_decoding_fail_otherwise(raw: bytes) -> None:
    """Whatever comes: parameters, or InvalidParams."""
    for method in METHODS.values():
        try:
            assert isinstance(decode_params(method, raw), method.params)
        except InvalidParams:
            continue


@pytest.mark.parametrize("params", [{}, {"name": "a", "components": ["b"]}])
def test_a_prompt_is_named_in_exactly_one_way(engine: Engine, params: dict[str, Any]) -> None:
    """Neither and both are mistakes that are said to be."""
    with pytest.raises(InvalidParams, match="`name`"):
        engine.call("assemble", params)


@pytest.mark.parametrize(
    ("option", "value"), [("strategy", "thorough"), ("model", "nobody's"), ("reserve", 10)]
)
def test_options_that_mean_nothing_are_refused(engine: Engine, option: str, value: Any) -> None:
    """A strategy or model that is not configured, a reserve of no budget: never a silent no-op."""
    with pytest.raises(InvalidParams, match=option):
        call(engine, "assemble", name="part", **{option: value})
    assert call(engine, "assemble", name="part", strategy="none", budget=None)["name"] == "part.md"


# -- results --------------------------------------------------------------------------------------


def test_changes_since_a_clock_are_what_is_different_in_the_list(engine: Engine) -> None:
    """Nothing; then what was added, what has other dependents now, what is gone; and nothing again."""
    root = Path(engine.workspace.source.roots[0])
    first = call(engine, "changes")
    assert (first["full_resync"], first["components"]) == (True, call(engine, "list")["components"])
    quiet = {"full_resync": False, "components": [], "removed": [], "total": first["total"]}
    assert call(engine, "changes", since=first["clock"]) == quiet | {"clock": first["clock"]}
    (root / "new.md").write_text("<include>part</include>")
    (root / "ring.md").unlink()
    second = call(engine, "changes", since=first["clock"])
    assert [row["id"] for row in second["components"]] == ["new.md", "part.md"]
    assert (second["removed"], second["full_resync"]) == (["ring.md"], False)
    assert call(engine, "changes", since=second["clock"])["components"] == []


@pytest.mark.parametrize("clock", ["c:another-engine:1", "c:{own}:999999999"])
def test_a_clock_that_is_not_ours_is_answered_with_everything(engine: Engine, clock: str) -> None:
    """Of another process, or of a revision that never was: the whole list, and it says so."""
    everything = call(engine, "changes")
    assert call(engine, "changes", since=clock.format(own=engine.workspace.instance)) == everything


def test_changes_from_before_what_is_remembered_are_everything(engine: Engine) -> None:
    """The memory is bounded; who comes from before it gets the whole list, not a part that looks whole."""
    engine.workspace.library.history.most = 2
    root, clock = Path(engine.workspace.source.roots[0]), call(engine, "list")["clock"]
    for number in range(3):
        (root / f"new{number}.md").write_text("new")
        if number < 2:
            latest = call(engine, "changes", since=clock)
            assert not latest["full_resync"]
            clock = latest["clock"] if number == 0 else clock
    assert [row["id"] for row in call(engine, "changes", since=latest["clock"])["components"]] == ["new2.md"]
    assert call(engine, "changes", since=clock)["full_resync"] is False
    (root / "new3.md").write_text("new")
    assert call(engine, "changes", since=clock) == call(engine, "changes")
    assert len(engine.workspace.library.history) == 2


def test_assemble_says_everything_about_a_prompt(engine: Engine) -> None:
    """Text, counts, digests and where every piece came from; clock and consistent come last."""
    said = call(engine, "assemble", name="commands/p", variables={"name": "you"}, arguments="now")
    assert said["text"].startswith("Hello you now\npart [reference: ")
    assert said["tokens"] == said["tokens_source"] == engine.workspace.tokenizer.count(said["text"])
    assert (said["name"], said["encoding"], said["consistent"]) == ("commands/p.md", "o200k_base", True)
    assert said["metadata"] == {"description": "the prompt"}
    assert list(said)[-2:] == ["clock", "consistent"]
    assert re.fullmatch(r"c:embedded-[0-9a-f]{12}:\d+", said["clock"])
    assert [(one["id"], one["reason"]) for one in said["manifest"]] == [
        ("commands/p.md", "included"),
        ("part.md", "included"),
        ("later.md", "referenced"),
        ("gone.md", "missing"),
    ]
    start, end = said["manifest"][2]["span"]
    assert said["text"][start:end].startswith("[reference: 2 tokens; fetch: `promptd get later.md ")
    (warning,) = said["warnings"]
    assert (warning["kind"], warning["id"], warning["line"]) == ("missing", "part.md", 5)
    assert warning["chain"] == ["commands/p.md:5", "part.md:5"]


def test_a_matching_etag_is_answered_in_few_bytes(engine: Engine) -> None:
    """With the current etag the reply says that it is unchanged; any other etag gets the whole."""
    whole = call(engine, "assemble", name="part")
    short = call(engine, "assemble", name="part", etag=whole["etag"])
    assert short == {
        "unchanged": True,
        "tokens": whole["tokens"],
        "digest": whole["digest"],
        "etag": whole["etag"],
        "clock": whole["clock"],
        "consistent": True,
    }
    assert call(engine, "assemble", name="part", etag="other") == whole
    assert engine.workspace.statistics().prompts.misses == 1  # it is not made anew for that


def test_get_gives_the_file_as_it_stands(engine: Engine) -> None:
    """Front matter in `text`, not in `body`; tokens are those of the body."""
    said = call(engine, "get", name="part")
    assert said["text"] == FILES["part.md"]
    assert said["text"].endswith(said["body"])
    assert not said["body"].startswith("---")
    assert said["tokens"] == engine.workspace.tokenizer.count(said["body"])
    assert said["size_bytes"] == len(str(FILES["part.md"]).encode())
    assert (said["metadata"], said["dependencies"]) == ({"description": "a part"}, ["later.md"])


SECTIONS = {
    "a.md": "---\ntitle: é\n---\n# A\n\n## One\n\nfirst\n\n## One\n\nsecond\n\n## C# is #1\n\nthird\n",
    "b.md#one.md": "## two\n\nits name has the mark\n",
    "b.md": "## one.md\n\nits section has that name\n",
}


def test_get_gives_a_section_exactly(library: Library) -> None:
    """By heading or anchor, in the name or beside it; with span, digest and tokens of just that text."""
    with Engine.open(library(SECTIONS)) as opened:
        for name in ("a.md#one", "a#One"):
            said = call(opened, "get", name=name)
            assert said["text"] == "## One\n\nfirst\n\n"
            assert SECTIONS["a.md"][slice(*said["span"])] == said["text"]
            assert said["text_digest"] == hashlib.sha256(said["text"].encode()).hexdigest()
            assert said["tokens"] == opened.workspace.tokenizer.count(said["text"])
            assert call(opened, "get", name="a", section=name.partition("#")[2], digest=said["text_digest"])
        assert call(opened, "get", name="a.md#one-1")["text"] == "## One\n\nsecond\n\n"
        assert call(opened, "get", name="a.md", section="C# is #1")["text"].endswith("third\n")
        assert call(opened, "get", name="a.md#C# is #1")["text"].endswith("third\n")
        assert call(opened, "get", name="b.md#one.md")["text"] == SECTIONS["b.md#one.md"]
        assert call(opened, "get", name="b.md", section="one.md")["text"] == SECTIONS["b.md"]
        with pytest.raises(UnknownSection, match=r"a\.md has no section 'Onee'; did you mean 'One'"):
            call(opened, "get", name="a.md#Onee")
        with pytest.raises(UnknownComponent, match="nope"):
            call(opened, "get", name="nope#one")
        with pytest.raises(InvalidParams, match="not both"):
            call(opened, "get", name="a", section="one", span=[0, 1])


def test_get_by_digest_is_that_text_or_an_error(library: Library) -> None:
    """A whole file, a section and a stretch; after a change the error names both digests."""
    root = library({"a.md": "# A\n\nfirst\n\n# B\n\nsecond\n"})
    with Engine.open(root) as opened:
        asked: list[dict[str, Any]] = [{"name": "a"}, {"name": "a#a"}, {"name": "a", "span": [3, 12]}]
        held = [call(opened, "get", **each) for each in asked]
        digests = [said.get("text_digest", said["digest"]) for said in held]
        for each, said, digest in zip(asked, held, digests, strict=True):
            assert call(opened, "get", **each, digest=digest[:12].upper()) == said
        (root / "a.md").write_text("# A\n\n1st\n\n# B\n\nsecond\n")
        for each, digest in zip(asked, digests, strict=True):
            now = call(opened, "get", **each)
            fresh = now.get("text_digest", now["digest"])
            with pytest.raises(DigestMismatch, match=f"{fresh[:12]}, not {digest[:12]}") as caught:
                call(opened, "get", **each, digest=digest[:12])
            assert caught.value.details == {"expected": digest[:12], "digest": fresh}
        assert call(opened, "get", name="a#b", digest=hashlib.sha256(b"# B\n\nsecond\n").hexdigest())
        (root / "a.md").write_text("# A\n")
        with pytest.raises(DigestMismatch):  # its end is beyond the file's now
            call(opened, "get", **asked[2], digest=digests[2])


def test_list_knows_everything_and_shows_what_fits(engine: Engine) -> None:
    """A glob narrows what is shown, not the total; a bad file is listed with its error."""
    said = call(engine, "list")
    assert [one["id"] for one in said["components"]] == sorted(FILES)
    assert said["total"] == len(FILES)
    rows = {one["id"]: one for one in said["components"]}
    assert (rows["part.md"]["dependencies"], rows["part.md"]["dependents"]) == (1, 1)
    assert rows["commands/p.md"]["description"] == "the prompt"
    assert "not UTF-8" in rows["bad.md"]["error"]
    narrow = call(engine, "list", glob="commands/**")
    assert ([one["id"] for one in narrow["components"]], narrow["total"]) == (["commands/p.md"], len(FILES))


@pytest.mark.timeout(20)
def test_a_hostile_glob_ends(engine: Engine) -> None:
    """Many stars over many directories are not tried in every combination."""
    deep = "/".join(["d"] * 40)
    assert not matches(f"{deep}/x.md", ("/".join(["**", "d"] * 30) + "/y.md",))
    assert call(engine, "list", glob="**/" * 300 + "z")["components"] == []


def test_dependencies_and_dependents_mirror_each_other(engine: Engine) -> None:
    """Ids in plan order, and the tree with the line of each directive."""
    down = call(engine, "dependencies", name="commands/p")
    assert (down["name"], down["ids"]) == ("commands/p.md", ["part.md", "later.md"])
    (part,) = down["tree"]["children"]
    assert (part["id"], part["line"], part["kind"]) == ("part.md", 5, "includes")
    assert part["children"][0]["kind"] == "reference"
    up = call(engine, "dependents", name="later")
    assert (up["name"], up["ids"]) == ("later.md", ["commands/p.md", "part.md"])
    shallow = call(engine, "dependencies", name="commands/p", depth=1)
    assert shallow["tree"]["children"][0]["truncated"]


def test_graph_of_the_whole_and_of_one(engine: Engine) -> None:
    """Nodes and edges with their kind; of one component what it needs."""
    whole = call(engine, "graph")
    assert {node["id"] for node in whole["nodes"]} == set(FILES)
    assert {(edge["source"], edge["target"], edge["kind"]) for edge in whole["edges"]} == {
        ("commands/p.md", "part.md", "includes"),
        ("part.md", "later.md", "reference"),
        ("ring.md", "ring.md", "includes"),
    }
    assert [node["id"] for node in call(engine, "graph", name="part")["nodes"]] == ["part.md", "later.md"]


def test_check_finds_problems(engine: Engine) -> None:
    """Dangling, cyclic, invalid; and `ok` is false."""
    said = call(engine, "check")
    assert [(one["id"], one["line"], one["target"]) for one in said["dangling"]] == [
        ("part.md", 5, "gone.md")
    ]
    assert said["cycles"] == [["ring.md:1", "ring.md"]]
    assert [one["id"] for one in said["errors"]] == ["bad.md"]
    assert said["unused"] == ["bad.md", "ring.md"]
    assert (said["ok"], said["components"], said["edges"]) == (False, len(FILES), 3)
    assert len(call(engine, "graph")["edges"]) == said["edges"]


def test_a_rescan_counts_what_became_different(engine: Engine, library: Library) -> None:
    """Against what was held before."""
    first = call(engine, "rescan")
    assert (first["added"], first["changed"], first["removed"]) == (len(FILES), 0, 0)
    root = library({"new.md": "new", "later.md": "changed"})
    (root / "bad.md").unlink()
    second = call(engine, "rescan")
    assert (second["added"], second["changed"], second["removed"]) == (1, 1, 1)
    assert call(engine, "rescan") == second | {"added": 0, "changed": 0, "removed": 0}


@pytest.mark.parametrize("method", ["assemble", "get", "dependencies", "dependents", "graph"])
@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("nothing", "UnknownComponent"),
        ("../outside", "OutsideRoot"),
        ("/etc/passwd", "OutsideRoot"),
        ("double", "AmbiguousName"),
    ],
)
def test_names_that_mean_nothing_are_errors_of_their_own(
    engine: Engine, library: Library, method: str, name: str, leaf: str
) -> None:
    """The leaf is one of those the method documents."""
    library({"double.md": "", "double.txt": ""})
    with pytest.raises(getattr(errors, leaf)) as caught:
        call(engine, method, name=name)
    assert type(caught.value) in METHODS[method].errors


# -- describe -------------------------------------------------------------------------------------


def described(limits: dict[str, int | float] | None = None) -> Any:
    """Return what `describe` answers, as a client gets it."""
    return msgspec.json.decode(msgspec.json.encode(describe(limits or {})))


def test_describe_is_complete_and_machine_readable() -> None:
    """Every method with a schema that is one, every leaf with its code, and the limits as given."""
    said = described({"max_frame_bytes": 7})
    assert [one["name"] for one in said["methods"]] == list(METHODS)
    for one in said["methods"]:
        jsonschema.Draft202012Validator.check_schema(one["params"])
        jsonschema.Draft202012Validator.check_schema(one["result"])
        assert one["result"]["type"] == one["params"]["type"] == "object"
        assert one["summary"].endswith(".")
    assert [one["name"] for one in said["notifications"]] == ["changed", "alert"]
    codes = {one["type"]: one["code"] for one in said["errors"]}
    assert codes["promptd.UnknownComponent"] == -32001
    assert codes.keys() == {f"promptd.{leaf.__name__}" for leaf in errors.leaves()}
    assert all(one["summary"] for one in said["errors"])
    assert all(-32029 <= code <= -32000 or -32700 <= code <= -32600 for code in codes.values())
    assert codes["promptd.PermissionDenied"] != codes["promptd.TooExpensive"]
    assert (said["limits"], said["protocol"]) == ({"max_frame_bytes": 7}, methods.PROTOCOL)


@pytest.mark.parametrize("method", VALID)
def test_the_schema_agrees_with_the_decoder(method: str) -> None:
    """What the schema allows is taken and what it forbids is refused, for our list of right and wrong."""
    (schema,) = (one["params"] for one in described()["methods"] if one["name"] == method)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(VALID[method])
    assert not validator.is_valid(VALID[method] | {"unknown": 1})
    for name, values in WRONG[method].items():
        for value in values:
            assert not validator.is_valid(VALID[method] | {name: value}), (name, value)


# -- same inputs, same bytes ----------------------------------------------------------------------

SCRIPT = """
import sys, msgspec
from promptd import Engine
with Engine.open(sys.argv[1].split(":")) as engine:
    for method in ("list", "graph", "check"):
        print(engine.call(method).decode())
    for id in engine.workspace.library.ids():
        try:
            print(engine.call("assemble", {"name": id, "variables": {"b": 1, "a": 2, "name": "x"}}).decode())
        except Exception as error:
            print(type(error).__name__, error)
"""


def said_under(seed: str, roots: str) -> str:
    """Return everything a fresh process says of a library under one hash seed, but for its own name."""
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(methods.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, roots], env=environment, capture_output=True, text=True, check=True
    )
    return re.sub(r"c:embedded-[0-9a-f]{12}:", "c:embedded:", done.stdout)


@pytest.mark.slow
def test_same_inputs_same_bytes_under_any_hash_seed(library: Library) -> None:
    """Two processes with different hash seeds say the very same, to the byte, of everything."""
    many = {
        f"x/{n}.md": f"<include>x/{n // 2}.md</include>\n<include>lost{n}.md</include>\n"
        for n in range(1, 20)
    }
    ambiguous = {"t.md": "", "t.txt": "", "u.md": "<include>t</include>\n@x/3.md @bad.md\n"}
    root = library({**FILES, **many, **ambiguous})
    second = root.with_name("second")
    second.mkdir()
    (second / "part.md").write_text("hidden")
    (second / "lost5.md").write_text("found")
    roots = f"{root}:{second}"
    said = said_under("1", roots)
    assert len(said) > 5_000
    assert said == said_under("2", roots) == said_under("random", roots)


def test_a_prompt_that_is_only_looked_at_makes_nothing_hot(engine: Engine) -> None:
    """`count_use: false` gives the same answer, held or not, filled from a template or not."""
    counted = call(engine, "assemble", name="later")
    engine.workspace.fold_uses(0.0)
    before = engine.workspace.hot.weights(0.0)
    assert call(engine, "assemble", name="later", count_use=False) == counted
    for name in ("a", "b", "b"):
        call(engine, "assemble", name="commands/p", variables={"name": name}, count_use=False)
    engine.workspace.fold_uses(0.0)
    assert engine.workspace.hot.weights(0.0) == before
    call(engine, "assemble", name="later")
    engine.workspace.fold_uses(0.0)
    assert engine.workspace.hot.weights(0.0) != before
