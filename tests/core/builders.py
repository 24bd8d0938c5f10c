"""A library in memory: texts go in, prompts come out, with no disk, clock or tokenizer in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from hypothesis import settings

from promptd.core.assembly.assemble import expand
from promptd.core.assembly.fill import fill
from promptd.core.assembly.prompt import entries, warnings
from promptd.core.assembly.skeleton import Rules
from promptd.core.library.library import Library
from promptd.core.library.plan import Plan, plan
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Directive, FileSignature, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.errors import ComponentError
from promptd.protocol.records import ManifestEntry, PromptWarning
from tests.suite.examples import examples

SUFFIXES = (".md", ".markdown", ".mdc", ".txt", ".prompt")
DIALECTS = ("include", "component", "front-matter", "at-import")
LAW = settings(deadline=None, max_examples=examples(200))  # how fast is not what a law is about


def directives(text: str, *dialects: str) -> list[Directive]:
    """The directives of a text, by all dialects or those named."""
    return list(parse(text, dialects or DIALECTS).directives)


def targets(text: str, *dialects: str) -> list[str]:
    """The targets of the directives of a text, tentative ones left out."""
    return [found.target for found in directives(text, *dialects) if not found.is_tentative]


@dataclass(frozen=True)
class Assembled:
    """A prompt with its account, as the wire shows them."""

    text: str
    manifest: tuple[ManifestEntry, ...]
    warnings: tuple[PromptWarning, ...]

    def piece(self, id: str) -> str:
        """The text of the first manifest entry of this id."""
        start, end = next(entry.span for entry in self.manifest if entry.id == id)
        return self.text[start:end]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """(id, reason) of every entry."""
        return [(entry.id, entry.reason) for entry in self.manifest]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the warnings."""
        return [warning.kind for warning in self.warnings]


class MemoryLibrary:
    """Files of one root by id; a file given as an error is one that cannot be used."""

    def __init__(
        self,
        files: Mapping[str, str | ComponentError],
        *,
        dialects: Sequence[str] = DIALECTS,
        aliases: Mapping[str, str] | None = None,
        ignore: Sequence[str] = (),
    ) -> None:
        self.texts = {id: text for id, text in files.items() if isinstance(text, str)}
        self.dialects = dialects
        self.library = Library(NamingRules(SUFFIXES, aliases, ignore))
        self.library.apply(self.reading(id, text) for id, text in files.items())

    def reading(self, id: str, text: str | ComponentError) -> Reading:
        """One look at a file."""
        place, signature = Place(0, id), FileSignature(1, 1, 1, 1, 1)
        if isinstance(text, ComponentError):
            return Reading(place, signature, 0, "", None, None, text)
        digest = sha256(text.encode(errors="replace")).hexdigest()
        return Reading(place, signature, 0, digest, text, parse(text, self.dialects))

    def plan(self, *names: str) -> Plan:
        """The plan for these names."""
        return plan(self.library, names)

    def assemble(
        self,
        *names: str,
        rules: Rules | None = None,
        variables: Mapping[str, str] | None = None,
        arguments: str | None = None,
    ) -> Assembled:
        """The prompt of these names. Raises the refusal of its plan."""
        found = self.plan(*names)
        if found.refusal is not None:
            raise found.refusal
        rules = rules or Rules()
        texts = {member.id: self.texts.get(member.id, "") for member in found.members}
        skeleton = expand(found, texts, rules)
        filled = fill(skeleton, variables or {}, arguments, rules)
        manifest = entries(skeleton, filled, lambda start, end: end - start)
        return Assembled(filled.text, manifest, warnings(*skeleton.notes, *filled.notes))


def text_of(files: Mapping[str, str], name: str = "a.md", rules: Rules | None = None) -> str:
    """The text of one prompt of these files."""
    return MemoryLibrary(files).assemble(name, rules=rules).text
