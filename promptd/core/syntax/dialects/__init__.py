"""The directive dialects: one small pure module each. To add one, write its module and list it here."""

from promptd.core.syntax.dialects import (
    at_import,
    component,
    front_matter,
    include,
)
from promptd.core.syntax.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT for module in (include, component, front_matter, at_import)
}
