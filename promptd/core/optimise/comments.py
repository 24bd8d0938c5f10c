"""HTML comments, which no reader sees."""

import re

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def without_comments(text: str) -> str:
    """The text with a blank for each comment. Linear: an opening behind the last closing mark is none."""
    end = text.rfind("-->") + len("-->")
    if end < len("-->") or "<!--" not in text:
        return text
    return COMMENT.sub(" ", text[:end]) + text[end:]
