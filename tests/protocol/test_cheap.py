"""What importing costs: a key of the wire is cheap, and so is a client. Counted in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, resource, sys
def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
import msgspec
before_s = cpu_s()
exec(sys.argv[1])
print(json.dumps([sorted(sys.modules), cpu_s() - before_s]))
"""


def imported_by(statement: str) -> tuple[list[str], float]:
    """Return the modules that a process has after a statement, and the CPU seconds that it took."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, statement], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules, cpu_s = json.loads(done.stdout)
    return modules, cpu_s


def ours(modules: list[str]) -> list[str]:
    """Return those of them that are promptd's."""
    return [name for name in modules if name.partition(".")[0] == "promptd"]


def test_a_key_costs_four_modules() -> None:
    """`protocol.request` and its packages, and the errors; 60 ms of CPU are ten times what that takes."""
    modules, cpu_s = imported_by("import promptd.protocol.request")
    assert ours(modules) == ["promptd", "promptd.errors", "promptd.protocol", "promptd.protocol.request"]
    assert cpu_s < 0.060


@pytest.mark.parametrize(
    ("statement", "most", "absent"),
    [
        ("from promptd import Client", 13, {"asyncio", "jsonschema", "tiktoken", "networkx", "yaml"}),
        ("from promptd import AsyncClient", 13, {"tiktoken", "networkx", "yaml"}),
    ],
)
def test_a_client_knows_the_wire_and_nothing_else(statement: str, most: int, absent: set[str]) -> None:
    """Neither the engine nor the core nor the configuration, and of the protocol only what is answered."""
    modules, _ = imported_by(statement)
    kinds = {name.split(".")[1] for name in ours(modules) if "." in name}
    assert kinds == {"client", "errors", "protocol"}
    assert len(ours(modules)) <= most
    assert absent.isdisjoint(modules)
