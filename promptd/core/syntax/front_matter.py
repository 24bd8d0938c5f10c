"""Front matter: the block between `---` lines at the very start of a file, and its keys with a meaning.

Only at byte 0 (a BOM may precede it). Where a blank line follows the opening `---` it may as well be a rule
above prose, so there the block counts only if it looks like keys and values and not like a sentence. A
malformed block never costs the body; `tolerant_yaml` keeps of it what parses. Nothing here raises.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, NamedTuple

from promptd.core.syntax import tolerant_yaml
from promptd.core.syntax.component import Diagnostic, Variable
from promptd.core.syntax.doubled_keys import twice
from promptd.core.syntax.known_keys import HINTS, KNOWN, is_table, meant, meant_in_table
from promptd.core.syntax.plain_text import line_of_text, text_of
from promptd.core.syntax.tolerant_yaml import is_true

MAX_FRONT_MATTER_CHARS = 65_536  # real ones stay under 4 KB; a block beyond this is treated as body
MAX_HELD_KEYS = 500  # held against the known ones: a block with more is data

_OPENING = re.compile(r"\ufeff?---[ \t]*\r?\n")
_BLANK = re.compile(r"[ \t]*\r?\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_KEY_BELOW = re.compile(r"""(?:"[^"\n]{1,200}"|'[^'\n]{1,200}'|[^\W\d][\w.-]*)[ \t]*:[ \t\r\n]""")
_KEY_BELOW_BLANKS = re.compile(rf"(?:[ \t]*(?:#[^\n]*|\r)?\n)+{_KEY_BELOW.pattern}")
_VALUES = {"mode": ("reference", "inline"), "once": ("true", "false", "no", "off")}
_SENTENCE_WORDS = 3  # a title has fewer, where nobody knows its key
_INSIDE = 1_000  # deeper than any indentation: in brackets, where a name may belong to another one's table
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
    is_apart = _BLANK.match(text, opening.end()) is not None
    if is_apart and not _KEY_BELOW_BLANKS.match(text, opening.end()):
        return FrontMatter(body_start, {}, ())
    closing = _CLOSING.search(text, opening.end())
    if closing is None or closing.end() > opening.end() + MAX_FRONT_MATTER_CHARS:
        return FrontMatter(body_start, {}, tuple(_unclosed(text, opening.end())))
    block = text[opening.end() : closing.start()]
    metadata, diagnostics = tolerant_yaml.read(block)
    if is_apart and _is_prose(block, metadata, diagnostics):
        return FrontMatter(body_start, {}, ())
    return FrontMatter(min(closing.end() + 1, len(text)), metadata, tuple(diagnostics))


def _is_prose(block: str, metadata: Mapping[str, Any], diagnostics: Sequence[Diagnostic]) -> bool:
    """True for text between two rules, of a block that a blank line begins and whose first line has a colon.

    A key that is known settles it. Else prose is what a blank line ends as well, what is not YAML, and what
    has a sentence for a value.
    """
    if any(key.lower() in KNOWN for key in metadata):
        return False
    values = (value for value in metadata.values() if isinstance(value, str))
    return (
        not metadata
        or bool(diagnostics)
        or block.rstrip(" \t").endswith(("\n\n", "\n\r\n"))
        or any(len(value.split(None, _SENTENCE_WORDS)) >= _SENTENCE_WORDS for value in values)
    )


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
    found: dict[str, Variable] = {}
    problems: list[Diagnostic] = []
    for name, spec in specs:
        line = lines.get(name, [key_line])[0]
        if name not in found or spec is not None:  # a bare name takes nothing away
            found[name] = _variable(name, spec, line)
        problems += _mistyped_in(name, spec, line)
    return tuple(found.values()), (*problems, *_declared_twice(declared, specs, lines, key_line))


def _specs(declared: Any) -> list[tuple[str, Any]] | None:
    """Each declaration as it is written: a name, and what is said of it."""
    if isinstance(declared, dict):
        return list(declared.items())
    if not isinstance(declared, list):
        return None
    specs: list[tuple[str, Any]] = []
    for item in declared:
        if isinstance(item, dict):
            specs += [(text_of(item["name"]), item)] if "name" in item else item.items()
        elif isinstance(item, str):
            specs.append((item, None))
        else:
            return None
    return specs


def _declared_twice(
    declared: Any, specs: Iterable[tuple[str, Any]], lines: Mapping[str, list[int]], key_line: int
) -> Iterator[Diagnostic]:
    """Names that a list declares twice; of a mapping these are keys that are written twice."""
    times = Counter(name for name, _ in specs) if isinstance(declared, list) else {}
    for name, count in times.items():
        if count > 1:
            written = lines.get(name, [])
            at = written if len(written) >= count else [key_line] * count
            yield Diagnostic("doubled-key", twice(name, "declared", at[:count], are_all_used=False), at[1])


def _variable(name: str, spec: Any, line: int) -> Variable:
    if not isinstance(spec, dict) or not is_table(spec):
        return Variable(name, None if spec is None else text_of(spec), line=line)
    default = spec.get("default")
    return Variable(
        name,
        None if default is None else text_of(default),
        required=is_true(spec.get("required")),
        description=line_of_text(spec.get("description")),
        line=line,
    )


def _mistyped_in(name: str, spec: Any, line: int) -> Iterator[Diagnostic]:
    for key in islice(spec, MAX_HELD_KEYS) if isinstance(spec, dict) and is_table(spec) else ():
        intended = meant_in_table(key)
        if intended:
            message = f"variable `{name}`: unknown key `{key}`; did you mean `{intended}`?"
            yield Diagnostic("unknown-key", message, line)


def mistyped(text: str, front: FrontMatter) -> Iterator[Diagnostic]:
    """Keys that nothing reads and that resemble one with a meaning, each with its line."""
    for key in islice(front.metadata, MAX_HELD_KEYS):
        intended = meant(key)
        if intended is not None and intended not in front.metadata:
            line = _line_of_key(text[: front.body_start], key)
            yield Diagnostic("unknown-key", f"unknown key `{key}`; did you mean `{intended}`?", line)


def misvalued(text: str, front: FrontMatter) -> Iterator[Diagnostic]:
    """Values of `mode` and `once` that resemble one with a meaning and have none; others are other tools'."""
    for key, values in _VALUES.items():
        written = front.metadata.get(key)
        if not isinstance(written, str) or written in values or is_true(written):
            continue
        if (near := get_close_matches(written.lower(), values, 1)) or key == "once":
            expected = f"did you mean `{near[0]}`?" if near else f"it must be {' or '.join(values)}"
            line = _line_of_key(text[: front.body_start], key)
            message = f"`{key}` is `{line_of_text(written)[:40]}`, which says nothing; {expected}"
            yield Diagnostic("unknown-value", message, line)


def hint_lines(text: str, front: FrontMatter) -> dict[str, int]:
    """The lines of the keys that say how a component may be shortened."""
    head = text[: front.body_start]
    return {key: _line_of_key(head, key) for key in HINTS if key in front.metadata}


def _line_of_key(head: str, key: str) -> int:
    found = re.search(rf"""^["']?{re.escape(key)}["']?[ \t]*:""", head, re.MULTILINE)
    return head.count("\n", 0, found.start()) + 1 if found else 1


def _lines(head: str) -> tuple[int, dict[str, list[int]]]:
    """The line of the `variables` key, and for each name the lines that have it, the least indented first."""
    key = re.search(r"""^["']?variables["']?[ \t]*:""", head, re.MULTILINE)
    if key is None:
        return 1, {}
    line = key_line = head.count("\n", 0, key.start()) + 1
    counted, lines = key.start(), dict[str, list[tuple[int, int]]]()
    for match in _NAME.finditer(head, key.end()):
        line += head.count("\n", counted, match.start(1))
        counted = match.start(1)
        depth = _INSIDE if match[0][0] in "{,[" else len(match[0]) - len(match[0].lstrip(" \t"))
        lines.setdefault(match[1], []).append((depth, line))
    return key_line, {name: [line for _, line in sorted(at)] for name, at in lines.items()}


def argument_names(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The `arguments:` names, written as a list or as one string of words."""
    names = metadata.get("arguments")
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    if not isinstance(names, list):
        return ()
    plain = (item.get("name") if isinstance(item, dict) else item for item in names)
    return tuple(name for name in plain if isinstance(name, str) and name.isidentifier())
