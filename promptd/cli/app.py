"""The `promptd` command: a table of commands loaded by name, and the border where errors become codes.

A command is found in `COMMANDS` and its module imported only then. `main` is the only place that
turns an exception into a message and an exit code; commands raise.
"""

import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from promptd.cli import output
from promptd.cli.exits import Exit, exit_code
from promptd.errors import PromptdError

# Section of the help page → command → "module:attribute".
COMMANDS: dict[str, dict[str, str]] = {
    "Prompts": {
        "assemble": "promptd.cli.prompts:assemble",
        "get": "promptd.cli.prompts:get",
        "tokens": "promptd.cli.tokens:tokens",
        "budget": "promptd.cli.tokens:budget",
    },
    "Library": {
        "list": "promptd.cli.catalogue:list_components",
        "changes": "promptd.cli.catalogue:changes",
        "deps": "promptd.cli.catalogue:deps",
        "graph": "promptd.cli.graph:graph",
        "check": "promptd.cli.check:check",
        "validate": "promptd.cli.bench.command:validate",
        "init": "promptd.cli.init:init",
    },
    "Daemon": {
        "serve": "promptd.cli.serve:serve",
        "status": "promptd.cli.status:status",
        "top": "promptd.cli.top.command:top",
        "health": "promptd.cli.health:health",
        "report": "promptd.cli.report.command:report",
        "reload": "promptd.cli.control:reload",
        "reconcile": "promptd.cli.control:reconcile",
        "sockname": "promptd.cli.control:sockname",
    },
    "Set-up": {
        "config": "promptd.cli.config:config",
        "completion": "promptd.cli.completion:completion",
        "demo": "promptd.cli.demo.command:demo",
    },
}
_PLACES = {name: place for section in COMMANDS.values() for name, place in section.items()}


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the help page."""
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now, or None."""
        place = _PLACES.get(cmd_name)
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` names; a misspelt one is answered with the nearest."""
        if not ctx.resilient_parsing and args and args[0] not in _PLACES and not args[0].startswith("-"):
            raise click.UsageError(f"No command {args[0]!r}.{_nearest(args[0])}", ctx)
        return super().resolve_command(ctx, args)


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
  promptd demo                                  see it work on the library it ships with
  promptd init prompts && promptd serve prompts
  promptd assemble commands/hello --var name=Ada
  promptd check prompts                         what is missing, cyclic or broken

Results go to stdout, everything said about them to stderr. Exit codes follow sysexits.h.""",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep a library of prompt components hot, and assemble prompts from it."""
    if ctx.invoked_subcommand is None:
        output.note(ctx.get_help())
        ctx.exit(Exit.USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process.

    Args:
        arguments: the command line without the program's name; None means `sys.argv`.
    """
    try:
        return _finish(cli.main(args=arguments, prog_name="promptd", standalone_mode=False))
    except click.exceptions.Abort:
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        return _fail_in_usage(error)
    except PromptdError as error:
        output.fail(error.message, *_hints(error))
        return exit_code(error)
    except OSError as error:  # of stdout: the disk that it leads to is full
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise
        output.abandon_stdout()
        output.fail(f"the output cannot be written: {error.strerror}")
        return Exit.CANNOT_CREATE
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else Exit.SOFTWARE


def _finish(result: Any) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        output.abandon_stdout()
        return Exit.PIPE_CLOSED
    return result if isinstance(result, int) else Exit.OK


def _fail_in_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    hints = () if context is None else (f"See '{context.command_path} --help'.",)
    output.fail(error.format_message(), *hints)
    return Exit.CANNOT_CREATE if isinstance(error, click.FileError) else Exit.USAGE


def _hints(error: PromptdError) -> list[str]:
    """What a person can try next, where the message does not say it already."""
    nearest = error.details.get("nearest", ())
    unsaid = [name for name in nearest if name not in error.message]
    return [f"nearest: {', '.join(unsaid)}"] if unsaid else []
