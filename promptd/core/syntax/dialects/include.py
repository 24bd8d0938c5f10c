"""`<include>a/b.md</include>` and `<include component="a/b.md"/>`: the XML-shaped dialect.

The path attribute may also be called `src`, `path` or `file`. `optional="true"` makes a missing target
silent, `mode="reference"` puts a one-line reference in place of the text. Resolved from the library
root first, then from the including file. What begins like an include and is none is diagnosed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import Diagnostic, Directive
from promptd.core.syntax.dialects.base import (
    Dialect,
    WrittenTarget,
    directive_at,
    split_target,
)
from promptd.core.syntax.markdown import Body
from promptd.core.syntax.tolerant_yaml import is_true

_ELEMENT = re.compile(
    r"<include(?=[\s/>])(?:(?P<attributes>[^<>]*?)(?:/>|>(?P<content>[^<>]{0,1024})</include\s*>))?"
)
_NEAR = re.compile(r"<(?!include>)(?P<name>(?i:includes?))>(?P<path>[^<>\n]{1,1024}\.\w{1,8})[ \t]{0,16}</")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([A-Za-z_][\w-]*+)\s*+=\s*+(?:"([^"]*)"|'([^']*)')""")
_PATH_ATTRIBUTES = ("component", "src", "path", "file")


def _target(match: re.Match[str]) -> WrittenTarget:
    attributes = {key: a or b for key, a, b in _ATTRIBUTE.findall(match["attributes"] or "")}
    written = next((attributes[key] for key in _PATH_ATTRIBUTES if key in attributes), match["content"] or "")
    target = split_target(written)
    return target._replace(
        is_optional=target.is_optional or is_true(attributes.get("optional")),
        is_reference=target.is_reference or attributes.get("mode") == "reference",
    )


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive | Diagnostic]:
    for match in _ELEMENT.finditer(body.text, body.start):
        if body.is_literal(*match.span()):
            continue
        target = _target(match)
        if target.path:
            yield directive_at(body, "include", match.start(), match.end(), target, base="root-then-file")
        else:
            yield _malformed(body.line_of(match.start()))
    for match in _NEAR.finditer(body.text, body.start):
        if not body.is_literal(*match.span()):
            path = match["path"][:80].strip()
            message = f"`<{match['name']}>` is text; did you mean `<include>{path}</include>`?"
            yield Diagnostic("malformed-include", message, body.line_of(match.start()))


def _malformed(line: int) -> Diagnostic:
    message = "`<include` that names no path or is not closed by `/>` or `</include>`: stays literal"
    return Diagnostic("malformed-include", message, line)


DIALECT = Dialect("include", "<", _find)
