"""The frozen records a component is made of: signature, directives, front matter, one reading.

Nothing here reads, parses or decides. Paths are ids (POSIX, below a root), times are integers in
nanoseconds handed in by the source, and a file that could not be used is a Reading with an error. What
parsing gives consists of msgspec structs, so that it can be kept on disk and read back at once
(`daemon.state.index_file`); the garbage collector ignores those without containers.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from promptd.errors import ComponentError, OutsideRoot, UnreadableComponent

MAX_TARGET_CHARS = 1024  # PATH_MAX is 4096 bytes; a name a person wrote is far shorter
RACY_WINDOW_NS = 2_000_000_000  # git's racily-clean rule with FAT's resolution of 2 s as the worst case


class Signature(Protocol):
    """What a source says of one component's state: equal signatures mean unchanged, unless they are racy."""

    @property
    def size(self) -> int:
        """Bytes of the text."""

    def is_racy_at(self, read_at_ns: int) -> bool:
        """True if what was read at that time may have changed since and still have this signature."""


class FileSignature(NamedTuple):
    """The signature of a file in the working tree: what stat says of it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def unseen(cls, errno: int) -> "FileSignature":
        """Something may be there, but stat fails with this errno (permission, a loop of links)."""
        return cls(-1, errno, 0, 0, 0)

    def is_racy_at(self, read_at_ns: int) -> bool:
        """True if a later write could still leave this very signature behind.

        Each of the two times counts by itself: a time of modification far in the future hides nothing. A
        time of change in the future means that the clock was set back, and then nothing can be said.
        """
        is_touched = abs(read_at_ns - self.mtime_ns) < RACY_WINDOW_NS
        return is_touched or read_at_ns - self.ctime_ns < RACY_WINDOW_NS


class Place(NamedTuple):
    """Where a file is looked for: the index of a root and an id below it."""

    root: int
    id: str


Base = Literal["root", "file", "root-then-file", "file-then-root"]
PUNCTUATED = "import-punctuation"  # a diagnostic of imports that is of interest in memory files alone
IMPORT = "at-import"  # the dialect that names files as Claude Code does: what gives no text stays as written


class Directive(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One place in a body that pulls another component in.

    `start`/`end` are code-point offsets into the file's text (whole line when `is_alone`).
    `target` is the written path without `?`, `&` and `#section`. `is_tentative`: literal text unless
    the file exists. `is_soft`: an edge in the graph that is never expanded.
    """

    dialect: str
    target: str
    start: int
    end: int
    line: int
    section: str | None = None
    base: Base = "root"
    is_alone: bool = False
    is_optional: bool = False
    is_reference: bool = False
    is_tentative: bool = False
    is_soft: bool = False
    is_prepended: bool = False  # stands in front matter: its text goes before the body

    @property
    def is_import(self) -> bool:
        """True for `@path`: a name in a text, which stays where nothing is put in its place."""
        return self.dialect == IMPORT


class Variable(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A variable declared in front matter, or inline by `{{name|default}}`; `line` is 1-based in the file."""

    name: str
    default: str | None = None
    required: bool = False
    description: str = ""
    line: int = 1
    is_inline: bool = False


class Placeholder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A name in braces as it is written in prose, and the 1-based line on which it is written first."""

    written: str
    name: str
    line: int


class Diagnostic(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something wrong in a file that does not stop it from being used; `line` is 1-based."""

    kind: str
    message: str
    line: int


class Parsed(msgspec.Struct, frozen=True, array_like=True):
    """What parsing one file's text gives. `body_start` is where the body begins in the text.

    `key_lines` are the lines of those keys of front matter whose values are looked at later.
    """

    body_start: int = 0
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    arguments: tuple[str, ...] = ()
    directives: tuple[Directive, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    placeholders: tuple[Placeholder, ...] = ()
    key_lines: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one place: nothing (no signature), an error, or a text, with its parse once it has
    one.

    `order` says which of two reads began later, 0 was not read by this process; `seconds` is how long it
    took. `real_id` is where below a root the file really is, for a place that is a symlink itself.
    """

    place: Place
    signature: Signature | None = None
    read_at_ns: int = 0
    digest: str = ""
    text: str | None = None
    parsed: Parsed | None = None
    error: ComponentError | None = None
    order: int = 0
    seconds: float = 0.0
    real_id: str = ""

    @property
    def is_absent(self) -> bool:
        """True if nothing was found at the place."""
        return self.signature is None and self.error is None

    @property
    def is_settled(self) -> bool:
        """True if this reading holds for as long as the file keeps its signature.

        Not if it is racily clean, nor for a failure that does not follow from the file's own bytes: no
        descriptors left, or a symlink whose way leads elsewhere.
        """
        if self.signature is None or isinstance(self.error, (UnreadableComponent, OutsideRoot)):
            return False
        return not self.signature.is_racy_at(self.read_at_ns)
