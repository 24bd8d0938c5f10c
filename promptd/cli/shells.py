"""Completion in bash, zsh and fish: the scripts, and what they and promptd say to each other.

A script hands over the command line up to the cursor (COMP_LINE); it gets one line for each candidate, a
letter for its kind and its text. Every name is a file's, so the scripts treat them as data: nothing splits,
expands or globs them. zsh and fish quote what they insert. bash does not (with `-o filenames` it leaves
back-ticks and dollars as they are), so that its candidates are quoted here.
"""

import os
import re
from typing import Any, ClassVar, NamedTuple

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

_LETTERS = {"dir": "d", "file": "f"}  # the first character of a line; all else is a word
_IN_DOUBLE_QUOTES = '$`"\\\n'  # what a backslash escapes there
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'[$`"\\]')
_SPECIAL = re.compile(r"[^\w./,:=@%+-]")  # all that could ever be special, outside quotes


class Word(NamedTuple):
    """A word of a command line: as meant, as typed, and the quote that is still open at its end."""

    meant: str
    typed: str
    quote: str


# Bash replaces $2, which begins anew after a quote, a colon or an equals sign.
_BASH = """\
%(complete_func)s() {
    local IFS=$' \\t\\n' line text="${COMP_LINE:0:COMP_POINT}" current=${2-${COMP_WORDS[COMP_CWORD]}}
    [[ -n $text ]] || text="${COMP_WORDS[*]:0:COMP_CWORD+1}"
    COMPREPLY=()
    while IFS= read -r line; do
        case ${line:0:1} in
            d) compopt -o dirnames ;;
            f) compopt -o default ;;
            *) COMPREPLY+=("${line:1}") ;;
        esac
    done < <(COMP_LINE=$text COMP_CURRENT=$current %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local line text="${(j: :)words[1,CURRENT-1]} ${QIPREFIX}${PREFIX}"
    local -a described plain
    while IFS= read -r line; do
        case ${line[1]} in
            d) _path_files -/ ;;
            f) _path_files -f ;;
            h) described+=("${line[2,-1]}") ;;
            *) plain+=("${line[2,-1]}") ;;
        esac
    done < <(COMP_LINE=$text %(complete_var)s=zsh_complete ${(Q)words[1]} 2>/dev/null)
    (( $#described )) && _describe -V unsorted described
    (( $#plain )) && compadd -V unsorted -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -lx COMP_LINE (commandline -cp | string collect)
    set -lx %(complete_var)s fish_complete
    for line in (%(prog_name)s 2>/dev/null)
        switch (string sub -l 1 -- $line)
            case d
                __fish_complete_directories (commandline -ct)
            case f
                __fish_complete_path (commandline -ct)
            case '*'
                string sub -s 2 -- $line
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _ShellLine(ShellComplete):
    """What the three have in common: the words of a line, and a letter before each candidate."""

    escapes_in_single_quotes: ClassVar[str] = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words between the program and the cursor, and the one at the cursor as far as it is typed."""
        words = split(os.environ["COMP_LINE"], self.escapes_in_single_quotes)
        program = next((at for at, word in enumerate(words) if word.meant.endswith(self.prog_name)), 0)
        return [word.meant for word in words[program + 1 : -1]], words[-1].meant

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """`pcommands/a.md`: a word, `d`: directories, `f`: files."""
        return f"{_LETTERS.get(item.type, 'p')}{item.value}"


@add_completion_class
class Bash(_ShellLine, BashComplete):
    """Bash replaces only what follows the last word break: candidates begin there too, in the same quotes."""

    source_template = _BASH

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """The rest of the value behind what bash keeps, quoted."""
        typed = split(os.environ["COMP_LINE"])[-1].typed
        replaced = os.environ.get("COMP_CURRENT", "")
        kept = split(typed.removesuffix(replaced))[-1] if typed.endswith(replaced) else Word("", "", "")
        rest = item.value.removeprefix(kept.meant)
        return super().format_completion(CompletionItem(quoted(rest, kept.quote), item.type))


@add_completion_class
class Zsh(_ShellLine, ZshComplete):
    """Zsh shows help texts; the colon between a value and its help is the only one that is not escaped."""

    source_template = _ZSH

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """`hassemble:Assemble a prompt …`."""
        if item.type != "plain" or not item.help:
            return super().format_completion(item)
        return f"h{item.value.replace(':', chr(92) + ':')}:{' '.join(item.help.split())}"


@add_completion_class
class Fish(_ShellLine, FishComplete):
    """Fish shows help texts after a tab."""

    source_template = _FISH
    escapes_in_single_quotes = "'\\"

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """`passemble<TAB>Assemble a prompt …`."""
        said = super().format_completion(item)
        return f"{said}\t{' '.join(item.help.split())}" if item.help else said


def split(line: str, escapes_in_single_quotes: str = "") -> list[Word]:
    """The words of a command line; the last may be unfinished, or empty.

    Expansions are not done: `$HOME` stays as it is written.
    """
    words: list[Word] = []
    meant, start, quote, at = "", 0, "", 0
    while at < len(line):
        char, following = line[at], line[at + 1 : at + 2]
        escapable = {"": following, '"': _IN_DOUBLE_QUOTES, "'": escapes_in_single_quotes}[quote]
        if char == "\\" and following in escapable:
            meant += following
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif not quote and char in " \t\n":
            words += [Word(meant, line[start:at], "")] if at > start else []
            meant, start = "", at + 1
        else:
            meant += char
        at += 1
    return [*words, Word(meant, line[start:], quote)]


def quoted(text: str, quote: str = "") -> str:
    """The text as bash reads it back, outside quotes or inside those that are open."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == '"':
        return _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text).replace("!", '"\\!"')
    return _SPECIAL.sub(r"\\\g<0>", text)
