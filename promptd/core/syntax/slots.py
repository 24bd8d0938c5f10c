"""A slot: one place in a text where a value goes. `cutter` finds them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Slot:
    r"""A place for a value: the written text `raw` stands if there is none.

    `kind` "variable": `name`, with an inline `default`. "argument": `name` is "" for all of them or a
    0-based index in digits; a `default` replaces one that is absent. "escape": `raw` is `\$1`, which loses
    its backslash when arguments are given. `is_in_fence`: a variable that counts only if front matter
    declares it.
    """

    kind: Literal["variable", "argument", "escape"]
    raw: str
    name: str = ""
    default: str | None = None
    is_in_fence: bool = False
