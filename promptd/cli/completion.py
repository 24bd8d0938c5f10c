"""Shell completion: the script a shell sources, and the component names it completes.

The script is click's own. Names come from a daemon that is already there; without one nothing is
completed, because a key press must neither start a scan nor print an error.
"""

import click

from promptd.cli import output
from promptd.errors import PromptdError


def complete_component(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the library that begin with what was typed."""
    from promptd.cli.backend import Where, ask, decode

    where = Where(socket=ctx.params.get("socket"), config_path=ctx.params.get("config_path"))
    try:
        found = decode(ask(where, "list"))["components"]
    except (PromptdError, OSError):
        return []
    return [each["id"] for each in found if each["id"].startswith(incomplete)]


@click.command(
    epilog="""\b
Examples:
  promptd completion bash > ~/.local/share/bash-completion/completions/promptd
  promptd completion zsh > ~/.zfunc/_promptd
  promptd completion fish > ~/.config/fish/completions/promptd.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    With a daemon running it completes the names of components too.
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    assert completer is not None, "click knows the three shells that the argument allows"
    output.emit(completer(ctx.find_root().command, {}, "promptd", "_PROMPTD_COMPLETE").source().encode())
