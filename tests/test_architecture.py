"""The rules of the architecture as tests: downward imports, a pure core, one module per third-party library.

The import rules themselves are written in pyproject.toml and are checked here as well as by `make check`,
so that a test run alone cannot pass with a broken rule.
"""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import promptd
from promptd.config.schema import DIALECTS as CONFIGURABLE
from promptd.core.syntax.dialects import DIALECTS

PACKAGE = Path(promptd.__file__).parent
CONFIGURATION = PACKAGE.parent / "pyproject.toml"
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in ("core", "protocol")]

DOORS = {
    "networkx": "core/library/graph.py",
    "watchfiles": "watch/inotify.py",
    "psutil": "monitor/sampler.py",
    "tiktoken": "engine/tokenizer.py",
}


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, wherever in it, `from x import y` as `x.y`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_run_downward_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Every contract of pyproject.toml is kept; a broken one is printed with the import that breaks it."""
    before = sys.path.copy()
    status = lint_imports(config_filename=str(CONFIGURATION), no_cache=True, no_logo=True)
    sys.path[:] = before
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize(("library", "door"), DOORS.items())
def test_one_file_names_each_foreign_library(library: str, door: str) -> None:
    """Its bugs and its replacement are a matter of one file."""
    naming = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imported(path))
    ]
    assert naming == [door]


def test_the_core_is_pure() -> None:
    """No clock, file, socket, loop or log by any name: pathlib only for its pure paths, and no open()."""
    forbidden = {"asyncio", "os", "time", "socket", "logging", "threading", "random", "structlog", "tiktoken"}
    for path in CORE:
        names = list(imported(path))
        assert not forbidden & {name.split(".")[0] for name in names}, path
        assert all(name == "pathlib.PurePosixPath" for name in names if name.split(".")[0] == "pathlib"), path
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"open", "print", "input", "exec", "eval", "__import__"}, path


def test_the_configuration_knows_every_dialect() -> None:
    """The configuration may not import the engine, so that its list is held against the registry here."""
    assert tuple(DIALECTS) == CONFIGURABLE


def test_every_file_opens_with_an_essay() -> None:
    """What lives here, what must not, how it works: at least a sentence, in packages too."""
    for path in MODULES:
        assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40, path


MAX_ATTRIBUTES = 12


def test_classes_own_few_things() -> None:
    """A class of the daemon, the engine or the server has at most 12 attributes: one owner, one subject."""
    crowded = {
        str(path.relative_to(PACKAGE)): node.name
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] in ("daemon", "engine", "server")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and len(attributes(node)) > MAX_ATTRIBUTES
    }
    assert crowded == {}


def attributes(node: ast.ClassDef) -> set[str]:
    """The names that methods of a class assign to `self`, and the fields of a dataclass that can change."""
    assigned = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
        if isinstance(each.value, ast.Name) and each.value.id == "self"
    }
    decorated = " ".join(map(ast.unparse, node.decorator_list))
    is_mutable = "dataclass" in decorated and "frozen=True" not in decorated
    fields = (each.target for each in node.body if is_mutable and isinstance(each, ast.AnnAssign))
    return assigned | {field.id for field in fields if isinstance(field, ast.Name)}


def test_files_and_functions_stay_small() -> None:
    """Files below 400 lines, functions at a median of 7 code lines and nine in ten below 22."""
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []
    sizes = sorted(size for path in MODULES for size in function_sizes(path))
    assert statistics.median(sizes) <= 7
    assert sizes[len(sizes) * 9 // 10] <= 22


def function_sizes(path: Path) -> Iterator[int]:
    """Yield the code lines of each function: without its docstring, blank lines and comments."""
    source = path.read_text()
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node) is not None
            body = node.body[1:] if has_docstring else node.body
            first = body[0].lineno if body else node.end_lineno or 0
            head = range(node.lineno, node.body[0].lineno)
            code = [*head, *range(first, (node.end_lineno or 0) + 1)]
            yield len(
                [n for n in set(code) if lines[n - 1].strip() and not lines[n - 1].strip().startswith("#")]
            )
