"""`{{component: a/b.md}}`: the brace dialect, resolved from the library root."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptd.core.syntax.component import Directive
from promptd.core.syntax.dialects.base import Dialect, directive_at, split_target
from promptd.core.syntax.markdown import Body

_DIRECTIVE = re.compile(r"(?<!\{)\{\{[ \t]{0,16}component:([^{}\n]{1,1024})\}\}(?!\})")


def _find(body: Body, _metadata: Mapping[str, Any]) -> Iterator[Directive]:
    for match in _DIRECTIVE.finditer(body.text, body.start):
        target = split_target(match[1])
        if target.path and not body.is_literal(*match.span()):
            yield directive_at(body, "component", match.start(), match.end(), target, base="root")


DIALECT = Dialect("component", "component:", _find)
