"""Generated libraries: the same bytes on every machine, in the shape of real ones.

Prompts of Markdown, lines of 40 to 90 characters, includes that stand alone on a line. A library of n files
is layered: commands include sections, sections include rules; about 3.5 includes a file that has any, as in
the libraries of docs/performance.md. Nothing is measured here.
"""

import os
import random
from dataclasses import dataclass

_WORDS = (
    "agent answer ask build call cause change check claim code commit compare component context count"
    " decide describe design error evidence example explain fail field file find first follow format goal"
    " include input instruction keep language limit line list load measure message method model must name"
    " never note number only option order output part path plan prompt query quote range read reason record"
    " report request result review rule sample scope section sentence session source state step strategy"
    " summary table task test text token tool trace type unit update user value variable verify version warn"
    " word work write the a of and to in is with for each before after every without until when"
)
WORDS = _WORDS.split()
COMPONENTS = 12  # of the prompt that is served


@dataclass(frozen=True, slots=True)
class Served:
    """A library with one prompt of COMPONENTS components: its directory, and what to ask for."""

    directory: str
    name: str = "commands/main.md"
    variables: tuple[str, ...] = ("project", "task")


def prose(random_source: random.Random, size_bytes: int) -> str:
    """Markdown of about a size, which ends with a newline."""
    lines: list[str] = []
    written = 0
    while written < size_bytes:
        words = " ".join(random_source.choices(WORDS, k=random_source.randint(7, 14)))
        start = random_source.choice(("- ", "", "", "1. ", "## "))
        lines.append(f"{start}{words.capitalize()}.")
        written += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"


def write(path: str, text: str) -> None:
    """Write a file, with the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def served(directory: str, size_bytes: int) -> Served:
    """A prompt of COMPONENTS components and about `size_bytes`, with two variables in three places."""
    source = random.Random(size_bytes)
    each = size_bytes // COMPONENTS
    parts = [f"parts/part{number:02}.md" for number in range(COMPONENTS - 1)]
    for part in parts:
        write(f"{directory}/{part}", prose(source, each))
    includes = "\n".join(f"<include>{part}</include>" for part in parts)
    head = "# {project}\n\nThe task of {project} is: {task}\n\n"
    library = Served(directory)
    write(f"{directory}/{library.name}", f"{head}{includes}\n\n{prose(source, each - len(head))}")
    return library


def layered(directory: str, files: int, mean_bytes: int) -> list[str]:
    """A library of `files` files: a third each commands, sections and rules. Returns their ids."""
    source = random.Random(files)
    ids = [f"{kind}/{at % 40:02}/{kind}{at:06}.md" for at in range(files // 3 + 1) for kind in _KINDS]
    ids = ids[:files]
    for at, id in enumerate(ids):
        below = [ids[source.randrange(2, len(ids), 3)], ids[source.randrange(1, len(ids), 3)]]
        write(f"{directory}/{id}", _file(source, id, below[: 2 - at % 3], mean_bytes))
    return ids


_KINDS = ("commands", "sections", "rules")


def _file(source: random.Random, id: str, includes: list[str], mean_bytes: int) -> str:
    """Front matter, prose with the includes in it; commands take a variable."""
    size = max(200, int(source.gauss(mean_bytes, mean_bytes / 4)))
    body = prose(source, size // 2)
    lines = "".join(f"<include>{target}</include>\n" for target in includes)
    takes = "Work on {project}.\n" if id.startswith("commands") else ""
    return f"---\ndescription: {id}\n---\n{takes}{body}{lines}{prose(source, size // 2)}"
