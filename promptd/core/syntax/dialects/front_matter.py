"""`includes:` and `components:` lists in front matter, put before the body in order; `requires:` softly.

An item is a path, with the marks `?`, `&` and `#section`, or a mapping with `path` and optionally
`optional`, `mode` and `section`. One path, or several with commas between, may stand without a list.
`requires` makes edges in the graph that are never expanded, to ids or to files beside this one; a word in it
that is no path may name anything, so it is an edge only where a component is called that. `components` and
`requires` are keys of many tools: what is no path in them counts only if the file exists, and if none of it
looks like a path they are theirs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import Diagnostic, Directive
from promptd.core.syntax.dialects.base import Dialect, WrittenTarget, split_target
from promptd.core.syntax.markdown import Body
from promptd.core.syntax.plain_text import line_of_text
from promptd.core.syntax.tolerant_yaml import is_true

_LISTS = (("includes", False), ("components", False), ("requires", True))
_EXTENSION = re.compile(r"[^/\s]\.[A-Za-z]\w{0,9}$")
_PATH_CHARACTER = re.compile(r"[\w./-]")
MAX_LOOKS = (
    20_000  # at mentions that are none; after 100 items written otherwise than they read none is sought
)
_PATH_KEYS = ("path", "component", "src", "file")


def _items(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [item for item in value.split(",") if item.strip()]
    return value if isinstance(value, list) else [value]


def _target(item: object) -> WrittenTarget | None:
    if isinstance(item, str):
        return split_target(item)
    if not isinstance(item, Mapping):
        return None
    written = next((item[key] for key in _PATH_KEYS if isinstance(item.get(key), str)), "")
    target = split_target(written)
    section = item.get("section")
    return target._replace(
        section=section if isinstance(section, str) else target.section,
        is_optional=target.is_optional or is_true(item.get("optional")),
        is_reference=target.is_reference or item.get("mode") == "reference",
    )


class _Lines:
    """Finds the lines of a key's items, which are asked for in the order they are written."""

    def __init__(self, body: Body, key: str) -> None:
        self.body = body
        found = re.compile(rf"""^["']?{key}["']?[ \t]*:""", re.MULTILINE).search(body.text, 0, body.start)
        self.position = found.end() if found else 0
        self.looks = MAX_LOOKS

    def of(self, written: str) -> int:
        """The line of the next mention of a path, else of the item before it or of the key."""
        found = self._mention(written) if written else -1
        self.position = found + len(written) if found >= 0 else self.position
        return self.body.line_of(max(self.position - 1, 0))

    def _mention(self, written: str) -> int:
        """Where a path stands next as a word of its own, or -1."""
        text, end = self.body.text, self.body.start
        at = self.position - 1
        while self.looks > 0 and (at := text.find(written, at + 1, end)) >= 0:
            self.looks -= 1
            before, after = text[at - 1 : at], text[at + len(written) : min(at + len(written) + 1, end)]
            if not (_PATH_CHARACTER.match(before) or (after != "." and _PATH_CHARACTER.match(after))):
                return at
        self.looks -= MAX_LOOKS // 100
        return -1


def _looks_like_a_path(path: str) -> bool:
    if _EXTENSION.search(path):
        return True
    return "/" in path and not any(map(str.isspace, path))


def _find(body: Body, metadata: Mapping[str, Any]) -> Iterator[Directive | Diagnostic]:
    for key, is_soft in _LISTS:
        items = [(item, _target(item)) for item in _items(metadata.get(key))]
        is_ours = key == "includes" or any(
            target is not None and _looks_like_a_path(target.path) for _, target in items
        )
        lines = _Lines(body, key)
        for item, target in items:
            if target is not None and target.path:
                is_tentative = key != "includes" and not _looks_like_a_path(target.path)
                yield _directive(body, target, lines.of(target.path), is_soft, is_tentative)
            elif is_ours:
                message = f"an item of `{key}` is not a path and is left out: `{line_of_text(item)[:60]}`"
                yield Diagnostic("requires" if is_soft else "malformed-include", message, lines.of(""))


def _directive(body: Body, target: WrittenTarget, line: int, is_soft: bool, is_tentative: bool) -> Directive:
    return Directive(
        dialect="front-matter",
        target=target.path,
        start=body.start,
        end=body.start,
        line=line,
        section=target.section,
        base="root-then-file" if is_soft else "root",
        is_optional=target.is_optional,
        is_reference=target.is_reference,
        is_tentative=is_tentative,
        is_soft=is_soft,
        is_prepended=True,
    )


DIALECT = Dialect("front-matter", "", _find)
