"""`{{component: a/b.md}}`: the brace dialect, resolved from the library root.

What lacks the colon or the path, or is spelled otherwise (`{{Component: x}}`, `{{include: x}}`), is
diagnosed; `{{component}}` alone is a variable.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import Diagnostic, Directive
from promptd.core.syntax.dialects.base import Dialect, directive_at, split_target
from promptd.core.syntax.markdown import Body

_DIRECTIVE = re.compile(
    r"\{\{(?<![{$]\{\{)[ \t]{0,16}(?:(?P<word>component)|(?i:components?|(?P<include>includes?)))"
    r"(?:[ \t]{0,16}(?:(?P<colon>:)|(?P<mark>[;=]))|[ \t]{1,16})"
    r"(?P<path>[^{}\n]{1,1024})\}\}(?!\})"
)


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive | Diagnostic]:
    for match in _DIRECTIVE.finditer(body.text, body.start):
        target = split_target(match["path"])
        is_others = match["include"] and not match["colon"]  # Helm's `{{ include "x" . }}`
        if is_others or body.is_literal(*match.span()):
            continue
        if match["word"] and match["colon"] and target.path:
            yield directive_at(body, "component", match.start(), match.end(), target, base="root")
        else:
            yield _malformed(match, body)


def _malformed(match: re.Match[str], body: Body) -> Diagnostic:
    path = match["path"].strip().strip("\"'=:")
    message = f"`{match[0][:80]}` is text; a component is included by `{{{{component: {path or 'path'}}}}}`"
    return Diagnostic("malformed-include", message, body.line_of(match.start()))


DIALECT = Dialect("component", "{{", _find)
