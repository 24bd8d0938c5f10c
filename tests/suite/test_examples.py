"""examples.py: every number of examples follows one percentage."""

from hypothesis import settings

from tests.suite.examples import examples


def test_a_number_is_so_many_percent_and_one_at_least() -> None:
    """Of the number that a test asks for; Hypothesis' own hundred is the yardstick."""
    percent = settings().max_examples
    assert examples(100) == percent
    assert examples(300) == 3 * percent
    assert examples(0) == 1


def test_no_example_is_timed() -> None:
    """A deadline would measure how busy the machine is."""
    assert settings().deadline is None
