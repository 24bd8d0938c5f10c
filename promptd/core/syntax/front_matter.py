"""Front matter: the block between `---` lines at the very start of a file, and its keys with a meaning.

Only at byte 0 (a BOM may precede it), and not where a blank line and no key follows the opening `---`:
that is a rule above prose. A malformed block never costs the body; `tolerant_yaml` keeps of it what
parses. Nothing here raises.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from promptd.core.syntax import tolerant_yaml
from promptd.core.syntax.component import Diagnostic, Variable
from promptd.core.syntax.tolerant_yaml import is_true
from promptd.protocol.request import scalar_text

MAX_FRONT_MATTER_CHARS = 65_536  # real ones stay under 4 KB; a block beyond this is treated as body

_OPENING = re.compile(r"\ufeff?---[ \t]*\r?\n(?![ \t]*\r?\n(?!\s*[a-z][\w.-]*[ \t]*:))")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_KEY_BELOW = re.compile(r"[A-Za-z_][\w.-]*[ \t]*:[ \t\r\n]")
_NAME = re.compile(
    r"""(?:^[ \t]*-[ \t]+(?:name[ \t]*:[ \t]*)?|^[ \t]+|[{,\[][ \t]*)["']?([^\W\d][\w.-]*)""", re.MULTILINE
)


class FrontMatter(NamedTuple):
    """Where the body starts, the metadata, and what was wrong with it."""

    body_start: int
    metadata: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...]


def split(text: str) -> FrontMatter:
    """Read the front matter of a file's text. Without one the body is the text less a BOM."""
    body_start = 1 if text.startswith("\ufeff") else 0
    opening = _OPENING.match(text)
    if opening is None:
        return FrontMatter(body_start, {}, ())
    closing = _CLOSING.search(text, opening.end())
    if closing is None or closing.end() > opening.end() + MAX_FRONT_MATTER_CHARS:
        return FrontMatter(body_start, {}, tuple(_unclosed(text, opening.end())))
    metadata, diagnostics = tolerant_yaml.read(text[opening.end() : closing.start()])
    return FrontMatter(min(closing.end() + 1, len(text)), metadata, tuple(diagnostics))


def _unclosed(text: str, start: int) -> Iterator[Diagnostic]:
    """`---` and a key were surely meant to be front matter; `---` alone may be a rule."""
    if _KEY_BELOW.match(text, start):
        message = (
            f"front matter is not closed by `---` within {MAX_FRONT_MATTER_CHARS} characters: taken as text"
        )
        yield Diagnostic("front-matter-lost", message, 1)


# -- keys with a meaning ----------------------------------------------------------------------


def variables(text: str, front: FrontMatter) -> tuple[tuple[Variable, ...], tuple[Diagnostic, ...]]:
    """The `variables:` declared: names, or names with a default or a table, as a list or a mapping."""
    declared = front.metadata.get("variables")
    if declared is None:
        return (), ()
    key_line, lines = _lines(text[: front.body_start])
    specs = _specs(declared)
    if specs is None:
        message = "`variables` is neither a list of names nor a mapping: none is declared"
        return (), (Diagnostic("front-matter-lost", message, key_line),)
    return tuple(_variable(name, spec, lines.get(name, key_line)) for name, spec in specs.items()), ()


def _specs(declared: Any) -> dict[str, Any] | None:
    if isinstance(declared, dict):
        return declared
    if not isinstance(declared, list):
        return None
    specs: dict[str, Any] = {}
    for item in declared:
        if isinstance(item, dict):
            specs |= {scalar_text(item["name"]): item} if "name" in item else item
        elif isinstance(item, str):
            specs[item] = None
        else:
            return None
    return specs


def _variable(name: str, spec: Any, line: int) -> Variable:
    if not isinstance(spec, dict):
        return Variable(name, None if spec is None else scalar_text(spec), line=line)
    default = spec.get("default")
    return Variable(
        name,
        None if default is None else scalar_text(default),
        required=is_true(spec.get("required")),
        description=scalar_text(spec.get("description") or ""),
        line=line,
    )


def _lines(head: str) -> tuple[int, dict[str, int]]:
    """The line of the `variables` key, and the first line below it that begins with each name."""
    key = re.search(r"^variables[ \t]*:", head, re.MULTILINE)
    if key is None:
        return 1, {}
    line = key_line = head.count("\n", 0, key.start()) + 1
    counted, lines = key.start(), dict[str, int]()
    for match in _NAME.finditer(head, key.end()):
        line += head.count("\n", counted, match.start(1))
        counted = match.start(1)
        lines.setdefault(match[1], line)
    return key_line, lines


def argument_names(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The `arguments:` names, written as a list or as one string of words."""
    names = metadata.get("arguments")
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    if not isinstance(names, list):
        return ()
    plain = (item.get("name") if isinstance(item, dict) else item for item in names)
    return tuple(name for name in plain if isinstance(name, str) and name.isidentifier())
