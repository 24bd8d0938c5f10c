"""The directive dialects: one small pure module each. To add one, write its module and list it here."""

from collections.abc import Sequence

from promptd.core.syntax.dialects import (
    at_import,
    component,
    front_matter,
    include,
)
from promptd.core.syntax.dialects.base import Dialect
from promptd.errors import ConfigError

DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT for module in (include, component, front_matter, at_import)
}

ALL = "all"  # in a configuration: every dialect, those of later versions too


def resolved(names: Sequence[str], key: str = "roots.dialects") -> tuple[str, ...]:
    """The dialects that a configuration names, in its order. Raises ConfigError that lists what there is."""
    if ALL in names:
        return tuple(DIALECTS)
    for name in names:
        if name not in DIALECTS:
            listed = ", ".join((ALL, *DIALECTS))
            raise ConfigError(f"{key}: no dialect {name!r}; there are: {listed}", key=key)
    return tuple(names)
