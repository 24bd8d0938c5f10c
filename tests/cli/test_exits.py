"""Which exit code each error of the tree becomes."""

import re
from pathlib import Path

import pytest

from promptd import errors
from promptd.cli.exits import Exit, exit_code


@pytest.mark.parametrize("leaf", [leaf for leaf in errors.leaves() if leaf is not errors.Internal])
def test_each_leaf_says_whose_turn_it_is(leaf: type[errors.PromptdError]) -> None:
    """No foreseen error is reported as a defect of promptd."""
    assert exit_code(leaf("message")) is not Exit.SOFTWARE


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        (errors.Internal, 70),
        (errors.ConfigError, 78),
        (errors.AlreadyRunning, 75),
        (errors.Busy, 75),
        (errors.Unavailable, 69),
        (errors.UnknownComponent, 65),
        (errors.CycleError, 65),
        (errors.MissingVariable, 64),
        (errors.UnsupportedOption, 64),
    ],
)
def test_codes_follow_sysexits(leaf: type[errors.PromptdError], code: int) -> None:
    """The codes that scripts rely on are the ones the documentation names."""
    assert exit_code(leaf("message")) == code


def test_the_documentation_lists_every_code() -> None:
    """docs/cli.md holds each code that a command can end with, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == set(Exit)
