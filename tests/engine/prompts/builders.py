"""Prompts built of a library in memory, with the real tokenizer and without a disk or a daemon."""

from collections.abc import Mapping
from typing import Any

from promptd.config import load
from promptd.core.assembly.assemble import expand
from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.skeleton import Rules
from promptd.core.tokens.segments import Segments
from promptd.engine.attempt import Attempt
from promptd.engine.prompts.builder import make
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.shared import (
    CompiledPrompt,
    OptimiserState,
    Texts,
    Words,
    Work,
)
from promptd.engine.tokenizer import Tokenizer, shared
from promptd.protocol.request import Options, request_of
from tests.core.builders import MemoryLibrary


def tokenizer(encoding: str = "o200k_base") -> Tokenizer:
    """One for all tests: loading takes a third of a second."""
    return shared(encoding)


class PromptBuilder:
    """One library and one optimiser; keeps compiled prompts as the workspace does."""

    def __init__(self, files: Mapping[str, str], encoding: str = "o200k_base", **tokens: Any) -> None:
        self.files = files
        self.library = MemoryLibrary(files)
        self.rules = Rules()
        self.tokenizer = tokenizer(encoding)
        segments = Segments(self.tokenizer.count_many, is_additive=self.tokenizer.is_additive)
        config = load(None, {}, {f"tokens.{key}": value for key, value in tokens.items()})
        self.optimiser = OptimiserState(config, segments, encoding, self.rules)
        self.optimiser.is_imported = True
        self.compiled: dict[tuple[str, ...], CompiledPrompt] = {}
        self.computed = 0

    def compile(self, names: tuple[str, ...]) -> CompiledPrompt:
        """The compiled prompt of these names, made once."""
        if names not in self.compiled:
            found = self.library.plan(*names)
            assert found.refusal is None
            skeleton = expand(found, self.library.texts, self.rules, self.optimiser.segments.count)
            facts = Evidence((), frozenset())
            self.compiled[names] = CompiledPrompt(skeleton, facts, names[0], {}, found.members)
        return self.compiled[names]

    def build(
        self,
        *names: str,
        variables: Mapping[str, str] | None = None,
        arguments: str | None = None,
        **options: Any,
    ) -> Prompt:
        """Make a prompt, doing whatever is to be done first."""
        asked = names or ("a.md",)
        attempt = Attempt(request_of(asked, variables, arguments, Options(**options)))
        while True:
            step = make(self.optimiser, attempt, self.compile(asked))
            match step:
                case CachedPrompt(prompt):
                    return prompt
                case Work(run, keep):
                    self.computed += 1
                    keep(run())
                case Texts(members):
                    attempt.texts = {each.digest: self.files[each.id] for each in members}
                case Words():
                    self.optimiser.lexicon.begin(self.files)
                    for id in self.optimiser.lexicon.unknown():
                        self.optimiser.lexicon.learn(id, self.files[id])

    def tokens(self, text: str) -> int:
        """The text encoded whole."""
        return len(self.tokenizer.load().encode_ordinary(text))
