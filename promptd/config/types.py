"""The types that keys of the configuration have besides numbers and text, and how a key is described.

A number with a unit is a plain number whose type names the unit; "25ms" and "150MB" are read by units.py.
No key is named here: those are in schema.py.
"""

from typing import Annotated, Any

from msgspec import Meta


class FileMode(int):
    """Permission bits, written in TOML as octal text ("0600") because decimal 600 is a common mistake."""

    def __str__(self) -> str:
        return f"{int(self):04o}"

    __repr__ = __str__

    @classmethod
    def parse(cls, text: object) -> "FileMode":
        """Read "0600"; ValueError unless it is octal text with owner read and write."""
        if not isinstance(text, str) or not text.isascii() or not text.isdigit():
            raise ValueError(text)
        mode = cls(text, 8)
        if mode > 0o777 or mode & 0o600 != 0o600:
            raise ValueError(text)
        return mode


def says(description: str, unit: str = "", **bounds: Any) -> Meta:
    """The sentence that explains a key, what its number counts unless the type says so, and its bounds."""
    return Meta(description=description, extra={"unit": unit} if unit else None, **bounds)


Seconds = Annotated[float, Meta(extra={"unit": "seconds"})]
Milliseconds = Annotated[int, Meta(extra={"unit": "milliseconds"})]
FractionalMilliseconds = Annotated[float, Meta(extra={"unit": "milliseconds"})]
Bytes = Annotated[int, Meta(extra={"unit": "bytes"})]
Text = Annotated[str, Meta(min_length=1)]
PathText = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z", extra={"expects": "a path"})]
Suffix = Annotated[str, Meta(pattern=r"\A\.[^/\x00]+\Z", extra={"expects": 'an ending such as ".md"'})]
