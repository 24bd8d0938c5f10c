"""Escapes: characters that a reader cannot see, or that a terminal obeys, written out for each medium.

Names, contents, front matter, values and configuration come from files that anyone may have written. A
control character in them can clear a screen or forge a line of a log; a bidirectional override or a
zero-width character makes one name look like another. Nothing that is printed for people, logged, or written
to a graph, a metric or a report holds one of them as it is.

Pure: text in, text out. Text for programs (`--json` in a pipe, an assembled prompt) is not escaped.
"""

import re

# Controls (C0, DEL, C1), line and paragraph separators, bidirectional marks, overrides and isolates,
# zero-width and other invisible characters, tags, lone surrogates. Not variation selectors: they choose the
# picture of the character before them.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff\ud800-\udfff"
)
_ANY = re.compile(f"[{_HIDDEN}]")
_IN_TEXT = re.compile(rf"(?!\n|\t|\r\n)[{_HIDDEN}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_IN_MERMAID = re.compile(r"[#&<>\"`\\]")


def one_line(text: str) -> str:
    r"""The text on one line: `a\nb` for a line break, `\x1b` for ESC, `\u202e` for an override."""
    return text if text.isascii() and text.isprintable() else _ANY.sub(_shown, text)


def terminal(text: str) -> str:
    """The same for text of several lines: line ends and tabs stay."""
    return text if text.isascii() and text.isprintable() else _IN_TEXT.sub(_shown, text)


def json(text: str) -> str:
    r"""JSON with the same value in which nothing is hidden: `\u009b` for a raw C1 control in a string."""
    return _IN_TEXT.sub(_as_json, text)


def toml(text: str) -> str:
    r"""TOML with the same value in which nothing is hidden: `\u009b` for a raw C1 control in a string."""
    return _IN_TEXT.sub(_as_toml, text)


def dot(text: str) -> str:
    """The text as a quoted string of Graphviz."""
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mermaid(text: str) -> str:
    """The text as a quoted label of Mermaid, which reads `#34;` as a character code and labels as HTML."""
    return '"' + _IN_MERMAID.sub(lambda found: f"#{ord(found[0])};", one_line(text)) + '"'


def html(text: str) -> str:
    """The text as HTML, in an element or in an attribute."""
    from html import escape  # the command line has no use for its 2,000 entities

    return escape(terminal(text))


def _shown(found: re.Match[str]) -> str:
    char = found[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_toml(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _as_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
