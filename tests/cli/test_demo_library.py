"""The library that ships in the package: clean, complete, and showing what it is meant to show."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run

LIBRARY = Path(str(files("promptd.cli.demo") / "library"))
PROMPTS = sorted(
    str(path.relative_to(LIBRARY)) for name in ("commands", "agents") for path in LIBRARY.glob(f"{name}/*")
)


def _assemble(run: Run, name: str, *options: str) -> dict[str, Any]:
    code, out, err = run("assemble", "--library", LIBRARY, name, "--json", *options)
    assert code == 0, err
    reply: dict[str, Any] = msgspec.json.decode(out)
    return reply


def test_there_are_no_problems(run: Run) -> None:
    """`check` finds no dangling include, no cycle, no error, no warning and nothing unused."""
    code, out, err = run("check", LIBRARY)
    assert (code, err) == (0, "")
    assert "0 dangling includes, 0 cycles, 0 invalid components, 0 warnings, 0 unused" in out.decode()


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_assembles_without_a_warning(name: str, run: Run) -> None:
    """With the one required variable given, no prompt has anything left over or left out."""
    is_declared = "project_name:" in (LIBRARY / name).read_text(encoding="utf-8")
    values = ("--var", "project_name=Harbour") if is_declared else ()
    reply = _assemble(run, name, "--args", "one two", *values)
    assert reply["warnings"] == []
    assert "{project_name}" not in reply["text"]
    assert reply["tokens"] > 100


def test_a_required_variable_is_required(run: Run) -> None:
    """Without it the error names the variable and where it is declared."""
    code, out, err = run("assemble", "--library", LIBRARY, "commands/review-change")
    assert (code, out) == (64, b"")
    assert "project_name" in err
    assert "commands/review-change.md" in err


def test_examples_in_code_fences_stay_literal(run: Run) -> None:
    """The directives that the library shows as examples are not expanded."""
    text = _assemble(run, "commands/extend-library")["text"]
    assert (
        "<include>components/reporting/findings.md</include>\n{{component: components/review/severity.md}}"
        in text
    )


def test_a_section_a_reference_and_an_optional_include(run: Run) -> None:
    """One section of a file, one line in place of a runbook, and silence about what is not there."""
    reply = _assemble(run, "commands/triage-incident", "--var", "project_name=Harbour", "--args", "slow")
    reasons = {entry["id"]: entry["reason"] for entry in reply["manifest"]}
    assert reasons["components/incident/rollback-runbook.md"] == "referenced"
    assert "## After it" not in reply["text"], "only the section #levels was asked for"
    assert "Unfreeze" not in reply["text"], "the runbook is referred to, not included"
    review = _assemble(run, "commands/review-change", "--var", "project_name=Harbour")
    assert "review-habits" not in review["text"]
