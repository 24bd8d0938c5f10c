"""`<include>a/b.md</include>` and `<include component="a/b.md"/>`: the XML-shaped dialect.

The path attribute may also be called `src`, `path` or `file`. `optional="true"` makes a missing target
silent, `mode="reference"` puts a one-line reference in place of the text. Resolved from the library
root first, then from the including file.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.engine.component import Directive
from promptd.engine.dialects.base import Dialect, Target, directive_at, split_target
from promptd.engine.markdown import Body

_ELEMENT = re.compile(
    r"<include(?P<attributes>(?:\s[^<>]*?)?)(?:/>|>(?P<content>[^<>]{0,1024})</include\s*>)", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"""([A-Za-z_][\w-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_PATH_ATTRIBUTES = ("component", "src", "path", "file")


def _target(match: re.Match[str]) -> Target:
    attributes = {key.lower(): a or b for key, a, b in _ATTRIBUTE.findall(match["attributes"])}
    written = next((attributes[key] for key in _PATH_ATTRIBUTES if key in attributes), match["content"] or "")
    target = split_target(written)
    return target._replace(
        is_optional=target.is_optional or attributes.get("optional", "").lower() == "true",
        is_reference=target.is_reference or attributes.get("mode", "").lower() == "reference",
    )


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive]:
    for match in _ELEMENT.finditer(body.text, body.start):
        target = _target(match)
        if target.path and not body.is_literal(match.start()):
            yield directive_at(body, "include", match.start(), match.end(), target, base="root-then-file")


DIALECT = Dialect("include", "<include", _find)
