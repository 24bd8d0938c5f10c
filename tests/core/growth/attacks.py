"""Strings that make a regular expression work, made of its own parts.

Of each part that may be repeated without end: what comes before it, many times what it repeats, and an end at
which the whole fails. So a new pattern is attacked as soon as it is written.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]  # the only parser that reads them as they are meant
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import promptd

PACKAGES = ("core", "protocol", "support", "server", "client")
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
LONG = 300  # repeated so often is as good as without end
ENDS = ("", "\0")
MAX_CHARACTERS = 6  # tried of a set of many
_SAMPLES = " a1-\n.*_#<>()[]{}|`~\\\"'/:=!@$é中,?\r\t"
_METHODS = dict.fromkeys(("search", "finditer", "findall", "sub", "subn", "split"), "search")
_METHODS["fullmatch"] = "fullmatch"


class Attack(NamedTuple):
    """`before`, then `repeated` as often as it has to be, then `end`."""

    before: str
    repeated: str
    end: str

    def text(self, size: int) -> str:
        """The attack at a size in characters."""
        return self.before + self.repeated * (size // len(self.repeated)) + self.end


@cache
def patterns() -> dict[str, re.Pattern[Any]]:
    """Every pattern that a module of the packages keeps, by its full name."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in pkgutil.walk_packages(promptd.__path__, "promptd."):
        if module.name.split(".")[1] in PACKAGES:
            held = vars(importlib.import_module(module.name))
            found |= {
                f"{module.name}.{name}": each for name, each in held.items() if isinstance(each, re.Pattern)
            }
    return found


@cache
def uses() -> dict[str, set[str]]:
    """How patterns are used, by short name: "search", "fullmatch"; else they are held against one place."""
    names: dict[str, set[str]] = {}
    for path in Path(promptd.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS and isinstance(node.value, ast.Name):
                names.setdefault(node.value.id, set()).add(_METHODS[node.attr])
            elif isinstance(node, ast.Call):  # one that is handed over, as to `outside_code`
                for each in node.args:
                    if isinstance(each, ast.Name):
                        names.setdefault(each.id, set()).add("search")
    return names


def attacks(pattern: re.Pattern[Any]) -> list[Attack]:
    """The attacks on a pattern."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(
        text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    )
    found: dict[Attack, None] = {}
    for before, repeated in _repeated(tree, ""):
        for end in ENDS if repeated else ():
            found[Attack(before, repeated, end)] = None
            found[Attack("", before + repeated, end)] = None
    return list(found)


def _repeated(items: Any, before: str) -> Iterator[tuple[str, str]]:
    """What comes before each part that is repeated, and that part."""
    for code, value in items:
        if code in REPEATS:
            _, most, inner = value
            single = _characters(*inner[0]) if len(inner) == 1 else ""
            if most is codes.MAXREPEAT or most >= LONG:
                yield from ((before, each) for each in single or [_sample(inner)])
            yield from _repeated(inner, before)
        for inner in _inside(code, value):
            yield from _repeated(inner, before)
        before += _one(code, value)


def _inside(code: Any, value: Any) -> Sequence[Any]:
    if code is codes.SUBPATTERN:
        return [value[3]]
    if code is codes.ATOMIC_GROUP:
        return [value]
    if code is codes.BRANCH:
        return list(value[1])
    return [value[1]] if code in (codes.ASSERT, codes.ASSERT_NOT) else []


def _sample(items: Any) -> str:
    return "".join(_one(*each) for each in items)


def _one(code: Any, value: Any) -> str:
    """A short string that a part matches."""
    if code in REPEATS:
        least, most, inner = value
        return _sample(inner) * max(least, 1 if most else 0)
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return ""
    inside = _inside(code, value)
    return _sample(inside[0]) if inside else _characters(code, value)[:1]


def _characters(code: Any, value: Any) -> str:
    """Some of the characters that a part of one character matches; letters first."""
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.ANY:
        return "a \\"
    if code is codes.NOT_LITERAL:
        return "".join(each for each in _SAMPLES if each != chr(value))
    if code is not codes.IN:
        return ""
    fitting = "".join(each for each in _SAMPLES if _is_in(each, value))
    first = next((chr(low if code is codes.LITERAL else low[0]) for code, low in value if code in _PLAIN), "")
    return (
        "".join(sorted(fitting, key=lambda each: not each.isalnum()))[:1] + fitting[:MAX_CHARACTERS] or first
    )


_PLAIN = (codes.LITERAL, codes.RANGE)


def _is_in(character: str, members: Any) -> bool:
    is_word = character.isalnum() or character == "_"
    categories = {
        codes.CATEGORY_DIGIT: character.isdigit(),
        codes.CATEGORY_NOT_DIGIT: not character.isdigit(),
        codes.CATEGORY_SPACE: character.isspace(),
        codes.CATEGORY_NOT_SPACE: not character.isspace(),
        codes.CATEGORY_WORD: is_word,
        codes.CATEGORY_NOT_WORD: not is_word,
    }
    is_negated = any(code is codes.NEGATE for code, _ in members)
    is_listed = any(
        (code is codes.LITERAL and ord(character) == value)
        or (code is codes.RANGE and value[0] <= ord(character) <= value[1])
        or (code is codes.CATEGORY and categories[value])
        for code, value in members
    )
    return is_listed is not is_negated
