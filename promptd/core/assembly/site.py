"""Where in the tree of a prompt a directive stands, and the sentence on what is left out there."""

from dataclasses import dataclass

from promptd.core.assembly.skeleton import Rules
from promptd.core.library.member import Component
from promptd.core.library.resolve import is_memory_file
from promptd.core.syntax.component import Directive
from promptd.protocol.records import Reason


@dataclass(frozen=True, slots=True)
class Site:
    """Where we are: the chain of `id:line` above, and how many imports are in it.

    `root` is that of the file with the last directive; `is_in_memory`: a file that is loaded by an assistant
    itself is in the chain.
    """

    chain: tuple[str, ...] = ()
    hops: int = 0
    section: str | None = None
    line: int | None = None
    root: int = 0
    is_in_memory: bool = False

    def below(self, component: Component, directive: Directive) -> "Site":
        """Where the target of a directive in a component stands."""
        return Site(
            (*self.chain, f"{component.id}:{directive.line}"),
            self.hops + directive.is_import,
            directive.section,
            directive.line,
            component.root,
            self.is_in_memory or is_memory_file(component.id),
        )


def sentence(reason: Reason, target: Component, below: Site, rules: Rules) -> str:
    """Why a target is left out at a site."""
    max_hops = rules.imports_of(below.root).max_hops
    if reason == "error":
        return f"{target.id} is left out: {target.error}"
    if reason == "no-section":
        return f"{target.id} has no section {below.section!r}"
    if reason == "cycle":
        return f"{target.id} is not put in again: this is already inside of it"
    if below.hops > max_hops:
        return f"{target.id} is left out: more than {max_hops} at-import hops"
    return f"{target.id} is left out: includes go deeper than {rules.max_depth} levels"
