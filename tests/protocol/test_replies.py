"""The types of replies: what is answered is what is described, every field has a sentence, clients cope."""

import typing
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import UNSET

from promptd import Engine
from promptd.client import AsyncClient, Client
from promptd.client.wire import decode_as
from promptd.engine.handlers import HANDLERS
from promptd.protocol import methods, records, replies
from promptd.protocol.describe import NOTIFICATIONS, describe, schema_of
from promptd.protocol.methods import METHODS, Method, Params
from promptd.protocol.replies import AssembleReply, GetReply, ListReply, partial
from tests.conftest import Library

REPEATED = "Always run the whole test suite before you push anything to the shared branch.\n\n"
FILES = {
    "commands/p.md": "---\ndescription: the prompt\n---\nHello {name} $ARGUMENTS\n<include>part</include>\n",
    "part.md": "---\ndescription: a part\n---\npart <include mode='reference'>later.md</include>\n@gone.md\n",
    "later.md": "later\n",
    "bad.md": b"\xff",
    "ring.md": "<include>ring.md</include>\n",
    "odd.md": "---\nhint: [a] [b]\nrequires: nowhere.md\n---\nodd\n",
    "long.md": "# Long\n\n" + REPEATED + "<include>again.md</include>\n",
    "again.md": "# Again\n\n"
    + REPEATED
    + "\n\n".join(f"Sentence {n} of many says little." for n in range(40)),
}
# Calls of each method of the library that between them fill every field of its reply.
CALLS: dict[str, list[dict[str, Any]]] = {
    "assemble": [
        {"name": "part"},
        {"components": ["part", "commands/p"], "variables": {"name": "x"}, "arguments": "now"},
        {"name": "long", "strategy": "balanced", "model": "priced"},
        {"name": "long", "budget": 90, "reserve": 10},
        {"name": "long", "strategy": "progressive"},
        {"name": "part", "format": "openai"},
        {"name": "part", "format": "anthropic"},
    ],
    "get": [
        {"name": "part"},
        {"name": "odd"},
        {"name": "part", "span": [3, 9]},
        {"name": "long", "section": "Long"},
    ],
    "list": [{}],
    "changes": [{}, {"since": "c:another:1"}],
    "dependencies": [{"name": "commands/p"}, {"name": "commands/p", "depth": 1}, {"name": "ring"}],
    "dependents": [{"name": "later"}],
    "graph": [{}, {"name": "part"}],
    "check": [{}],
    "rescan": [{}],
}
STRUCTS = [
    kind
    for module in (records, replies, methods)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]


@pytest.fixture
def engine(library: Library) -> Iterator[Engine]:
    """An engine on a small library with a bit of everything, and a model with a price."""
    from promptd import config

    root = library(FILES)
    settings = config.load(None, {}, {"roots": [str(root)], "tokens.models": {"priced": {"input": 3.0}}})
    with Engine.open(config=settings) as opened:
        yield opened


def answers(engine: Engine, method: str) -> list[bytes]:
    """Return what a method answers to each of its calls; of a prompt also that it is unchanged."""
    found = [engine.call(method, params) for params in CALLS[method]]
    if method == "assemble":
        etag = msgspec.json.decode(found[0])["etag"]
        found.append(engine.call(method, CALLS[method][0] | {"etag": etag}))
    return found


# -- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_has_its_types(method: Method) -> None:
    """Parameters that are a struct, and a reply that is one or an open mapping that says what it holds."""
    assert issubclass(method.params, Params)
    if method.name in ("statistics", "health"):
        assert schema_of(method.reply).keys() == {"type", "description"}
    else:
        assert issubclass(method.reply, msgspec.Struct)
        assert method.reply.__module__ == replies.__name__


def test_no_two_methods_answer_with_one_type() -> None:
    """So that a field can be added to one of them without the other."""
    structs = [method.reply for method in METHODS.values() if isinstance(method.reply, type)]
    assert len(set(structs)) == len(structs) == len(METHODS) - 2


def test_every_handler_says_the_type_that_the_table_names() -> None:
    """The return type of a handler's procedure is the reply of its method."""
    assert HANDLERS.keys() == CALLS.keys()
    for name, handler in HANDLERS.items():
        (outcome,) = typing.get_args(typing.get_type_hints(handler)["return"])[2:]
        assert METHODS[name].reply in (outcome, *typing.get_args(outcome)), name


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_both_clients_answer_with_the_types_of_the_table(client: type) -> None:
    """What is not a method of the client too is called by its name; a subscription alone is an iterator."""
    own = METHODS.keys() & set(dir(client)) - {"subscribe", "unsubscribe"}
    assert {"assemble", "get", "list", "health"} <= own
    for name in own:
        method, returned = METHODS[name], typing.get_type_hints(getattr(client, name))["return"]
        assert returned == (method.reply if isinstance(method.reply, type) else dict[str, Any]), name


# -- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STRUCTS, ids=[kind.__name__ for kind in STRUCTS])
def test_every_field_has_a_sentence(kind: type[msgspec.Struct]) -> None:
    """In the JSON Schema, and so on the protocol page; and the type itself has one."""
    schema = schema_of(kind)
    assert schema["description"]
    for name, field in schema.get("properties", {}).items():
        descriptions = [each.get("description") for each in (field, *field.get("anyOf", ()))]
        assert any(descriptions), f"{kind.__name__}.{name}"


# -- what is answered is what is described --------------------------------------------------------


@pytest.mark.parametrize("method", CALLS)
def test_real_replies_are_valid_and_fill_every_field(engine: Engine, method: str) -> None:
    """By the JSON Schema of `describe`; no field without a description, and none that is never there."""
    (schema,) = (each.result for each in describe({}).methods if each.name == method)
    validator = jsonschema.Draft202012Validator(closed(msgspec.to_builtins(schema)))
    seen: set[str] = set()
    for answer in answers(engine, method):
        said = msgspec.json.decode(answer)
        validator.validate(said)
        seen |= said.keys()
    assert seen == schema["properties"].keys()


def closed(schema: Any) -> Any:
    """Return a schema in which objects have no members but those it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(each) for name, each in schema.items()}
    return shut | {"additionalProperties": False} if isinstance(shut.get("properties"), dict) else shut


@pytest.mark.parametrize("method", CALLS)
def test_a_client_gets_back_what_was_sent(engine: Engine, method: str) -> None:
    """Decoded into the reply's type nothing is lost; what was absent has its default."""
    kind = METHODS[method].reply
    for answer in answers(engine, method):
        said, got = msgspec.json.decode(answer), msgspec.to_builtins(decode_as(kind, answer))
        assert within(said, got), method
        assert UNSET not in got.values()


def within(sent: Any, got: Any) -> bool:
    """True if everything sent is in what was got, which may hold more members."""
    if isinstance(sent, dict):
        return all(name in got and within(value, got[name]) for name, value in sent.items())
    if isinstance(sent, list):
        return len(sent) == len(got) and all(map(within, sent, got))
    return bool(sent == got)


# -- clients stay tolerant ------------------------------------------------------------------------


@pytest.mark.parametrize("method", CALLS)
def test_members_of_the_future_are_ignored(engine: Engine, method: str) -> None:
    """At every level of an answer."""
    kind = METHODS[method].reply
    for answer in answers(engine, method):
        grown = msgspec.json.encode(with_more(msgspec.json.decode(answer)))
        assert len(grown) > len(answer)
        assert without_open(decode_as(kind, grown)) == without_open(decode_as(kind, answer))


def with_more(value: Any) -> Any:
    """Return a value in which every object has one more member."""
    if isinstance(value, dict):
        return {name: with_more(each) for name, each in value.items()} | {"of_the_future": [1]}
    return [with_more(each) for each in value] if isinstance(value, list) else value


def without_open(reply: Any) -> dict[str, Any]:
    """Return a reply's members but for those that are open objects."""
    open_ones = ("metadata", "messages", "system")
    return {name: value for name, value in msgspec.structs.asdict(reply).items() if name not in open_ones}


# -- partial replies ------------------------------------------------------------------------------


def test_what_is_not_given_is_left_out() -> None:
    """Even where the type has a default, and what is given is there even where it equals the default."""
    short = partial(GetReply, id="a.md", digest="d", text="", tokens=0, diagnostics=(), clock="c")
    assert msgspec.json.encode(short) == (
        b'{"id":"a.md","digest":"d","text":"","tokens":0,"diagnostics":[],"clock":"c"}'
    )
    with pytest.raises(TypeError, match="tokenz"):
        partial(GetReply, tokenz=1)


# -- how many places a change touches -------------------------------------------------------------


class Counted(ListReply, frozen=True):
    """A reply with a field more than the one it extends."""

    characters: typing.Annotated[int, msgspec.Meta(description="how many there are")] = 0


def test_a_method_is_its_types_its_row_and_its_handler(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With these it is answered, its parameters are checked, it is described, and a client decodes it."""

    def count(workspace: Any, _params: Any, _sweep: Any) -> Iterator[Any]:
        yield from ()
        return Counted((), 0, workspace.clock, characters=7)

    monkeypatch.setitem(METHODS, "count", Method("count", Params, Counted, "Count."))
    monkeypatch.setitem(HANDLERS, "count", count)
    answer = engine.call("count")
    assert decode_as(Counted, answer).characters == 7
    (row,) = (each for each in describe({}).methods if each.name == "count")
    jsonschema.Draft202012Validator(msgspec.to_builtins(row.result)).validate(msgspec.json.decode(answer))
    assert row.result["properties"]["characters"]["description"] == "how many there are"


def test_notifications_are_described() -> None:
    """Those that the daemon sends, with the records that it sends."""
    assert NOTIFICATIONS.keys() == {"changed", "alert"}
    changed = records.Changed(subscription=1, name="a", digest=None, previous="d", clock="c")
    said = msgspec.json.decode(msgspec.json.encode(changed))
    assert said == {"subscription": 1, "name": "a", "digest": None, "previous": "d", "clock": "c"}
    jsonschema.Draft202012Validator(schema_of(records.Changed)).validate(said)


def test_a_plain_prompt_to_a_client_is_whole() -> None:
    """What was not asked for has the value that means nothing was done."""
    plain = decode_as(AssembleReply, b'{"tokens":1,"digest":"d","etag":"e","clock":"c"}')
    assert (plain.strategy, plain.savings, plain.budget, plain.allocation) == ("none", None, None, None)
    assert plain.quality == records.Shares(1.0, 1.0, 1.0, 1.0)
