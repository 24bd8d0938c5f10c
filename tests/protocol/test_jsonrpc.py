"""The wire as a dialogue: bytes in, calls and refusals out; the same whatever the chunks."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptd import errors
from promptd.protocol import strict
from promptd.protocol.calls import Call, Event, Refusal, salvage_id
from promptd.protocol.jsonrpc import JsonRpcCodec, KnownGood, codec_factory
from tests.suite.examples import examples

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n'


def summaries(events: list[Event]) -> list[tuple[Any, ...]]:
    """Events as plain values, so that two lists of them can be compared."""
    return [
        (e.id, type(e.error), e.error.message) if isinstance(e, Refusal) else (e.id, e.method, e.params)
        for e in events
    ]


def request(**members: Any) -> bytes:
    """One line of JSON-RPC as Python's json writes it, newline included."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"} | members).encode() + b"\n"


def refused(line: bytes, max_line_bytes: int = 1_048_576) -> Refusal:
    """The one refusal of a line, after which a good request still works."""
    codec = JsonRpcCodec(max_line_bytes)
    events = codec.feed(line + b"\n" + PING)
    assert len(events) == 2
    assert events[1] == Call(b"1", "ping", b"{}")
    assert isinstance(events[0], Refusal)
    return events[0]


# -- calls --------------------------------------------------------------------------------------


def test_a_line_is_a_call() -> None:
    """Id and params stay raw JSON, the method is text."""
    line = b'{"jsonrpc":"2.0","id":"a","method":"assemble","params":{"name":"x"}}\n'
    assert JsonRpcCodec().feed(line) == [Call(b'"a"', "assemble", b'{"name":"x"}')]


def test_absent_params_are_empty() -> None:
    """A call without params has b"" for them."""
    assert JsonRpcCodec().feed(request()) == [Call(b"1", "ping", b"")]


def test_a_notification_has_no_id() -> None:
    """No member `id` means no reply is wanted; `"id": null` is a request."""
    codec = JsonRpcCodec()
    assert codec.feed(b'{"jsonrpc":"2.0","method":"ping"}\n') == [Call(None, "ping", b"")]
    assert codec.feed(request(id=None)) == [Call(b"null", "ping", b"")]


@pytest.mark.parametrize("identity", ['"a\\"b"', "-7", "1.5e3", "12345678901234567890123", '"é"', "null"])
def test_ids_are_echoed_byte_for_byte(identity: str) -> None:
    """A string, a number or null comes back exactly as it was written, at first sight and when recognised."""
    line = f'{{"jsonrpc":"2.0","id":{identity},"method":"ping","params":{{}}}}\n'.encode()
    assert JsonRpcCodec().feed(line * 2) == [Call(identity.encode(), "ping", b"{}")] * 2


def test_members_in_any_order_and_spacing() -> None:
    """What JSON leaves free is free, carriage returns at line ends included."""
    line = b' { "params" : { } , "method" : "p\\u0069ng" , "id" : 1 , "jsonrpc" : "2.0" } \r\n'
    assert JsonRpcCodec().feed(line * 2) == [Call(b"1", "ping", b"{ }")] * 2


def test_empty_lines_are_ignored() -> None:
    """Blank lines between requests are no requests."""
    assert JsonRpcCodec().feed(b"\n\r\n \t\n" + PING + b"\n") == [Call(b"1", "ping", b"{}")]


def test_a_call_comes_in_pieces() -> None:
    """Nothing until the newline, then the call; the codec knows that it is inside a line."""
    codec = JsonRpcCodec()
    assert codec.feed(PING[:20]) == []
    assert codec.feed(PING[20:-1]) == []
    before = codec.is_mid_frame
    assert codec.feed(b"\n") == [Call(b"1", "ping", b"{}")]
    assert (before, codec.is_mid_frame) == (True, False)
    assert codec.frames == 1


def test_recognised_parameters_are_one_object() -> None:
    """The same parameters again are the same bytes object, whose hash is known."""
    codec = JsonRpcCodec()
    first, second, spaced = codec.feed(PING + PING.replace(b":1,", b":2,") + request(params={}))
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert isinstance(spaced, Call)
    assert (second.id, second.params) == (b"2", b"{}")
    assert second.params is first.params is spaced.params


def test_the_memory_of_parameters_is_bounded() -> None:
    """Parameters that never repeat, or are large, do not pile up."""
    known = KnownGood()
    codec = JsonRpcCodec(known=known)
    for number in range(2000):
        line = request(params={"name": str(number)}).replace(b": ", b":").replace(b", ", b",")
        codec.feed(line)
        codec.feed(line)
    codec.feed(request(params={"name": "x" * 5000}))
    assert 0 < len(known.params) <= 1024
    assert 0 < len(known.calls) <= 1024
    assert max(map(len, [*known.params, *known.calls])) < 100


@pytest.mark.parametrize("identity", [b"7", b"0", b"1234567890123456789"])
def test_a_line_known_by_what_follows_its_id(identity: bytes) -> None:
    """A line that differs from a known good one in the digits of its id is the same call under that id."""
    codec = JsonRpcCodec()
    codec.feed(PING)
    codec.feed(PING)
    (event,) = codec.feed(PING.replace(b":1,", b":" + identity + b","))
    assert isinstance(event, Call)
    assert (event.id, event.method, event.params) == (identity, "ping", b"{}")
    assert not event.is_answered


@pytest.mark.parametrize(
    "identity",
    [b"", b"007", b"-", b"1x", b"1 2", b"[1]", b"true", b'1,"id":2', b'"a', b"12345678901234567890"],
)
def test_what_is_no_plain_id_is_read_whole_even_before_a_known_rest(identity: bytes) -> None:
    """A known rest vouches for nothing before it: the answer is that of a codec that knows none."""
    line = PING.replace(b":1,", b":" + identity + b",")
    codec = JsonRpcCodec()
    codec.feed(PING)
    codec.feed(PING)
    (event,) = codec.feed(line)
    (fresh,) = JsonRpcCodec().feed(line)
    assert type(event) is type(fresh)
    assert event.id == fresh.id


# -- refusals -----------------------------------------------------------------------------------

REFUSED = [
    (b"{", errors.MalformedFrame, "not JSON", b"null"),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":', errors.MalformedFrame, "not JSON", b"null"),
    (b"garbage", errors.MalformedFrame, "not JSON", b"null"),
    (b"\xef\xbb\xbf" + PING.strip(), errors.MalformedFrame, "byte order mark (BOM)", b"null"),
    (PING.strip() * 2, errors.MalformedFrame, "Extra data", b"null"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', errors.MalformedFrame, "NaN", b"null"),
    (
        b'{"jsonrpc":"2.0","id":-Infinity,"method":"x","params":{}}',
        errors.MalformedFrame,
        "-Infinity",
        b"null",
    ),
    (
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\xff"}}',
        errors.MalformedFrame,
        "byte 52",
        b"null",
    ),
    (b"[]", errors.InvalidRequest, "batches", b"null"),
    (b"[" + PING.strip() + b"]", errors.InvalidRequest, "batches", b"null"),
    (b"3", errors.InvalidRequest, "not a number", b"null"),
    (b'"ping"', errors.InvalidRequest, "not a string", b"null"),
    (b"null", errors.InvalidRequest, "not null", b"null"),
    (b'{"id":1,"method":"ping"}', errors.InvalidRequest, '"jsonrpc" must be "2.0"', b"1"),
    (b'{"jsonrpc":"1.0","id":"x","method":"ping"}', errors.InvalidRequest, '"jsonrpc"', b'"x"'),
    (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', errors.InvalidRequest, '"jsonrpc"', b"1"),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', errors.InvalidRequest, "not a boolean", b"null"),
    (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', errors.InvalidRequest, "not an array", b"null"),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', errors.InvalidRequest, "not an object", b"null"),
    (b'{"jsonrpc":"2.0","id":4}', errors.InvalidRequest, '"method"', b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":7}', errors.InvalidRequest, '"method"', b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":"x","parms":{}}', errors.InvalidRequest, '"parms"', b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":"x","params":[1]}', errors.InvalidParams, "not an array", b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":"x","params":null}', errors.InvalidParams, "not null", b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":"x","params":"s"}', errors.InvalidParams, "not a string", b"4"),
    (
        b'{"jsonrpc":"2.0","id":4,"method":"x","params":{"a":1,"a":2}}',
        errors.InvalidRequest,
        '"a" appears twice',
        b"4",
    ),
    (b'{"jsonrpc":"2.0","id":4,"id":5,"method":"x"}', errors.InvalidRequest, '"id" appears twice', b"null"),
    (b'{"jsonrpc":"2.0","id":4,"method":"x","params":{"a":"\\ud800"}}', errors.InvalidRequest, "lone", b"4"),
    (b'{"jsonrpc":"2.0","id":4,"method":"\\udc00"}', errors.InvalidRequest, "lone", b"4"),
    (b'{"jsonrpc":"2.0","id":"\\udfff","method":"x"}', errors.InvalidRequest, "lone", b"null"),
]


@pytest.mark.parametrize(
    ("line", "leaf", "words", "identity"), REFUSED, ids=[repr(r[0])[:60] for r in REFUSED]
)
def test_a_bad_line_is_refused_by_name(
    line: bytes, leaf: type[errors.PromptdError], words: str, identity: bytes
) -> None:
    """Each fault has its leaf, a message that names it, the id where it is sure; the next line works."""
    refusal = refused(line)
    assert type(refusal.error) is leaf
    assert words in refusal.error.message
    assert refusal.id == identity


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_hundred_thousand_brackets(opening: bytes) -> None:
    """Nesting is refused by its depth, before anything could recurse."""
    refusal = refused(opening * 100_000)
    assert "deeper than 64 levels" in refusal.error.message
    assert refusal.id == b"null"


def test_depth_is_counted_outside_strings_only() -> None:
    """Brackets in strings cost nothing; the 65th real level is refused, under the request's id."""
    text = json.dumps({"a": '[{"' * 500 + "\\"})[1:-1].encode()

    def nested(levels: int) -> bytes:  # the request and its params are two levels
        arrays = b"[" * (levels - 2) + b"]" * (levels - 2)
        return b'{"jsonrpc":"2.0","method":"x","params":{%b,"b":%b},"id":9}' % (text, arrays)

    assert strict.depth_of(nested(64)) == 64
    (call,) = JsonRpcCodec().feed(nested(64) + b"\n")
    assert isinstance(call, Call)
    assert refused(nested(65)).id == b"9"


def test_wide_is_not_deep_and_takes_linear_time() -> None:
    """Half a million siblings are judged in well under a second of a processor, and so are 80,000 keys."""
    wide = b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[%b]}}' % b",".join([b"[]"] * 300_000)
    keys = b",".join(b'"%d":0' % number for number in range(80_000))
    doubled = b'{"jsonrpc":"2.0","id":1,"method":"x","params":{%b,"79999":0}}' % keys
    began_s = time.process_time()
    assert isinstance(JsonRpcCodec().feed(wide + b"\n")[0], Call)
    assert "appears twice" in refused(doubled, max_line_bytes=2_000_000).error.message
    assert refused(b'"' + b"\\" * 900_001).error.code == -32700
    assert time.process_time() - began_s < 5.0  # quadratic ways of doing it take minutes


def test_duplicates_hide_in_no_spacing() -> None:
    """A second id of exactly the bytes that json.dumps' spaces would take is still found."""
    codec = JsonRpcCodec()
    codec.feed(PING)
    (event,) = codec.feed(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping","params":{}}\n')
    assert isinstance(event, Refusal)
    assert '"id" appears twice' in event.error.message


def test_an_oversized_line_is_refused_once() -> None:
    """One refusal as soon as the limit is passed, the rest is discarded, the next line is a call."""
    codec = JsonRpcCodec(max_line_bytes=100)
    head = b'{"jsonrpc":"2.0","id":77,"method":"x","params":{"a":"'
    (refusal,) = codec.feed(head + b"x" * 100)
    assert isinstance(refusal, Refusal)
    assert type(refusal.error) is errors.FrameTooLarge
    assert refusal.error.details == {"max_request_bytes": 100}
    assert refusal.id == b"77"
    assert codec.feed(b"y" * 1000) == []
    assert codec.is_mid_frame
    assert codec.feed(b'"}}\n' + PING) == [Call(b"1", "ping", b"{}")]
    assert codec.end() == []


def test_the_limit_is_the_line_without_its_newline() -> None:
    """A line of exactly the limit is taken, one byte more is not."""
    line = PING.strip()
    assert isinstance(JsonRpcCodec(max_line_bytes=len(line)).feed(PING)[0], Call)
    assert isinstance(JsonRpcCodec(max_line_bytes=len(line) - 1).feed(PING)[0], Refusal)


def test_a_line_cut_by_the_end_is_refused() -> None:
    """What was not ended with a newline may have been cut short: it is never executed."""
    codec = JsonRpcCodec()
    assert codec.feed(PING.strip()) == []
    (refusal,) = codec.end()
    assert isinstance(refusal, Refusal)
    assert "newline" in refusal.error.message
    assert codec.end() == []


def test_a_codec_can_be_looked_at() -> None:
    """Its repr tells what it is waiting for."""
    codec = JsonRpcCodec(max_line_bytes=10)
    codec.feed(b"\nabc")
    assert repr(codec) == "<JsonRpcCodec 1 lines, 3 bytes of a line>"
    codec.feed(b"x" * 10)
    assert "discarding" in repr(codec)


# -- laws ---------------------------------------------------------------------------------------

# A busy machine is no fault of a law's.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
dumped = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0") | json_values,
            "id": json_values,
            "method": st.text(max_size=5) | json_values,
            "params": st.dictionaries(st.text(max_size=3), json_values, max_size=3) | json_values,
        },
    ),
    st.booleans(),
)
lines = st.one_of(
    dumped,
    st.binary(max_size=60),
    st.sampled_from([line for line, *_ in REFUSED] + [PING.strip(), b"", b"\r", b"x" * 130]),
)


@pytest.mark.slow
@unhurried
@given(st.lists(lines, max_size=8), st.data())
def test_any_chunking_gives_the_same_events(parts: list[bytes], data: st.DataObject) -> None:
    """The same bytes are the same events, however they are cut, oversized lines included."""
    whole = b"\n".join(parts)
    expected = summaries(JsonRpcCodec(max_line_bytes=120).feed(whole))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    codec = JsonRpcCodec(max_line_bytes=120)
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        events += codec.feed(whole[start:end])
    assert summaries(events) == expected


@unhurried
@given(lines)
def test_recognising_changes_nothing(line: bytes) -> None:
    """A line gives the same event at first sight, when its parameters are known, and read strictly."""
    if b"\n" in line or not line or line.isspace():
        return
    codec = JsonRpcCodec()
    first, second = summaries(codec.feed(line + b"\n")), summaries(codec.feed(line + b"\n"))
    assert first == second == summaries([strict.read(line, 64)])


@settings(unhurried, max_examples=examples(300))
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8e1n ').map(lambda t: t.encode()))
def test_hostile_bytes_never_raise(data: bytes) -> None:
    """Whatever is sent, the answer is events whose ids and errors can be encoded."""
    codec = JsonRpcCodec(max_line_bytes=150, max_depth=5)
    for event in codec.feed(data) + codec.end() + codec.feed(b"\n" + PING):
        if isinstance(event, Refusal):
            msgspec.json.decode(codec.error(event, event.error))


@unhurried
@given(json_values, json_values)
def test_json_that_is_a_request_is_a_call(identity: Any, value: Any) -> None:
    """What the json module writes is taken, whatever Unicode and numbers are in it; only ids are choosy."""
    line = request(id=identity, params={"value": value})
    (event,) = JsonRpcCodec().feed(line)
    if isinstance(identity, bool | list | dict):
        assert isinstance(event, Refusal)
        return
    assert isinstance(event, Call)
    assert event.id is not None
    assert json.loads(event.id) == identity
    assert json.loads(event.params) == {"value": value}


@unhurried
@given(st.text(max_size=20).filter(lambda text: text.isascii()))
def test_an_id_is_salvaged_from_a_head(identity: str) -> None:
    """The id of a line too long to be read is found at its start, or is null; never a wrong one."""
    raw = json.dumps(identity).encode()
    assert salvage_id(b'{"jsonrpc": "2.0", "id": ' + raw + b', "method": "assemble", "par') in (raw, b"null")


# -- encoding -----------------------------------------------------------------------------------


def error_line(identity: bytes, error: errors.PromptdError) -> bytes:
    """The reply to a call of that id."""
    return JsonRpcCodec().error(Call(identity, "x"), error)


def test_a_result_is_spliced() -> None:
    """Id and body stand in the reply as they are."""
    pieces = JsonRpcCodec().result(Call(b'"a"', "x"), b'{"x":1}')
    assert pieces == (b'{"jsonrpc":"2.0","id":"a","result":{"x":1}}\n',)


@pytest.mark.parametrize("size", [0, 32_768, 32_769, 1_000_000])
def test_a_large_body_is_not_copied(size: int) -> None:
    """Whatever its size the pieces make the same line; a large body is one of them, the very object."""
    body = b'"' + b"x" * size + b'"'
    pieces = JsonRpcCodec().result(Call(b"1", "x"), body)
    assert b"".join(pieces) == b'{"jsonrpc":"2.0","id":1,"result":' + body + b"}\n"
    assert any(piece is body for piece in pieces) is (len(body) > 32_768)


def test_a_notification_is_spliced() -> None:
    """Method and parameters, no id."""
    assert JsonRpcCodec().notification("changed", b'{"x":1}') == (
        b'{"jsonrpc":"2.0","method":"changed","params":{"x":1}}\n'
    )


def test_an_error_names_its_leaf() -> None:
    """Code, sentence, and details beside the type, which no detail can hide."""
    line = error_line(b"7", errors.UnknownComponent("no x", name="x", nearest=("y",), type="mine"))
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {
            "code": -32001,
            "message": "no x",
            "data": {"name": "x", "nearest": ["y"], "type": "promptd.UnknownComponent"},
        },
    }


@pytest.mark.parametrize(
    "details",
    [
        {"path": "a\udcff"},
        {"paths": [{"\udcff": "b", "n": 1, "none": None}]},
        {"thing": object()},
        {"thing": {1, 2}, "path": "\udcff"},
    ],
)
def test_any_detail_can_be_sent(details: dict[str, Any]) -> None:
    """Undecodable file names and foreign objects are shown as text; the reply is always UTF-8 JSON."""
    line = error_line(b"1", errors.Internal("bad \udcff" if "path" in details else "bad", **details))
    assert json.loads(line.decode())["error"]["data"].keys() == details.keys() | {"type"}


def test_an_error_answers_a_call_a_refused_line_or_nothing() -> None:
    """Under the id of what it answers; what has none (a timeout) is null."""
    busy = errors.Busy("later")
    codec = JsonRpcCodec()
    for event, identity in ((Call(b"7", "x"), 7), (Refusal(b'"a"', busy), "a"), (None, None)):
        assert json.loads(codec.error(event, busy))["id"] == identity


def test_codecs_of_one_listener_share_what_they_know() -> None:
    """A line that one connection sent is known to the next, and to no other listener's."""
    new_codec = codec_factory()
    new_codec().feed(PING * 2)
    assert new_codec().recall(PING) == Call(b"1", "ping", b"{}")
    assert codec_factory()().recall(PING) is None


def test_a_detail_without_an_end_is_sent_shortened() -> None:
    """A structure that contains itself does not take the reply down with it."""
    knot: list[Any] = []
    knot.append(knot)
    assert b'"knot"' in error_line(b"1", errors.Internal("bad", knot=knot))
