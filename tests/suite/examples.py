"""How many examples Hypothesis tries: one number for the whole suite, in percent of what each test asks for.

A pytest plugin, loaded by tests/conftest.py, with one option. `--examples 100` is what the gate and `make
cover` do, `make test` does less and `make prove` more. A test that wants another number than Hypothesis'
hundred says `max_examples=examples(300)`, and so gets as many percent of it as all others.
"""

import os

import pytest
from hypothesis import settings

USUAL = 100  # of a test that names no number, by Hypothesis itself
QUICK = 25  # percent, in `make test`


def examples(full: int) -> int:
    """So many percent of `full` as this run wants, and one at least."""
    return max(1, full * settings().max_examples // USUAL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--examples`."""
    parser.addoption(
        "--examples",
        type=int,
        default=USUAL,
        metavar="PERCENT",
        help=f"Hypothesis examples, in percent of what each test asks for (default: {USUAL})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set them before any test is imported, since `@settings` takes its defaults from here."""
    # A deadline for one example measures how busy the machine is; the time limit of the test stands.
    settings.register_profile(
        "promptd",
        deadline=None,
        max_examples=max(1, config.getoption("examples")),
        derandomize=os.environ.get("CI") == "true",  # the gate says the same of the same tree
    )
    settings.load_profile("promptd")
