"""`demo`: the command only; what it shows is in demo_story, loaded when it is run."""

import click


@click.command(
    epilog="""\b
Examples:
  promptd demo
  promptd demo | cat        plain text, no colour"""
)
def demo() -> None:
    """Show a daemon at work on the library that comes with promptd.

    Takes a few seconds. Starts a daemon of its own in a temporary directory and removes everything again.
    """
    from promptd.cli.demo.story import tell

    tell()
