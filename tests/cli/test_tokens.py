"""`tokens` and `budget`: what they print, and the exit code that a pipeline in CI hangs on."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FakeDaemon, Run
from tests.conftest import Library

LONG = "".join(
    f"Step {number} reads file {number} and tells apart what is in it.\n\n" for number in range(60)
)
FILES = {
    "commands/a.md": "# A\n\n<include>parts/b.md</include>\n",
    "commands/greet.md": "---\nvariables: {name: {required: true}}\n---\nHello {name}.\n",
    "parts/b.md": f"---\ndescription: The steps\npriority: 0.2\n---\n{LONG}",
}


@pytest.fixture
def root(library: Library) -> Path:
    """Write a library with one long component."""
    return library(FILES)


def test_tokens_prints_a_number(root: Path, run: Run) -> None:
    """Nothing but the number, so that a script can compare it."""
    code, out, _ = run("tokens", "--library", root, "commands/a")
    result = json.loads(run("assemble", "--library", root, "commands/a", "--json").out)
    assert (code, int(out)) == (0, result["tokens"])


def test_the_tree_shows_own_and_all(root: Path, run: Run) -> None:
    """Each include with what it has itself, with all below it, and its share."""
    lines = run("tokens", "--library", root, "commands/a", "--tree").out.decode().splitlines()
    assert lines[0].endswith("tokens (o200k_base)")
    assert "commands/a.md  own 3  all " in lines[1]
    assert lines[1].endswith("100.0%")
    assert "parts/b.md" in lines[2]


def test_check_is_a_gate(root: Path, run: Run) -> None:
    """Exit code 1 and a line for each prompt over the budget, else 0. Variables may be missing."""
    code, out, _ = run("tokens", "--library", root, "commands/*", "--check", "--budget", "100")
    assert code == 1
    assert out.decode().startswith("commands/a.md: ")
    assert "2 prompts, 1 over 100 tokens" in out.decode()
    code, out, _ = run("tokens", "--library", root, "commands/*", "--check", "--budget", "10000", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens",),
        ("tokens", "--check"),
        ("tokens", "a", "--budget", "5"),
        ("budget", "a"),
        ("budget", "a", "--budget", "0"),
        ("budget", "a", "--budget", "-5"),
    ],
)
def test_what_is_missing_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    """Nobody is asked before the command line is right."""
    assert run(*arguments).code == 64


def test_budget_is_a_table(root: Path, run: Run) -> None:
    """Component, priority, variant, tokens, quality and why; below it the sum and what was kept."""
    out = run("budget", "--library", root, "commands/a", "--budget", "100").out.decode()
    head, first, second, *rest = out.splitlines()
    assert head.split() == ["component", "priority", "variant", "tokens", "of", "quality", "why"]
    assert first.split()[:3] == ["commands/a.md", "0.5", "as"]
    assert second.split()[:3] == ["parts/b.md", "0.2", "reference"]
    assert "budget 100" in "\n".join(rest)
    assert rest[-1].startswith("kept: literals ")


def test_an_impossible_budget_says_what_would_do(root: Path, run: Run) -> None:
    """The message has the smallest budget, the exit code says that the library has no answer."""
    code, out, err = run("budget", "--library", root, "commands/a", "--budget", "1")
    assert (code, out) == (65, b"")
    smallest = int(err.split("the smallest budget that fits is ")[1].split(",")[0])
    assert run("budget", "--library", root, "commands/a", "--budget", smallest).code == 0


def test_what_was_removed_can_be_had_back(root: Path, run: Run) -> None:
    """`get --span` prints the stretch of the file that a manifest names."""
    result = json.loads(run("assemble", "--library", root, "commands/a", "--budget", "100", "--json").out)
    (entry,) = [entry for entry in result["manifest"] if entry["id"] == "parts/b.md"]
    (unit,) = entry["removed"]
    code, out, _ = run("get", "--library", root, entry["id"], "--span", *unit["span"])
    assert (code, out.decode()) == (0, LONG)
    assert run("get", "--library", root, "parts/b", "--span", "5", "999999").code == 64


def test_what_a_model_would_count_stands_beside_the_raw_count(root: Path, run: Run, tmp_path: Path) -> None:
    """With its factor and the encoding's name. Stdout stays one number; without a model nothing is said."""
    file = tmp_path / "p.toml"
    file.write_text('[tokens.models."m-1"]\ninput = 3.0\ncalibration = 1.5\n')
    where = ("--config", file, "--library", root, "commands/a")
    code, out, said = run("tokens", *where, "--model", "m-1")
    raw = int(out)
    assert (code, said) == (
        0,
        f"about {round(raw * 1.5):,} tokens of m-1 = {raw:,} (o200k_base) x 1.5\n",
    )
    assert run("tokens", *where).err == ""
    table = run("budget", *where, "--budget", "9000", "--model", "m-1").out.decode()
    assert table.endswith(said)


def test_formats_are_printed_as_json(root: Path, run: Run) -> None:
    """The blocks put together are the prompt."""
    text = run("assemble", "--library", root, "commands/a").out.decode()
    blocks = json.loads(run("assemble", "--library", root, "commands/a", "--format", "anthropic").out)
    assert "".join(block["text"] for block in blocks) == text
    messages = json.loads(run("assemble", "--library", root, "commands/a", "--format", "openai").out)
    assert messages == [{"role": "system", "content": text}]


def test_options_are_passed_on(daemon: FakeDaemon, run: Run) -> None:
    """What was not given is not sent."""
    daemon.answers["assemble"] = {"text": "", "warnings": []}
    run("assemble", "a", "--budget", "9", "--reserve", "2", "--model", "m", "--stable-first")
    run("assemble", "a", "--no-stable-first", "--format", "openai")
    assert [params for _, params in daemon.requests] == [
        {"name": "a", "budget": 9, "reserve": 2, "model": "m", "stable_first": True},
        {"name": "a", "stable_first": False, "format": "openai"},
    ]
