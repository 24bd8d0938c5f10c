r"""Where values go in a text: `{name}`, `{{name|default}}`, `$ARGUMENTS`, `$1`, `$name`, `\$1`.

Cutting a text into literal parts and slots looks at no value: what is supplied is decided by `fill`.
`${name}` is another language's, and one back-slash (not two) makes a `$` form literal. Shell forms are never
run (`` !`command` `` where a line or a word begins, ` ```! ` blocks); they stay as written, slots in them
too, or are replaced by a notice. Linear time on any text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters

from promptd.core.syntax.component import Placeholder, Variable
from promptd.core.syntax.markdown import Body
from promptd.core.syntax.slots import Slot

SHELL_DISABLED = "[shell command execution disabled by policy]"
MAX_PLACEHOLDERS = 200  # names remembered of one file: a template of another engine may have thousands

_NAME = r"[^\W\d][\w.-]*"
_DOUBLE = rf"\{{[ \t]{{0,16}}(?P<double>{_NAME})[ \t]{{0,16}}(?:\|(?P<default>[^{{}}\n]*))?\}}\}}(?!\}})"
_SINGLE = rf"(?P<single>{_NAME})\}}(?!\}})"
_VARIABLE = (
    rf"\{{(?<![{{$]\{{)(?:{_DOUBLE}|{_SINGLE})"  # begins with a character, so that it is searched for fast
)
_TOKEN = re.compile(
    rf"{_VARIABLE}"
    r"|(?P<escape>(?<!\\)\\)?\$(?:ARGUMENTS(?:\[(?P<index>[0-9]{1,4})\]|(?!\w))"
    r"|(?P<short>[0-9]{1,4})(?!\w)|(?P<name>[^\W\d]\w*))"
    r"|(?P<span>(?<![^\s\ufeff])!`[^`\n]*`)|^[ \t]*(?P<block>```![^\n]*\n)",
    re.MULTILINE,
)
_BRACES = re.compile(_VARIABLE)
_HINT = re.compile(r"[{$]|!`|```!")
_CLOSER = re.compile(r"^[ \t]*`{3,}[ \t]*(?=\r?$)", re.MULTILINE)
_FILTER = re.compile(  # of Jinja and Liquid: `{{x | default("y")}}`, `{{x|upper}}`
    r"[A-Za-z_]\w*+\([^\n]*\)"
    r"|(?:capitalize|downcase|escape|json|lower|safe|striptags|tojson|trim|upcase|upper|urlencode)\b"
)
_BEFORE_TEX = re.compile(  # of `\\frac{a}{b}` and `x_{i}` what stands before a brace
    r"\\[A-Za-z]{2,40}\*?(?:\[[^\]\n]{0,40}\])?(?:\{[^{}\n]{0,80}\}){0,4}$|(?<![^\W_])[A-Za-z]?[\^_]$|\^$"
)
_TEX_CHARS = 200  # looked at before a brace


@dataclass(frozen=True, slots=True)
class Cutter:
    """How one prompt's texts are cut: names of its arguments, what `$N` calls the first, shell policy."""

    arguments: Sequence[str] = ()
    base: int = 0
    replaces_shell: bool = False
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {name: len(self.arguments) - at for at, name in enumerate(reversed(self.arguments), 1)}
        object.__setattr__(self, "_places", places)  # of two arguments of one name, the first

    def cut(self, text: str, start: int, end: int, body: Body | None = None) -> Iterator[str | Slot]:
        """The parts of text[start:end] in order; none is empty. `body`: the text as it was scanned before."""
        if _HINT.search(text, start, end) is None:
            if start < end:
                yield text[start:end]
            return
        written = start
        for at, upto, part in self._parts(body or Body(text), text, start, end):
            if written < at:
                yield text[written:at]
            yield part
            written = upto
        if written < end:
            yield text[written:end]

    def _parts(self, body: Body, text: str, position: int, end: int) -> Iterator[tuple[int, int, str | Slot]]:
        """(start, end, part) of everything in a text that does not stand for itself."""
        can_close = True
        while match := _TOKEN.search(text, position, end):
            position = match.end()
            if match["span"] and body.kind_at(match.start()) == "span":
                position = match.start() + 2  # its back-tick ends a code span
                continue
            if match["block"]:
                closer = _CLOSER.search(text, position, end) if can_close else None
                can_close = closer is not None
                position = closer.end() if closer else position
            if match["span"] or (match["block"] and can_close):
                if self.replaces_shell:
                    yield match.start(), position, SHELL_DISABLED
                continue
            slot = self._slot(match, body)
            if slot is not None:
                yield match.start(), match.end(), slot

    def _slot(self, match: re.Match[str], body: Body) -> Slot | None:
        raw, name = match[0], match["double"] or match["single"]
        if name:
            return Slot("variable", raw, name, _default(match), body.kind_at(match.start()) == "fence")
        if match["block"] or (match["name"] and match["name"] not in self._places):
            return None
        if match["escape"]:
            return Slot("escape", raw)
        if match["name"]:
            return Slot("argument", raw, str(self._places[match["name"]]), "")
        index = int(match["short"]) - self.base if match["short"] else match["index"]
        return Slot("argument", raw, "" if index is None else str(index))


def _default(match: re.Match[str]) -> str | None:
    """The inline default of a variable."""
    return None if match["default"] is None else match["default"].strip()


def placeholders(body: Body) -> tuple[tuple[Variable, ...], tuple[Placeholder, ...]]:
    """The variables that a body's prose declares by `{{name|default}}`, and the names in braces without one.

    Each name once, where it is first written. What stands in code or a comment is an example,
    a filter (`{{x | default("y")}}`, `{{x|upper}}`) is of another template language, and TeX has its own.
    """
    declared: dict[str, Variable] = {}
    bare: dict[str, Placeholder] = {}
    for match in _BRACES.finditer(body.text, body.start):
        name, default = match["double"] or match["single"], _default(match)
        if len(declared) + len(bare) >= MAX_PLACEHOLDERS:
            break
        if name in (bare if default is None else declared) or body.kind_at(match.start()):
            continue
        if default is None and _is_tex(body.text, match.start()):
            continue
        line = body.line_of(match.start())
        if default is None:
            bare[name] = Placeholder(match[0], name, line)
        elif not _FILTER.match(default):
            declared[name] = Variable(name, default, line=line, is_inline=True)
    return tuple(declared.values()), tuple(bare.values())


def _is_tex(text: str, at: int) -> bool:
    before = text[max(0, at - _TEX_CHARS) : at]
    return before[-1:] in "}]*^_" + ascii_letters and _BEFORE_TEX.search(before) is not None
