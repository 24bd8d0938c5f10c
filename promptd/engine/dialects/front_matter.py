"""`includes:` and `components:` lists in front matter, put before the body in order; `requires:` softly.

An item is a path, with the marks `?`, `&` and `#section`, or a mapping with `path` and optionally
`optional`, `mode` and `section`. `requires` makes edges in the graph that are never expanded.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.engine.component import Directive
from promptd.engine.dialects.base import Dialect, Target, split_target
from promptd.engine.markdown import Body

_LISTS = (("includes", False), ("components", False), ("requires", True))
_PATH_KEYS = ("path", "component", "src", "file")


def _items(value: object) -> list[object]:
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, (list, tuple)) else []


def _target(item: object) -> Target | None:
    if isinstance(item, str):
        return split_target(item)
    if not isinstance(item, Mapping):
        return None
    written = next((item[key] for key in _PATH_KEYS if isinstance(item.get(key), str)), None)
    if written is None:
        return None
    target = split_target(written)
    section = item.get("section")
    return target._replace(
        section=section if isinstance(section, str) else target.section,
        is_optional=target.is_optional or item.get("optional") is True,
        is_reference=target.is_reference or item.get("mode") == "reference",
    )


def _line(body: Body, key: str, written: str) -> int:
    """The line of an item: the first mention of its path below its key, else the key's own line."""
    key_at = re.search(rf"^{key}[ \t]*:", body.text[: body.start], re.MULTILINE)
    if key_at is None:
        return 1
    item_at = body.text.find(written, key_at.end(), body.start)
    return body.line_of(item_at if item_at >= 0 else key_at.start())


def _find(body: Body, metadata: Mapping[str, Any]) -> Iterator[Directive]:
    for key, is_soft in _LISTS:
        for item in _items(metadata.get(key)):
            target = _target(item)
            if target is None or not target.path:
                continue
            yield Directive(
                dialect="front-matter",
                target=target.path,
                start=body.start,
                end=body.start,
                line=_line(body, key, target.path),
                section=target.section,
                is_optional=target.is_optional,
                is_reference=target.is_reference,
                is_soft=is_soft,
                is_prepended=True,
            )


DIALECT = Dialect("front-matter", "", _find)
