r"""`@path`, `@./x.md`, `@~/…`, `@$HOME/…`: Claude Code's imports, resolved from the including file.

Most `@words` in real files are no imports (decorators, npm scopes, handles, `@media`), so a word counts
only at the start of a line or after white space or list punctuation, and only if it looks like a path
(`./ ../ / ~/ $HOME/`, or a last segment with an extension). Any other word is tentative: an import only
if the file exists. `{…}`, `<…>` or a glob in it means literal. `\ ` escapes a space.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.engine.component import Directive
from promptd.engine.dialects.base import Dialect, directive_at, split_target
from promptd.engine.markdown import Body

_WORD = re.compile(r"(?:^|(?<=[\s(\[,;]))@((?:\\ |[^\s`\"'|\\,;()\[\]]){1,1024})", re.MULTILINE)
_LITERAL = re.compile(r"[{}<>*=@]|^[?&]*(?:#|$)")
_TRAILING = ".,;:)!"
_EXPLICIT = ("./", "../", "/", "~/", "$HOME/")
_EXTENSION = re.compile(r"(?:^|/)[^/]*[^/.][^/]*\.[A-Za-z][A-Za-z0-9]{0,9}$")


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive]:
    for match in _WORD.finditer(body.text, body.start):
        written = match[1].rstrip(_TRAILING)
        if _LITERAL.search(written) or body.is_literal(match.start()):
            continue
        target = split_target(written.replace("\\ ", " "))
        is_path = target.path.startswith(_EXPLICIT) or _EXTENSION.search(target.path) is not None
        if not target.path.strip("./~"):
            continue
        end = match.start(1) + len(written)
        yield directive_at(
            body, "at-import", match.start(), end, target, base="file", is_tentative=not is_path
        )


DIALECT = Dialect("at-import", "@", _find)
