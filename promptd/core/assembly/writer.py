"""Parts are written one after another; here are the rules for line endings where one text meets another.

A text that stands in place of whole lines ends its last line; one that stands inside a line gives up its
last line ending, once. Nothing else about a text is ever changed (docs/decisions/0030).
"""

from itertools import islice

from promptd.core.syntax.slots import Slot
from promptd.errors import PromptTooLarge

MAX_PARTS = 100_000  # a prompt of 16 MB has some thousands; one of mere placeholders would have millions
QUICK_PARTS, QUICK_CHARS = 3_000, 200_000  # expanded in a few milliseconds


class Unfinished(Exception):
    """More than what is expanded quickly: to be done where nobody waits for it."""


class Writer:
    """Parts in the order they were written, at most `max_chars` characters and MAX_PARTS of them.

    With `is_quick` it raises Unfinished as soon as there are more than QUICK_PARTS or QUICK_CHARS.
    """

    def __init__(self, parts: list[str | Slot], max_chars: int, *, is_quick: bool = False) -> None:
        self.parts = parts
        self.max_chars = max_chars
        self._chars = 0
        self._is_quick = is_quick
        self._most_parts = QUICK_PARTS if is_quick else MAX_PARTS
        self._most_chars = min(QUICK_CHARS, max_chars) if is_quick else max_chars

    def __repr__(self) -> str:
        return f"<Writer of {len(self.parts)} parts, {self._chars} of {self.max_chars} characters>"

    @property
    def position(self) -> int:
        """How many parts there are."""
        return len(self.parts)

    def write(self, part: str | Slot) -> None:
        """Add a part. Raises PromptTooLarge beyond the bound."""
        if not part:
            return
        self.parts.append(part)
        self._chars += len(part if isinstance(part, str) else part.raw)
        if self._chars > self._most_chars or len(self.parts) > self._most_parts:
            raise self._excess()

    def _excess(self) -> Exception:
        if self._is_quick:
            return Unfinished()
        if self._chars > self.max_chars:
            return PromptTooLarge(
                f"the prompt expands to more than {self.max_chars} characters;"
                " raise library.max_prompt_bytes or include less",
                limit=self.max_chars,
            )
        return PromptTooLarge(
            f"the prompt expands to more than {MAX_PARTS} texts and placeholders; include less of them",
            limit=MAX_PARTS,
        )

    def end_line(self, since: int, newline: str) -> None:
        """Write `newline` if something was written since and its last line is still open."""
        index = len(self.parts) - 1
        while index >= since and not self.parts[index]:  # emptied by `reopen_line`
            index -= 1
        if index >= since and not _ends_line(self.parts[index]):
            self.write(newline)

    def blank_line(self, since: int, newline: str) -> None:
        """End the last line of what was written since, and write an empty one unless there is one."""
        self.end_line(since, newline)
        written = (part for part in islice(reversed(self.parts), len(self.parts) - since) if part)
        last, before = next(written, newline), next(written, newline)
        above = last[: -len(ending(last))] if isinstance(last, str) else last
        if not _ends_line(above or before):
            self.write(newline)

    def reopen_line(self, since: int) -> None:
        """Take one line ending off the end of what was written since."""
        if len(self.parts) > since:
            last = self.parts[-1]
            if isinstance(last, str):
                self.parts[-1] = last[: len(last) - len(ending(last))]


def _ends_line(part: str | Slot) -> bool:
    return isinstance(part, str) and part.endswith(("\n", "\r"))


def ending(text: str) -> str:
    r"""The line ending that a text ends with: `\r\n`, `\n`, `\r` or nothing."""
    if text.endswith("\r\n"):
        return "\r\n"
    return text[-1:] if text.endswith(("\n", "\r")) else ""


def newline_of(text: str) -> str:
    r"""The line ending a text uses, by its first one; `\n` if it has none."""
    at = text.find("\n")
    if at > 0 and text[at - 1] == "\r":
        return "\r\n"
    return "\n" if at >= 0 or "\r" not in text else "\r"
