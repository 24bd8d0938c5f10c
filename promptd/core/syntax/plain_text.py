"""Any value of front matter as the text that goes into a prompt, a list or a message.

As people write it, never as Python does: `true`, `a, b`, `key: value`; of what is nested, YAML's brackets.
"""

from typing import Any


def text_of(value: Any) -> str:
    """The value as text: of a list its items with commas, of a mapping its pairs, of nothing nothing."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_nested(item)}".rstrip() for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_nested, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def line_of_text(value: Any) -> str:
    """The value as text on one line."""
    return " ".join(text_of(value).split())


def _nested(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{text_of(value)}}}"
    return f"[{text_of(value)}]" if isinstance(value, list) else text_of(value)
