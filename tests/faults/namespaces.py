"""Plays a scenario of inside.py in namespaces of its own, or says why that is not possible here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 50


def environment() -> dict[str, str]:
    """So that the child finds this very promptd and these tests."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def play(scenario: str, place: Path, flags: str = "-Urm") -> dict[str, Any]:
    """What happened in a scenario. Skips where user or mount namespaces are not to be had."""
    unshare = ["unshare", flags]
    try:
        tried = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if tried.returncode:
        pytest.skip(f"namespaces cannot be made here: {tried.stderr.decode().strip()}")
    done = subprocess.run(
        [*unshare, sys.executable, "-m", "tests.faults.inside", scenario, str(place)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome
