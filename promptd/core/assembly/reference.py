"""The one line that stands for text that can be fetched: what is there, how long it is, and how to get it.

One form for reference includes, budgets and the strategy `progressive`. The command in it is exact for a
shell (bash, zsh) and stays on one line whatever the id holds; title and terms are for reading, so characters
that mean something in Markdown, in markup or to a terminal are left out of them.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from promptd.protocol.records import Span

DIGEST_CHARS = 12  # of 64: 48 bits tell apart the states of one text
MAX_TITLE = 80
MAX_NAME = 1024  # characters of a name that `get` takes
_MEANT = re.compile(r"[`<>\[\]{}$*\"\\|]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """What is referenced: a component, or the `section` (an anchor) or the `span` of its file.

    `tokens` and `digest` are those of the text that is fetched; no digest: whatever is there then. Unfilled:
    what is fetched has placeholders where the prompt has values.
    """

    id: str
    title: str = ""
    terms: Sequence[str] = ()
    tokens: int = 0
    section: str = ""
    span: Span | None = None
    digest: str = ""
    is_unfilled: bool = False

    @property
    def line(self) -> str:
        """The line, without a line ending."""
        title = _readable(self.title)
        about = [f'"{title}"'] if title else []
        if terms := ", ".join(filter(None, map(_readable, self.terms))):
            about.append(f"({terms}, …)")
        state = ", placeholders unfilled" if self.is_unfilled else ""
        about.append(f"{self.tokens} tokens{state}; fetch: {_code(self.command)}")
        return f"[reference: {' '.join(about)}]"

    @property
    def command(self) -> str:
        """The command that prints the text."""
        name, options = self.id, []
        if self.section and "#" not in name and len(name) + len(self.section) < MAX_NAME:
            name = f"{name}#{self.section}"
        elif self.section:
            options += [f"--section={quoted(self.section)}"]
        if self.span is not None:
            options += [f"--span {self.span[0]} {self.span[1]}"]
        if self.digest:
            options += [f"--digest {self.digest[:DIGEST_CHARS]}"]
        words = [*options, "--", quoted(name)] if name.startswith("-") else [quoted(name), *options]
        return " ".join(["promptd get", *words])


def quoted(word: str) -> str:
    """A word as a shell reads it back, on one line and without control characters."""
    if word.isprintable():  # no control and format characters, no line separators
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _readable(text: str) -> str:
    """Text for people on one line, cut at a word."""
    shown = "".join(character if character.isprintable() else " " for character in _MEANT.sub("", text))
    plain = " ".join(shown.split())
    return plain if len(plain) <= MAX_TITLE else plain[:MAX_TITLE].rsplit(" ", 1)[0] + "…"


def _code(text: str) -> str:
    """A Markdown code span of any text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest and (text[0] == "`" or text[-1] == "`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"
