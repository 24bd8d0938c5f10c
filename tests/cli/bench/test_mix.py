"""The request mix: what may be requested, and the same requests from the same seed."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

from promptd.cli.bench.candidates import prepare
from promptd.cli.bench.mix import Mix, MixRequest
from promptd.engine.embedded import Engine

PROMPTS = ("commands/**",)


def _library(root: Path, files: dict[str, str]) -> Engine:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Engine.open(root)


def test_required_variables_get_values_and_invalid_prompts_are_named(tmp_path: Path) -> None:
    """A required variable gets a value; a cycle is invalid and named."""
    needs = "---\nvariables:\n  who:\n    required: true\n---\nHello {who}\n"
    files = {"commands/a.md": needs, "commands/b.md": "<include>commands/b.md</include>\n", "x.md": "x\n"}
    with _library(tmp_path, files) as engine:
        found = prepare(engine, PROMPTS, seed=1)
    assert MixRequest("commands/a.md", {"who": "a value"}) in found.asks
    assert set(found.components) == {"commands/a.md", "commands/b.md", "x.md"}
    names = {ask.name for ask in found.asks}
    assert names | set(found.invalid) == {"commands/a.md", "commands/b.md"}


def test_without_commands_the_tops_of_the_graph_are_the_prompts(tmp_path: Path) -> None:
    """In a library that has no prompt by its globs, components without dependents are requested."""
    files = {"top.md": "<include>part.md</include>\n", "part.md": "part\n"}
    with _library(tmp_path, files) as engine:
        found = prepare(engine, PROMPTS, seed=1)
    assert [ask.name for ask in found.asks] == ["top.md"]


def test_one_seed_is_one_series_of_requests_and_popular_means_often() -> None:
    """Same seed and label, same lines; the most popular comes more often than the least."""
    asks = tuple(MixRequest(f"p{number}", {}) for number in range(20))
    found = Mix(asks, ("c0", "c1"), (), 0, seed=7)
    lines = [json.loads(line) for line in islice(found.lines(label="x"), 2000)]
    assert lines == [json.loads(line) for line in islice(found.lines(label="x"), 2000)]
    assert lines[:50] != [json.loads(line) for line in islice(found.lines(label="y"), 50)]
    names = Counter(line["params"]["name"] for line in lines)
    assert names["p0"] > 3 * names["p19"] > 0
    new = [line["params"]["arguments"] for line in lines if "arguments" in line["params"]]
    assert len(new) == len(set(new)) > 500
