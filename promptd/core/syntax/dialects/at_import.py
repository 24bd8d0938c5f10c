r"""`@path`, `@./x.md`, `@~/…`, `@$HOME/…`: Claude Code's imports, resolved from the including file.

Most `@words` in real files are no imports (decorators, npm scopes, handles, `@media`), so a word counts
only at the start of a line or after white space or list punctuation, and only if it looks like a path:
`./ ../ / ~/ $HOME/`, or a last segment with an extension, which must be a file's where no slash helps to
tell `@notes.md` from `@app.route`. Any other word is tentative: an import only if the file exists.
`{…}`, `<…>`, a glob or a `$` in it means literal. `\ ` escapes a space.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import MAX_TARGET_CHARS, Directive
from promptd.core.syntax.dialects.base import (
    Dialect,
    WrittenTarget,
    directive_at,
    split_target,
)
from promptd.core.syntax.markdown import Body

_WORD = re.compile(r"(?:^|(?<=[\s(\[,;]))@((?:\\ |[^\s`\"'|\\,;()\[\]])+)", re.MULTILINE)
_LITERAL = re.compile(r"[{}<>*=@]|://|(?!^)\$|^\$(?!HOME/)")
_TRAILING = ".,;:)!?"
_EXPLICIT = ("./", "../", "/", "~/", "$HOME/")
_EXTENSION = re.compile(r"[^/.][^/]*\.([A-Za-z][A-Za-z0-9]{0,9})$")
_OF_FILES = re.compile(
    r"adoc|bash|c|cfg|conf|cpp|cs|css|csv|diff|env|go|gif|h|hpp|html?|ini|ipynb|java|jpe?g|jsx?|json[cl]?|kt|lock|log"
    r"|lua|markdown|md[cx]?|mjs|org|patch|pdf|php|pl|png|prompt|properties|proto|ps1|pyi?|r|rb|rs|rst|scala|sh|sql"
    r"|svg|swift|tex|text|tf|toml|tsx?|tsv|txt|vue|xml|ya?ml|zsh",
    re.IGNORECASE,
)


def _looks_like_a_path(path: str) -> bool:
    if path.startswith(_EXPLICIT):
        return True
    extension = _EXTENSION.search(path.rpartition("/")[2])
    return extension is not None and ("/" in path or _OF_FILES.fullmatch(extension[1]) is not None)


def _target(word: str) -> WrittenTarget | None:
    target = split_target(word.replace("\\ ", " "))
    is_literal = not target.path.strip("./~") or _LITERAL.search(target.path) or "@" in (target.section or "")
    return None if is_literal or len(word) > MAX_TARGET_CHARS else target


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive]:
    for match in _WORD.finditer(body.text, body.start):
        written = match[1].rstrip(_TRAILING)
        target = _target(written)
        end = match.start(1) + len(written)
        if target is None or body.is_literal(match.start(), end):
            continue
        is_tentative = not _looks_like_a_path(target.path)
        yield directive_at(
            body, "at-import", match.start(), end, target, base="file", is_tentative=is_tentative
        )


DIALECT = Dialect("at-import", "@", _find)
