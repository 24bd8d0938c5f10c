"""`progressive` in the engine: exact, the same for all values, fresh, and every reference leads back."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd import Engine
from promptd import config as configuration
from promptd.cli.app import main
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.reference import Reference, quoted
from promptd.errors import DigestMismatch
from promptd.protocol.records import Disclosure
from tests.conftest import Library
from tests.engine.prompts.builders import PromptBuilder


def prose(word: str, sentences: int = 12) -> str:
    """Paragraphs that instruct nothing."""
    return "\n\n".join(f"The {word}{n} belongs to layer{n} of the {word} house{n}." for n in range(sentences))


SECTIONS = "".join(f"## Part {n}\n\n{prose(f'word{n}x')}\n\n" for n in range(8))
FILES = {
    "a.md": "---\nvariables: {who: {required: true}, tone: {default: calm}}\n---\n# Task for {who}\n\n"
    "<include>b.md</include>\n\n<include>c.md</include>\n\nDone, {tone}.\n",
    "b.md": f"# Guide\n\nAbout the guide.\n\n{SECTIONS}## Rules\n\n- Always ask {{who}}.\n",
    "c.md": f"---\ndescription: Background\n---\n{prose('old', 30)}\n",
}


def disclosure(prompt: Prompt) -> Disclosure:
    """What the prompt puts off."""
    assert prompt.fit is not None
    assert prompt.fit.disclosure is not None
    return prompt.fit.disclosure


def test_counts_are_exact_and_made_once_for_all_values() -> None:
    """The same references whatever the values are; one piece of work for them all."""
    builder = PromptBuilder(FILES)
    first = builder.build(strategy="progressive", variables={"who": "Ada"})
    computed = builder.computed
    for who in ("Bo", "a name\nof several lines", "[reference: no]"):
        prompt = builder.build(strategy="progressive", variables={"who": who})
        assert prompt.tokens == builder.tokens(prompt.text)
        assert disclosure(prompt).references == disclosure(first).references
        assert prompt.text == first.text.replace("Ada", who)
        assert disclosure(prompt).tokens_entry == prompt.tokens
    assert builder.computed == computed
    found = disclosure(first)
    assert 0.45 <= 1 - first.tokens / first.tokens_source < 0.6
    assert found.tokens_all == first.tokens + sum(each.tokens for each in found.references)
    assert found.instructions == 1.0
    assert first.fit is not None
    assert found.literals == first.fit.quality.literals < 1.0
    assert first.warnings == ()


def test_an_undeclared_variable_that_gets_a_value_stays() -> None:
    """Supplied or not decides whether its paragraph takes a value, and so whether it stays."""
    files = {"a.md": "# A\n\n<include>b.md</include>\n", "b.md": f"{prose('x', 30)}\n\nIn {{place}}.\n"}
    builder = PromptBuilder(files)
    assert "{place}" not in builder.build(strategy="progressive").text
    assert "In Rome." in builder.build(strategy="progressive", variables={"place": "Rome"}).text


def test_the_target_is_the_configured_one() -> None:
    """`tokens.target_reduction`, and 0 references nothing."""
    for target in (0.0, 0.2, 0.7):
        builder = PromptBuilder(FILES, target_reduction=target)
        prompt = builder.build(strategy="progressive", variables={"who": "Ada"})
        assert target <= 1 - prompt.tokens / prompt.tokens_source < target + 0.15


def test_as_the_default_strategy_and_in_a_strategy_of_one_s_own() -> None:
    """`tokens.strategy` and `tokens.strategies` of the configuration know it."""
    asked = {"variables": {"who": "Ada"}}
    plain = PromptBuilder(FILES).build(strategy="progressive", **asked)
    assert PromptBuilder(FILES, strategy="progressive").build(**asked).text == plain.text
    own = PromptBuilder(FILES, strategies={"lean": ("references", "blank_lines")})
    assert disclosure(own.build(strategy="lean", **asked)).references == disclosure(plain).references


@pytest.mark.parametrize("share", [0.7, 0.5, 0.4])
def test_a_budget_references_more(share: float) -> None:
    """Down to what has to stay, a budget is met by references and nothing is dropped."""
    builder = PromptBuilder(FILES)
    asked: dict[str, Any] = {"strategy": "progressive", "variables": {"who": "Ada"}}
    budget = int(builder.build(**asked).tokens_source * share)
    prompt = builder.build(budget=budget, **asked)
    assert prompt.tokens == builder.tokens(prompt.text) <= budget
    assert disclosure(prompt).references
    assert {entry.reason for entry in prompt.manifest} <= {"included", "referenced"}
    assert prompt.fit is not None
    assert prompt.fit.allocation is not None


def test_every_reference_leads_back_until_it_changes(library: Library) -> None:
    """By id, section and digest; a changed text is another prompt, and an error to fetch."""
    root = library(FILES)
    with Engine.open(root) as engine:
        asked: dict[str, Any] = {"variables": {"who": "Ada"}, "strategy": "progressive"}
        prompt = engine.assemble("a", **asked)
        assert engine.assemble("a", **asked) is prompt
        for each in disclosure(prompt).references:
            got = json.loads(engine.call("get", _asked(each)))
            assert got["text"].endswith(FILES[each.id][slice(*each.span)])
        (section, *_) = (each for each in disclosure(prompt).references if each.section)
        file = root / section.id
        file.write_text(FILES[section.id].replace(f"# {section.title}\n", f"# {section.title}\n\nNew.\n"))
        fresh = engine.assemble("a", **asked)
        assert fresh.digest != prompt.digest
        assert section.digest[:12] not in fresh.text
        with pytest.raises(DigestMismatch):
            engine.call("get", _asked(section))
        with Engine.open(root) as cold:
            assert cold.assemble("a", **asked).text == fresh.text


def _asked(reference: Any) -> dict[str, Any]:
    asked = {"name": reference.id, "digest": reference.digest}
    return asked | ({"section": reference.section} if reference.section else {})


def test_texts_that_left_the_cache_are_read_again(library: Library) -> None:
    """With room for one text the strategy still has all it needs."""
    root = library(FILES)
    asked: dict[str, Any] = {"variables": {"who": "Ada"}}
    with Engine.open(root, cache_entries=1) as engine, Engine.open(root) as roomy:
        engine.assemble("a", **asked)
        small = engine.assemble("a", strategy="progressive", **asked)
        assert small.text == roomy.assemble("a", strategy="progressive", **asked).text


def test_several_components_and_once(library: Library) -> None:
    """A list of components, each of them at entry; what `once` leaves out is not referenced either."""
    root = library(FILES | {"d.md": "# D\n\n<include>b.md</include>\n"})
    config = configuration.load(None, {}, {"roots": [str(root)], "library.once": True})
    with Engine.open(config=config) as engine:
        prompt = engine.assemble(["a", "d"], {"who": "Ada"}, strategy="progressive")
        reasons = [(entry.id, entry.reason) for entry in prompt.manifest]
        assert ("b.md", "deduplicated") in reasons
        assert "# D\n" in prompt.text
        assert prompt.tokens == engine.workspace.tokenizer.count(prompt.text)


# -- the line ---------------------------------------------------------------------------------------

HOSTILE = ("it's.md", "a b.md", "-x.md", "a#b.md", 'q"u`o`te$(id).md', "tab\tand\x1b[31m.md", "née\u202e.md")


@pytest.mark.parametrize("id", HOSTILE)
def test_hostile_names_are_fetched_by_the_command_in_the_line(
    id: str, library: Library, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """One line, no control character, and a real shell hands the very name to the program."""
    if "\t" in id:
        id = id.replace("\t", "\n")
    root = library({id: SECTIONS})
    with Engine.open(root) as engine:
        whole = json.loads(engine.call("get", {"name": id}))
        part = json.loads(engine.call("get", {"name": id, "section": "part-1"}))
    for reference, text in (
        (Reference(id, "T\x1b\n`it`", ("a`b",), 3, digest=whole["digest"]), whole["text"]),
        (Reference(id, section="part-1", digest=part["text_digest"]), part["text"]),
        (Reference(id, span=tuple(part["span"]), digest=part["text_digest"]), part["text"]),
    ):
        assert all(character.isprintable() for character in reference.line)
        assert reference.line.startswith("[reference: ")
        program = tmp_path / "promptd"
        program.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
        program.chmod(0o755)
        said = subprocess.run(
            ["bash", "-c", reference.command],
            capture_output=True,
            check=True,
            env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
        ).stdout
        words = said.decode().split("\0")[:-1]
        capfdbinary.readouterr()
        words[1:1] = ["--library", str(root)]
        assert main(words) == 0
        assert capfdbinary.readouterr().out.decode() == text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_a_word_is_one_printable_word(word: str) -> None:
    """Whatever it holds."""
    assert all(character.isprintable() for character in quoted(word))
