"""Strategies: ordered lists of passes by name, with what the lossy ones aim at.

`PASSES` is every pass there is. The shipped strategies are data like those of a configuration; each next
one contains the one before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from promptd.core.optimise.passes import (
    layout,
    repeats,
    wording,
)
from promptd.core.optimise.passes import (
    least_informative as least,
)
from promptd.core.optimise.passes.base import Aims, Pass
from promptd.errors import ConfigError, InvalidParams

PASSES: Mapping[str, Pass] = {
    entry.name: entry
    for entry in (
        Pass("comments", layout.comments, "HTML comments, except `keep` marks", is_lossless=True),
        Pass("trailing_space", layout.trailing_space, "white space at the ends of lines", is_lossless=True),
        Pass("blank_lines", layout.blank_lines, "several blank lines become one", is_lossless=True),
        Pass("table_padding", layout.table_padding, "padding inside table cells", is_lossless=True),
        Pass("markup_indent", layout.markup_indent, "indentation of lines that are tags", is_lossless=True),
        Pass("repeats", repeats.repeats, "what stands before word for word", needs_fresh=True),
        Pass("near_repeats", repeats.near_repeats, "what nearly stands before", needs_fresh=True),
        Pass("phrases", wording.phrases, "verbose phrases, by a table"),
        Pass("json_code", wording.json_code, "JSON in fences without white space", edits_code=True),
        Pass("labels", wording.labels, "`**Label**:` becomes `Label:`"),
        Pass("emphasis", wording.emphasis, "bold inside lines that do not instruct"),
        Pass("wrappers", wording.wrappers, "neighbouring elements that only wrap become one"),
        Pass("dedent", layout.dedent, "indentation that all lines of an element share"),
        Pass("tag_lines", layout.tag_lines, "tags that follow one another on one line", needs_fresh=True),
        Pass("least", least.least, "the least informative units", needs_fresh=True),
    )
}

_LOSSLESS = ("comments", "markup_indent", "table_padding", "trailing_space", "blank_lines")
_SAID_ONCE = ("repeats", "near_repeats", "phrases", "json_code", "labels", "wrappers")
_BALANCED = ("dedent", "comments", *_SAID_ONCE, *_LOSSLESS[2:], "tag_lines")


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named, ordered list of passes."""

    name: str
    passes: tuple[str, ...] = ()
    aims: Aims = field(default_factory=Aims)

    @property
    def is_lossless(self) -> bool:
        """True if every pass is held to the CommonMark tree."""
        return all(PASSES[name].is_lossless for name in self.passes)


STRATEGIES: Mapping[str, Strategy] = {
    "none": Strategy("none"),
    "conservative": Strategy("conservative", _LOSSLESS),
    "balanced": Strategy("balanced", _BALANCED),
    "aggressive": Strategy("aggressive", (*_BALANCED, "emphasis", "least")),
}


def configured(table: Mapping[str, Sequence[str]], aims: Aims = Aims()) -> Mapping[str, Strategy]:  # noqa: B008
    """The shipped strategies with those of a configuration laid over, all with these aims.

    Raises ConfigError for an unknown pass, with the nearest name, and for aims out of bounds.
    """
    check_aims(aims)
    for name, passes in table.items():
        for each in passes:
            if each not in PASSES:
                near = get_close_matches(each, PASSES, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(PASSES)}"
                key = f"tokens.strategies.{name}"
                raise ConfigError(f"{key}: no pass {each!r}{hint}", key=key)
    own = {name: Strategy(name, tuple(passes)) for name, passes in table.items()}
    return {name: replace(strategy, aims=aims) for name, strategy in {**STRATEGIES, **own}.items()}


def check_aims(aims: Aims) -> None:
    """Raise ConfigError for a share that is none. A NaN is none either."""
    for name in ("reduction", "information", "similarity"):
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
