"""`completion`: print the script that completes commands, options and component names in a shell."""

import click

from promptd.cli import output


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

    It completes commands and options, and the names of components while a daemon is running.
    """
    from promptd.cli import shells

    completer = {"bash": shells.Bash, "zsh": shells.Zsh, "fish": shells.Fish}[shell]
    output.emit(completer(ctx.find_root().command, {}, "promptd", "_PROMPTD_COMPLETE").source().encode())
