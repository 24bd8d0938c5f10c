"""Bytes that should not be sent or saved: corpora of frames and of component files, and ways to make more.

Each entry of a corpus is there because something like it has broken some server or parser: depth, width,
half of a surrogate pair, numbers without end, control bytes, directives inside of one another.
"""

import json

from hypothesis import strategies as st

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

FRAMES = (
    b"",
    b"\r",
    b"\x00",
    b"\xff\xfe{\x00}\x00",
    b"null",
    b"[]",
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"[" + PING + b"]",
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"__class__"}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":[1]}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"../../etc/passwd"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"\\u0000"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"\\udfff"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"' + b"a/" * 5_000 + b'"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"x","variables":{"v":1e400}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"x","budget":-1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"components":["x","x","x"]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"assemble","params":{"name":"x","arguments":"\'\\"\\\\"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"list","params":{"glob":"' + b"*" * 500 + b'"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"list","params":{"glob":"' + b"**/" * 300 + b'["}}',
    b'{"jsonrpc":"2.0","id":1,"method":"dependencies","params":{"name":"x","depth":99999999999999999999}}',
    b'{"jsonrpc":"2.0","id":1,"method":"unsubscribe","params":{"subscription":-1}}',
)

COMPONENTS = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf---\nname: x\n---\n",
    b"---\n",
    b"---\n" + b"a: &a [*a]\n---\n",
    b"---\n" + b"- " * 3_000 + b"x\n---\n",
    b"---\n" + b"{" * 3_000 + b"\n---\n",
    b"---\nx: " + b"9" * 6_000 + b"\n---\n",
    b"---\nx: !!python/object/apply:os.system [true]\n---\n",
    b"---\nincludes: [x.md, x.md, hostile.md]\n---\n",
    b"<include>hostile.md</include>",
    b"<include>" * 3_000,
    b"<include component='" * 3_000,
    b"{{component: " * 3_000,
    b"@" * 10_000,
    b"> " * 5_000 + b"@x.md",
    b"- " * 3_000 + b"<include>x.md</include>",
    b"`" * 20_001,
    b"```\n" * 2_000 + b"<include>x.md</include>\n",
    b"<!--" * 5_000,
    b"[" * 20_000,
    b"\\" * 20_000,
    b"*a_" * 10_000,
    b"| a |\n|---|\n" * 3_000,
    b" " * 100_000 + b"x",
    b"\r" * 5_000 + b"\n\r\n",
    b"{who}" * 5_000 + b"{{" * 5_000 + b"}}" * 5_000,
    b"$ARGUMENTS[" * 3_000,
    "😀\u202e\u200d\u0000é".encode() * 1_000,
    b"<include>x.md#" + b"#" * 5_000 + b"</include>",
    b"<include>../../../../etc/passwd</include>\n@/etc/passwd\n@~/.ssh/id_rsa\n",
)

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_METHODS = st.sampled_from(
    ["assemble", "get", "list", "dependencies", "dependents", "graph", "check", "subscribe", "unsubscribe",
     "statistics", "health", "ping", "version", "describe", "rescan", "no such method"]
)  # fmt: skip
_PARAMS = st.dictionaries(
    st.sampled_from(
        ["name", "components", "variables", "arguments", "strategy", "budget", "etag", "glob", "depth",
         "subscription", "", "x"]
    ),
    _VALUES | st.sampled_from(["x", "x.md", "hostile", ["x", "x"], {"who": "Ada"}]),
    max_size=4,
)  # fmt: skip
_REQUESTS = st.builds(
    lambda method, params: json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    ).encode(),
    _METHODS,
    _PARAMS,
)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A request with some of its bytes replaced, removed or repeated."""
    line = draw(_REQUESTS)
    at = draw(st.integers(0, len(line) - 1))
    return line[:at] + draw(st.binary(max_size=4)) + line[at + draw(st.integers(0, 3)) :]


frames = st.one_of(st.sampled_from(FRAMES), _REQUESTS, _damaged(), st.binary(max_size=200)).map(
    lambda line: line.replace(b"\n", b" ")
)

_SCRAPS = st.sampled_from(
    ["---\n", "name: x\n", "includes: [x.md]\n", "variables:\n  who: {required: true}\n", "<include>", "x.md",
     "hostile.md", "</include>", "<include component='x.md'/>", "{{component: x.md}}", "{{", "}}", "{who}",
     "@x.md", "@./", "@&", "@?", "#", "# x\n", "`", "```\n", "~~~\n", "<!--", "-->", "\n", "\r", "\t", "    ",
     "> ", "- ", "1. ", "|", "\\", "$ARGUMENTS", "$1", "\ufeff", "\x00", "\u2028", "😀", "é", "a", " "]
)  # fmt: skip
components = st.one_of(
    st.sampled_from(COMPONENTS),
    st.lists(_SCRAPS, max_size=40).map(lambda scraps: "".join(scraps).encode()),
    st.lists(_SCRAPS, max_size=8).map(lambda scraps: ("".join(scraps) * 200).encode()),
    st.binary(max_size=300),
)
