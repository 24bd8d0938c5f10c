"""The README's first steps, done: what it shows is what comes out."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the README's `prompts` does not exist yet."""
    monkeypatch.chdir(tmp_path)


def _manifest(result: dict[str, Any]) -> list[str]:
    """The lines that the jq command of the README prints of a manifest."""
    shown = ("id", "tokens", "span", "chain")
    return [
        json.dumps({key: entry[key] for key in shown}, separators=(",", ":")) for entry in result["manifest"]
    ]


def test_first_steps(run: Run) -> None:
    """`init`, `assemble`, its manifest and `check` print what the README says they print."""
    assert run("init", "prompts").out.decode() in README
    prompt = run("assemble", "--library", "prompts", "commands/hello", "--var", "name=Ada",
                 "--args", "her first release")  # fmt: skip
    assert f"{prompt.out.decode()}```" in README
    assert Path("prompts/commands/hello.md").read_text() + "```" in README
    asked = ("assemble", "--library", "prompts", "commands/hello", "--var", "name=Ada", "--json")
    result = json.loads(run(*asked).out)
    assert "\n".join([str(result["tokens"]), f'"{result["encoding"]}"', *_manifest(result)]) in README
    with Path("prompts/commands/hello.md").open("a") as file:
        file.write("<include>components/closing.md</include>\n")
    code, out, _ = run("check", "prompts")
    assert code == 1
    assert out.decode() in README
