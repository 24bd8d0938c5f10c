"""A kitchen: prompts made of a library in memory, with the real tokenizer and without a disk or a daemon."""

from collections.abc import Mapping
from typing import Any

from promptd.config import load
from promptd.engine.assemble import expand
from promptd.engine.request import Facts, Options, Prompt, request_of
from promptd.engine.skeleton import Rules
from promptd.engine.tokens.segments import Segments
from promptd.freshness import Attempt
from promptd.making.fitter import Fitter, Outline, Words, Work
from promptd.making.maker import make
from promptd.tokenizer import Tokenizer, shared
from tests.engine.shelf import Shelf


def tokenizer(encoding: str = "o200k_base") -> Tokenizer:
    """One for all tests: loading takes a third of a second."""
    return shared(encoding)


class Kitchen:
    """One library and one fitter; keeps outlines as the keeper does."""

    def __init__(self, files: Mapping[str, str], encoding: str = "o200k_base", **tokens: Any) -> None:
        self.files = files
        self.shelf = Shelf(files)
        self.rules = Rules()
        self.tokenizer = tokenizer(encoding)
        segments = Segments(self.tokenizer.count_many, is_additive=self.tokenizer.is_additive)
        config = load(None, {}, {f"tokens.{key}": value for key, value in tokens.items()})
        self.fitter = Fitter(config, segments, encoding, self.rules)
        self.outlines: dict[tuple[str, ...], Outline] = {}
        self.computed = 0

    def outline(self, names: tuple[str, ...]) -> Outline:
        """The outline of a prompt, made once."""
        if names not in self.outlines:
            found = self.shelf.plan(*names)
            assert found.refusal is None
            skeleton = expand(found, self.shelf.texts, self.rules, self.fitter.segments.count)
            facts = Facts((), (), (), frozenset())
            self.outlines[names] = Outline(skeleton, facts, names[0], {}, found.members)
        return self.outlines[names]

    def cook(
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
            step = make(self.fitter, attempt, self.outline(asked))
            match step:
                case Prompt():
                    return step
                case Work(run, keep):
                    self.computed += 1
                    keep(run())
                case Words():
                    self.fitter.lexicon.begin(self.files)
                    for id in self.fitter.lexicon.unknown():
                        self.fitter.lexicon.learn(id, self.files[id])

    def tokens(self, text: str) -> int:
        """The text encoded whole."""
        return len(self.tokenizer.load().encode_ordinary(text))
