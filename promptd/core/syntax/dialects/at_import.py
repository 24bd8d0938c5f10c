r"""`@path`, `@./x.md`, `@~/…`, `@$HOME/…`: imports as in Claude Code, from beside the file, then the root.

Most `@words` in real files are no imports (decorators, npm packages, handles, `@media`), so a word counts
only at the start of a line or after white space or list punctuation, and only if it looks like a path:
`./ ../ / ~/ $HOME/`, a slash and an extension, or the extension of a document or source file. Any other
word is tentative: an import only if a file of exactly that name exists, and no warning if none does.
The text and the target of a link, and `{…}`, `<…>`, a glob or a `$` in a word mean literal. Punctuation and
arrows of other scripts end a word. `\ ` escapes a space.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import IMPORT, MAX_TARGET_CHARS, PUNCTUATED, Diagnostic, Directive
from promptd.core.syntax.dialects.base import (
    Dialect,
    WrittenTarget,
    directive_at,
    split_target,
)
from promptd.core.syntax.markdown import Body

# Quotation marks, dashes, arrows, operators and full-width punctuation: in no path, but right behind many.
_ENDS = (
    r"«»\u2010-\u205e\u2190-\u22ff\u2794-\u27bf\u27f0-\u27ff\u2900-\u2bff\u3001-\u303f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_WORD = re.compile(
    rf"(?:^|(?<=[\s\[,;])|(?<=\()(?<!\]\())@((?:\\ |[^\s`\"'|\\,;()\[\]{_ENDS}])+)", re.MULTILINE
)
_REST_OF_LINK_TEXT = re.compile(r"[^\[\]\n]{0,200}\][(\[]")
_LITERAL = re.compile(r"[{}<>*=@]|://|(?!^)\$|^\$(?!HOME/)")
_TRAILING = ".,;:)!?"
_SKIPPED = (":", ",", ";")  # anthropics/claude-code#86060
_EXPLICIT = ("./", "../", "/", "~/", "$HOME/")
_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,9})$")
# Without a slash. Not those that are also frameworks (`@Next.js`), domains (`@docs.rs`) or decorators
# (`@mock.patch`): such a word is tentative.
_OF_FILES = re.compile(
    r"adoc|bash|cfg|conf|cpp|css|csv|gif|hpp|html?|ini|ipynb|java|jpe?g|jsx|json[cl]?|kt|markdown|md[cx]?|mjs|pdf"
    r"|php|png|proto|ps1|pyi?|rb|rst|sql|svg|swift|tex|toml|tsx?|tsv|txt|vue|xml|ya?ml|zsh",
    re.IGNORECASE,
)
# npm's scopes whose packages are named like files. A scope looks like a directory: not all can be told.
_SCOPES = re.compile(
    r"(?:angular|anthropic-ai|astrojs|babel|biomejs|cloudflare|discordjs|google|hotwired|huggingface|langchain|microsoft"
    r"|modelcontextprotocol|nestjs|nuxt|octokit|openai|popperjs|radix-ui|reduxjs|sentry|shopify|storybook|supabase"
    r"|tailwindcss|tanstack|vercel|vueuse)/"
)

_INSTALLS = re.compile(r"\b(?:npx|npm|pnpm|pnpx|yarn|bunx?|deno)[ \t][^\n@]*\Z")


def _looks_like_a_path(path: str) -> bool:
    if path.startswith(_EXPLICIT):
        return True
    name = path.rpartition("/")[2]
    extension = _EXTENSION.search(name)
    if extension is None or not name[: extension.start()].strip(".") or _SCOPES.match(path):
        return False
    return "/" in path or _OF_FILES.fullmatch(extension[1]) is not None


def _target(word: str) -> WrittenTarget | None:
    target = split_target(word.replace("\\ ", " "))
    is_literal = not target.path.strip("./~") or _LITERAL.search(target.path) or "@" in (target.section or "")
    return None if is_literal or len(word) > MAX_TARGET_CHARS else target


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive | Diagnostic]:
    for match in _WORD.finditer(body.text, body.start):
        written = match[1].rstrip(_TRAILING)
        target = _target(written)
        end = match.start(1) + len(written)
        if target is None or _REST_OF_LINK_TEXT.match(body.text, end) or body.is_literal(match.start(), end):
            continue
        is_package = _INSTALLS.search(body.text, max(body.start, match.start() - 80), match.start())
        is_tentative = is_package is not None or not _looks_like_a_path(target.path)
        if not is_tentative and (mark := body.text[end : end + 1]) in _SKIPPED:
            message = f"Claude Code skips `@{written}{mark}`: an import ends with white space"
            yield Diagnostic(PUNCTUATED, message, body.line_of(end))
        yield directive_at(
            body, IMPORT, match.start(), end, target, base="file-then-root", is_tentative=is_tentative
        )


DIALECT = Dialect(IMPORT, "@", _find)
