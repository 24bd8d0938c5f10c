"""The examples of help texts and documentation: found, and cut into commands.

Pure: texts in, examples out; test_examples.py runs them. An example of a help text is a line below
"Examples:", one of the documentation a line after `$ ` in a console block. What follows two spaces and a `#`
is a comment.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from promptd.cli import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

# Commands that are not run here, each with its reason.
NOT_RUN = {
    r"(make|\.ci/)": "a chore of the repository, which the gate runs",
    r"(pipx|pip|git clone|.*\| ssh) ": "needs a network or another machine",
    r"(systemctl|journalctl|sudo|install) ": "needs systemd or root, or writes outside the test's directory",
    r"promptd demo": "test_demo.py runs it, in a few seconds",
}

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s{2,}# .*$")
_INLINE = re.compile(r"`(promptd [a-z][^`]*)`")
_CONTINUES = ("|", "\\", "&&")


class Examples(NamedTuple):
    """Commands that belong together, in order, and where they are written."""

    place: str
    commands: tuple[str, ...]


def reason_not_to_run(command: str) -> str:
    """Why a command is not run, "" if it is."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, command)), "")


def of_help() -> Iterator[Examples]:
    """The examples of every command, hidden ones and those of groups too."""
    for path, command in all_commands():
        _, _, examples = (command.epilog or "").partition("Examples:\n")
        lines = examples.partition("\n\n")[0].splitlines()
        yield Examples(path or "promptd", tuple(_COMMENT.sub("", line).strip() for line in lines))


def of_pages() -> Iterator[Examples]:
    """The console blocks of the README and of docs/ that hold a command."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in _BLOCK.finditer(text):
            commands = tuple(_commands(block[1].splitlines()))
            line = text.count("\n", 0, block.start()) + 1
            if commands:
                yield Examples(f"{page.relative_to(ROOT)}:{line}", commands)


def _commands(lines: list[str]) -> Iterator[str]:
    """`$ a |`, `    b` → `a | b`; output and lines of root's prompt are left out."""
    rest = iter(lines)
    for line in rest:
        if not line.startswith("$ "):
            continue
        command = _COMMENT.sub("", line[2:]).strip()
        while command.endswith(_CONTINUES):
            command = f"{command.removesuffix(chr(92))} {next(rest).strip()}"
        yield command


def inline_of_pages() -> Iterator[tuple[str, str]]:
    """Each `promptd …` in running text, and the page it is on; a name ends at what no option looks like."""
    for page in PAGES:
        for span in _INLINE.finditer(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), span[1]


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, `config show`; the root is ""."""
    todo: list[tuple[str, click.Command]] = [("", app.cli)]
    while todo:
        path, command = todo.pop(0)
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = [*command.list_commands(context), *(app.HIDDEN if command is app.cli else ())]
            found = [(name, command.get_command(context, name)) for name in names]
            todo += [(f"{path} {name}".strip(), each) for name, each in found if each]
