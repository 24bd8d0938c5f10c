"""reruns.py: a test that passed at the second attempt is named, with the reason for the first."""

from pathlib import Path

import pytest

from tests.suite.reruns import TITLE
from tests.suite.session import session

FLAKY = """
from pathlib import Path

def test_second_time_lucky(tmp_path_factory):
    mark = Path(__file__).with_name("mark")
    if not mark.exists():
        mark.touch()
        raise AssertionError("the first time it was dark")

def test_first_time():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_rerun_is_named_with_its_first_failure(tmp_path: Path, workers: str) -> None:
    """At the end, in a section of its own, by its id and the line it failed at; also from workers."""
    said = session(tmp_path, FLAKY, "-q", "-n", workers, "--reruns", "2", plugins=("reruns",))
    assert "2 passed, 1 rerun" in said, said
    section = said.partition(TITLE)[2]
    assert "test_module.py::test_second_time_lucky (call)" in section
    assert "test_module.py:8: AssertionError: the first time it was dark" in section
    assert "test_first_time" not in section
