"""`init`: write a small working library, copied from the package; existing files are never changed."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from promptd.cli import output


@click.command(epilog="\b\nExamples:\n  promptd init prompts\n  promptd serve --config prompts/promptd.toml")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(directory: Path) -> None:
    """Write a small working library and its promptd.toml to DIR.

    Existing files are kept.
    """
    try:
        written, kept = copy_starter(directory)
    except OSError as error:
        raise click.FileError(str(error.filename or directory), error.strerror) from error
    for path in written:
        output.emit_line(f"wrote {path}")
    for path in kept:
        output.emit_line(f"kept  {path}")
    output.note()
    output.note(f"Try it: promptd assemble commands/hello --library {directory} --variable name=Ada")


def copy_starter(directory: Path) -> tuple[list[Path], list[Path]]:
    """Copy the starter library to `directory`; returns the files written, and those kept."""
    written: list[Path] = []
    kept: list[Path] = []
    with as_file(files("promptd.cli.demo") / "starter") as starter:
        for source in sorted(path for path in starter.rglob("*") if path.is_file()):
            target = directory / source.relative_to(starter)
            (written if _copy_new(source, target) else kept).append(target)
    return written, kept


def _copy_new(source: Path, target: Path) -> bool:
    """Copy unless `target` exists; exclusive creation, so that nothing is lost in a race either."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        copy = target.open("xb")
    except FileExistsError:
        return False
    try:
        with copy, source.open("rb") as data:
            shutil.copyfileobj(data, copy)
    except OSError:
        target.unlink(missing_ok=True)  # half a file would be kept for ever
        raise
    return True
