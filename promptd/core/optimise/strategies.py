"""Strategies: ordered lists of passes by name, with what the lossy ones aim at.

`PASSES` is every pass there is, `pass_functions` the code of each, imported when a strategy first runs: an
unknown pass in a configuration is an error at start all the same. The shipped strategies are data like those
of a configuration; each next one contains the one before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from promptd.core.optimise.records import Aims, Pass
from promptd.errors import ConfigError, InvalidParams

if TYPE_CHECKING:
    from promptd.core.optimise.edits import Edit
    from promptd.core.optimise.page import Page
    from promptd.core.optimise.passes.base import Context

PASSES: Mapping[str, Pass] = {
    entry.name: entry
    for entry in (
        Pass("comments", "HTML comments, except `keep` marks", is_lossless=True),
        Pass("trailing_space", "white space at the ends of lines", is_lossless=True),
        Pass("blank_lines", "several blank lines become one", is_lossless=True),
        Pass("table_padding", "padding inside table cells", is_lossless=True),
        Pass("markup_indent", "indentation of lines that are tags", is_lossless=True),
        Pass("repeats", "duplicates, word for word", needs_fresh=True),
        Pass("json_code", "JSON in fences without white space", edits_code=True),
        Pass("labels", "`**Label**:` becomes `Label:`"),
        Pass("emphasis", "bold inside lines that do not instruct"),
        Pass("dedent", "indentation that all lines of an element share"),
        Pass("tag_lines", "tags that follow one another on one line", needs_fresh=True),
        Pass("least_informative", "the least informative units", needs_fresh=True, drops=True),
    )
}


@cache
def pass_functions() -> "dict[str, Callable[[Page, Context], Iterable[Edit]]]":
    """The code of each pass: a pure function from a page and its context to edits."""
    from promptd.core.optimise.passes import layout, least_informative, repeats, wording

    return {
        "comments": layout.comments,
        "trailing_space": layout.trailing_space,
        "blank_lines": layout.blank_lines,
        "table_padding": layout.table_padding,
        "markup_indent": layout.markup_indent,
        "repeats": repeats.repeats,
        "json_code": wording.json_code,
        "labels": wording.labels,
        "emphasis": wording.emphasis,
        "dedent": layout.dedent,
        "tag_lines": layout.tag_lines,
        "least_informative": least_informative.least_informative,
    }


REFERENCES = "references"  # named like a pass in a configuration; it needs the sources, so it is none
_RENAMED = {"least": "least_informative"}  # names of earlier versions
_REMOVED = {
    "phrases": "no phrase has a shorter form that fits wherever it may be; take it out of the list",
    "near_repeats": "texts that differ in one thing differ in what was meant; take it out of the list",
    "wrappers": "two elements are two, whatever they wrap; take it out of the list",
}

_LOSSLESS = ("comments", "markup_indent", "table_padding", "trailing_space", "blank_lines")
_SAID_ONCE = ("repeats", "json_code", "labels")
_BALANCED = ("dedent", "comments", *_SAID_ONCE, *_LOSSLESS[2:], "tag_lines")


class Strategy(msgspec.Struct, frozen=True):
    """A named, ordered list of passes."""

    name: str
    passes: tuple[str, ...] = ()
    aims: Aims = msgspec.field(default_factory=Aims)
    has_references: bool = False  # included text becomes references first (`progressive`)

    @property
    def is_none(self) -> bool:
        """True if it does nothing at all."""
        return not (self.passes or self.has_references)

    @property
    def is_lossless(self) -> bool:
        """True if every pass is held to the CommonMark tree."""
        return all(PASSES[name].is_lossless for name in self.passes)


STRATEGIES: Mapping[str, Strategy] = {
    "none": Strategy("none"),
    "conservative": Strategy("conservative", _LOSSLESS),
    "balanced": Strategy("balanced", _BALANCED),
    "aggressive": Strategy("aggressive", (*_BALANCED, "emphasis", "least_informative")),
    "progressive": Strategy("progressive", has_references=True),
}


def configured(table: Mapping[str, Sequence[str]], aims: Aims = Aims()) -> Mapping[str, Strategy]:  # noqa: B008
    """The shipped strategies with those of a configuration laid over, all with these aims.

    Raises ConfigError for an unknown pass, with the nearest name, and for aims out of bounds.
    """
    check_aims(aims)
    for name, passes in table.items():
        for each in passes:
            if each not in PASSES and each != REFERENCES:
                raise _no_pass(f"tokens.strategies.{name}", each)
    own = {name: _own(name, passes) for name, passes in table.items()}
    return {
        name: msgspec.structs.replace(strategy, aims=aims) for name, strategy in {**STRATEGIES, **own}.items()
    }


def _own(name: str, passes: Sequence[str]) -> Strategy:
    edit = tuple(each for each in passes if each != REFERENCES)
    return Strategy(name, edit, has_references=REFERENCES in passes)


def _no_pass(key: str, name: str) -> ConfigError:
    from difflib import get_close_matches

    if name in _REMOVED:
        return ConfigError(f"{key}: pass {name!r} was removed: {_REMOVED[name]}", key=key)
    known = (*PASSES, REFERENCES)
    near = [_RENAMED[name]] if name in _RENAMED else get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
    return ConfigError(f"{key}: no pass {name!r}{hint}", key=key)


def check_aims(aims: Aims) -> None:
    """Raise ConfigError for a share outside 0 to 1; a NaN is outside."""
    for name in ("reduction", "information"):
        share = getattr(aims, name)
        if not 0 <= share <= 1:
            raise ConfigError(f"tokens.{name} must be from 0 to 1, not {share}", key=f"tokens.{name}")


def named(name: str, strategies: Mapping[str, Strategy] = STRATEGIES) -> Strategy:
    """The strategy of a name. Raises InvalidParams that lists the names."""
    found = strategies.get(name)
    if found is None:
        listed = ", ".join(strategies)
        raise InvalidParams(f"strategy: no strategy {name!r}; there are: {listed}", strategy=name)
    return found
