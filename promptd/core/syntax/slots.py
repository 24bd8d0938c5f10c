r"""Where values go in a text: `{name}`, `{{name|default}}`, `$ARGUMENTS`, `$1`, `$name`, `\$1`.

Cutting a text into literal parts and slots looks at no value: what is supplied is decided by `fill`. Shell
forms (`` !`command` ``, ` ```! ` blocks) are never run; they stay as written, slots in them too, or are
replaced by a notice. Linear time on any text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

SHELL_DISABLED = "[shell command execution disabled by policy]"

_NAME = r"[^\W\d][\w.-]*"
_TOKEN = re.compile(
    rf"(?<!\{{)\{{\{{[ \t]{{0,16}}(?P<double>{_NAME})[ \t]{{0,16}}(?:\|(?P<default>[^{{}}\n]*))?\}}\}}(?!\}})"
    rf"|(?<!\{{)\{{(?P<single>{_NAME})\}}(?!\}})"
    r"|(?P<escape>\\)?\$(?:ARGUMENTS(?:\[(?P<index>[0-9]{1,4})\]|(?!\w))"
    r"|(?P<short>[0-9]{1,4})(?!\w)|(?P<name>[^\W\d]\w*))"
    r"|(?P<span>!`[^`\n]*`)|^[ \t]*(?P<block>```![^\n]*\n)",
    re.MULTILINE,
)
_HINT = re.compile(r"[{$]|!`|```!")
_CLOSER = re.compile(r"^[ \t]*`{3,}[ \t]*(?=\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Slot:
    r"""A place for a value: the written text `raw` stands if there is none.

    `kind` "variable": `name`, with an inline `default`. "argument": `name` is "" for all of them or a
    0-based index in digits; a `default` replaces one that is absent. "escape": `raw` is `\$1`, which loses
    its backslash when arguments are given.
    """

    kind: Literal["variable", "argument", "escape"]
    raw: str
    name: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Cutter:
    """How one prompt's texts are cut: names of its arguments, what `$N` calls the first, shell policy."""

    arguments: Sequence[str] = ()
    base: int = 0
    replaces_shell: bool = False

    def cut(self, text: str, start: int, end: int) -> Iterator[str | Slot]:
        """The parts of text[start:end] in order; none is empty."""
        if _HINT.search(text, start, end) is None:
            if start < end:
                yield text[start:end]
            return
        written = start
        for at, upto, part in self._parts(text, start, end):
            if written < at:
                yield text[written:at]
            yield part
            written = upto
        if written < end:
            yield text[written:end]

    def _parts(self, text: str, position: int, end: int) -> Iterator[tuple[int, int, str | Slot]]:
        """(start, end, part) of everything in a text that does not stand for itself."""
        can_close = True
        while match := _TOKEN.search(text, position, end):
            position = match.end()
            if match["block"]:
                closer = _CLOSER.search(text, position, end) if can_close else None
                can_close = closer is not None
                position = closer.end() if closer else position
            if match["span"] or (match["block"] and can_close):
                if self.replaces_shell:
                    yield match.start(), position, SHELL_DISABLED
                continue
            slot = self._slot(match)
            if slot is not None:
                yield match.start(), match.end(), slot

    def _slot(self, match: re.Match[str]) -> Slot | None:
        raw, name = match[0], match["double"] or match["single"]
        if name:
            default = match["default"]
            return Slot("variable", raw, name, None if default is None else default.strip())
        if match["block"] or (match["name"] and match["name"] not in self.arguments):
            return None
        if match["escape"]:
            return Slot("escape", raw)
        if match["name"]:
            return Slot("argument", raw, str(self.arguments.index(match["name"])), "")
        index = int(match["short"]) - self.base if match["short"] else match["index"]
        return Slot("argument", raw, "" if index is None else str(index))
