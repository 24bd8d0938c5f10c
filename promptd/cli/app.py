"""The `promptd` command: a table of commands, and the one place where errors become exit codes.

A command is found in `COMMANDS` and its module imported only then. `main` alone turns an exception into a
message and an exit code; commands raise.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from promptd.cli import output
from promptd.cli.exits import Exit, exit_code
from promptd.cli.streams import whole_streams
from promptd.errors import PromptdError

# Section of the help page → command → "module:attribute".
COMMANDS: dict[str, dict[str, str]] = {
    "Prompts": {
        "assemble": "promptd.cli.assemble:assemble",
        "get": "promptd.cli.get:get",
        "tokens": "promptd.cli.tokens:tokens",
        "budget": "promptd.cli.budget:budget",
    },
    "Library": {
        "list": "promptd.cli.list:list_components",
        "changes": "promptd.cli.changes:changes",
        "dependencies": "promptd.cli.dependencies:dependencies",
        "dependents": "promptd.cli.dependents:dependents",
        "graph": "promptd.cli.graph:graph",
        "check": "promptd.cli.check:check",
        "bench": "promptd.cli.bench.command:bench",
        "init": "promptd.cli.init:init",
    },
    "Daemon": {
        "serve": "promptd.cli.serve:serve",
        "status": "promptd.cli.status:status",
        "top": "promptd.cli.top.command:top",
        "health": "promptd.cli.health:health",
        "report": "promptd.cli.report.command:report",
        "reload": "promptd.cli.reload:reload",
        "rescan": "promptd.cli.rescan:rescan",
        "socket": "promptd.cli.socket:socket",
    },
    "Set-up": {
        "config": "promptd.cli.config:config",
        "completion": "promptd.cli.completion:completion",
        "demo": "promptd.cli.demo.command:demo",
    },
}
HIDDEN = {"deps": "promptd.cli.dependencies:deps"}
RENAMED = {"validate": "bench", "reconcile": "rescan", "sockname": "socket"}
_PLACES = {name: place for section in COMMANDS.values() for name, place in section.items()}


class LazyGroup(click.Group):
    """A click group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the help page."""
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now, or None."""
        place = _PLACES.get(cmd_name) or HIDDEN.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under their sections."""
        width = max(map(len, _PLACES))
        for section, names in COMMANDS.items():
            found = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name.ljust(width), command.get_short_help_str(90)) for name, command in found if command]
            with formatter.section(section):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            raise _Unforeseen(error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` names. Raises UsageError naming the new or the nearest name."""
        if not ctx.resilient_parsing and args:
            _refuse_unknown(args[0], ctx)
        return super().resolve_command(ctx, args)


class _Unforeseen(Exception):
    """An OSError of a command on its way to `main`: click would take a broken pipe for its own."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _refuse_unknown(name: str, ctx: click.Context) -> None:
    if name in RENAMED:
        raise click.UsageError(f"promptd {name} was renamed: use promptd {RENAMED[name]}")
    if name not in _PLACES and name not in HIDDEN and not name.startswith("-"):
        raise click.UsageError(f"no command {name!r}.{_nearest(name)}", ctx)


def _nearest(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, _PLACES)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    import promptd

    output.emit_line(f"promptd {promptd.__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Examples:
  promptd demo                  # show a daemon at work on a built-in library
  promptd init prompts          # write a small library
  promptd serve prompts
  promptd assemble commands/hello --variable name=Ada
  promptd check prompts         # find dangling includes, cycles and invalid components

Results go to stdout, warnings and errors to stderr. Exit codes follow sysexits.h and tell you what to fix:
the command, the library or the daemon.""",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Serve prompts assembled from a library of Markdown files, cached in memory and always up to date."""
    if ctx.invoked_subcommand is None:
        output.note_lines(ctx.get_help())
        ctx.exit(Exit.USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process.

    Args:
        arguments: the command line without the program's name; None means `sys.argv`.
    """
    with whole_streams():
        try:
            if "_PROMPTD_COMPLETE" in os.environ:
                import_module("promptd.cli.shells")  # completes in place of click's own scripts
            result = cli.main(args=arguments, prog_name="promptd", standalone_mode=False)
        except (click.exceptions.Abort, KeyboardInterrupt):
            return Exit.INTERRUPTED
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else Exit.SOFTWARE
        except Exception as error:
            return _failed(error, sys.argv[1:] if arguments is None else arguments)
    return result if isinstance(result, int) else Exit.OK


def _failed(error: Exception, arguments: Sequence[str]) -> int:
    """Say why there is no result; the exit code."""
    if isinstance(error, _Unforeseen):
        return _fail_as_a_bug(error.cause)
    if isinstance(error, click.ClickException):
        return _fail_in_usage(error)
    if isinstance(error, PromptdError):
        output.fail(_with_own_line(error, arguments), *_hints(error))
        return exit_code(error)
    return _fail_as_a_bug(error)


def _with_own_line(error: PromptdError, arguments: Sequence[str]) -> str:
    """The message; a line to type is the one that was typed, with the options that it lacked."""
    line = f"; type: {error.details.get('typed')}"
    if "--" in arguments or not error.message.endswith(line):
        return error.message
    import shlex  # here: a prompt that lacks nothing does not wait for it

    values = [word for name in error.details["names"] for word in ("--variable", f"{name}=VALUE")]
    return f"{error.message.removesuffix(line)}; type: {shlex.join(['promptd', *arguments, *values])}"


def _fail_as_a_bug(error: Exception) -> int:
    """One sentence for what nobody foresaw; with PROMPTD_DEBUG its traceback too."""
    import traceback

    if os.environ.get("PROMPTD_DEBUG"):
        output.note_lines("".join(traceback.format_exception(error)))
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    output.fail(
        f"unexpected error, a bug in promptd: {said}",
        "Please report it with the traceback that PROMPTD_DEBUG=1 prints.",
    )
    return Exit.SOFTWARE


def _fail_in_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    hints = () if context is None else (f"See '{context.command_path} --help'.",)
    output.fail(error.format_message(), *hints)
    return Exit.CANNOT_CREATE if isinstance(error, click.FileError) else Exit.USAGE


def _hints(error: PromptdError) -> list[str]:
    """The nearest names, if the message does not contain them already; lines of a log."""
    nearest = error.details.get("nearest", ())
    names = [nearest] if isinstance(nearest, str) else nearest
    unsaid = [name for name in names if name not in error.message]
    said = [f"nearest: {', '.join(unsaid)}"] if unsaid else []
    return [*said, *error.details.get("log", ())]
