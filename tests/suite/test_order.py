"""order.py: who shares a daemon stays together, and slow tests come first; seen in what workers are given."""

import re
from pathlib import Path

import pytest

from tests.suite.session import session

MODULE = """
import os
import pytest

@pytest.fixture(scope="module")
def shared():
    return os.getpid()

@pytest.mark.parametrize("number", range(6))
def test_shares(shared, number):
    print(f"shared by {shared}")

def test_quick():
    pass

@pytest.mark.slow
def test_slow():
    pass
"""


@pytest.mark.slow
def test_groups_and_order(tmp_path: Path) -> None:
    """All tests with the fixture of a module go to one process; the slow one is among the first two begun."""
    said = session(tmp_path, MODULE, "-v", "-rP", "-n", "2", "--dist", "loadscope", plugins=("order",))
    assert "8 passed" in said, said
    assert len({line for line in said.splitlines() if line.startswith("shared by ")}) == 1
    done = re.findall(r"PASSED (\S+)", said.partition("= PASSES =")[0])
    assert any("test_slow" in each for each in done[:2]), said
