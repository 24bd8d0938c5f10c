"""`demo`, the command; the story that it tells is imported when it is run."""

import click


@click.command(
    epilog="""\b
Examples:
  promptd demo
  promptd demo | head -20    # plain text, no colour"""
)
def demo() -> None:
    """Show a daemon at work on a built-in library, in a few seconds.

    It runs in a temporary directory, which is removed at the end.
    """
    from promptd.cli.demo.story import tell

    tell()
