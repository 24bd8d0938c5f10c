"""Fences: which line closes one, and where an unclosed one ends."""

import pytest

from promptd.core.syntax.fences import Fences


def end_of(text: str) -> tuple[str, bool]:
    """What follows the fence that the text opens with its first line of ticks or tildes."""
    position = min(at for at in (text.find("```"), text.find("~~~")) if at >= 0)
    start = text.rfind("\n", 0, position) + 1
    fence = text[position:].partition("\n")[0].rstrip("abc!")
    end, is_closed = Fences(text, 0).end(start, text[start:position], fence)
    return text[end:], is_closed


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("```\nx\n```\ny", "\ny"),
        ("```\nx\n````\ny", "\ny"),
        ("````\nx\n```\n````\ny", "\ny"),
        ("```\nx\n~~~\n```\ny", "\ny"),
        ("~~~\n```\n~~~\ny", "\ny"),
        ("```\nx\n``` a\n```\ny", "\ny"),
        ("```\nx\n   ```  \ny", "\ny"),
        ("```\nx\n    ```\n```\ny", "\ny"),
        ("```\nx\n> ```\n```\ny", "\ny"),
        ("```\n```\ny", "\ny"),
    ],
)
def test_a_closer_is_as_long_of_the_same_character_and_not_indented(text: str, rest: str) -> None:
    """Shorter ones, others, ones with text, quoted ones and ones four columns in are content."""
    assert end_of(text) == (rest, True)


def test_a_fence_in_an_item_may_be_closed_further_out() -> None:
    """Authors are sloppy with the indentation of what stands in a list item."""
    assert end_of("1. a\n   ```\nx\n```\ny") == ("\ny", True)


def test_a_fence_deep_in_is_closed_by_its_own_and_not_by_one_deeper() -> None:
    """XML-shaped prompts indent fences; the example inside of one may hold a deeper one."""
    assert end_of("      ```\n              ```\n      ```\ny") == ("\ny", True)
    assert end_of(f"{' ' * 40}```\n{' ' * 60}```\ny") == ("\ny", True)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("```\nx\n\ny", ""),
        ("> ```\n> x\n\ny\n```\nz\n```", "\ny\n```\nz\n```"),
        ("> ```\n> x\ny", "y"),
        ("- ```\n  x\n\ny", "y"),
        ("- ```\n  x\n- y", "- y"),
        ("- a\n  ```\n  x\n\n- y", "- y"),
        ("- a\n\n    ```\n   x\n\n  y\nz", "z"),
        ("- a\n  b\n\n    ```\n  x\ny", "y"),
        ("- a\n   - b\n     ```\n     x\n   - y", "   - y"),
        ("a\n  ```\n  x\n\ny", ""),
        ("```", ""),
    ],
)
def test_an_unclosed_fence_ends_with_what_it_stands_in(text: str, rest: str) -> None:
    """With the quote or the list item, as CommonMark has it; at the top level with the file."""
    assert end_of(text) == (rest, False)


def test_two_fences_in_one_quote_end_on_their_own() -> None:
    """What is known of the quote's end serves the second one too."""
    text = "> ```\n> x\n> ```\n> y\n> ~~~\n> z\n\nafter"
    fences = Fences(text, 0)
    assert text[: fences.end(0, "> ", "```")[0]].endswith("x\n> ```")
    assert fences.end(text.index("> ~~~"), "> ", "~~~") == (text.index("\nafter"), False)
