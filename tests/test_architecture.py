"""The structure of the package, checked: downward imports, a pure core, small files, short import chains.

The import rules themselves are written in pyproject.toml and are checked here as well as by `make check`,
so that a test run alone cannot pass with a broken structure.
"""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import promptd

PACKAGE = Path(promptd.__file__).parent
CONFIGURATION = PACKAGE.parent / "pyproject.toml"
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in ("core", "protocol")]

ONE_FILE = {
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


@pytest.mark.parametrize(("library", "file"), ONE_FILE.items())
def test_one_file_names_each_foreign_library(library: str, file: str) -> None:
    """Its bugs and its replacement are a matter of one file."""
    naming = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imported(path))
    ]
    assert naming == [file]


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


def test_every_file_opens_with_an_essay() -> None:
    """What lives here, what must not, how it works: at least a sentence, in packages too."""
    for path in MODULES:
        assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40, path


MAX_ATTRIBUTES = 12


def test_classes_own_few_things() -> None:
    """A class of the daemon, the engine or the server has at most 12 attributes: one owner, one subject."""
    too_large = {
        str(path.relative_to(PACKAGE)): node.name
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] in ("daemon", "engine", "server")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and len(attributes(node)) > MAX_ATTRIBUTES
    }
    assert too_large == {}


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


def test_a_type_name_means_one_thing() -> None:
    """No class, type alias or type variable has the name of another one anywhere in the package."""
    defined: dict[str, list[str]] = {}
    for path in MODULES:
        for name in type_names(ast.parse(path.read_text())):
            defined.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


def type_names(module: ast.Module) -> Iterator[str]:
    """Names of types, private ones too, that a module defines at its top level."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            plain = target.id.lstrip("_") if isinstance(target, ast.Name) else ""
            if plain[:1].isupper() and not plain.isupper() and isinstance(target, ast.Name):
                yield target.id


def test_files_and_functions_stay_small() -> None:
    """Files of at most 400 lines; code lines of a function: median 6, nine in ten 14, none above 45."""
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []
    sizes = sorted(size for path in MODULES for size in function_sizes(path))
    assert statistics.median(sizes) <= 6
    assert sizes[len(sizes) * 9 // 10] <= 14
    assert sizes[-1] <= 45


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


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph() -> dict[str, set[str]]:
    """Each module with those of the package that it imports, in functions and for types too."""
    names = {module_of(path): path for path in MODULES}

    def known(name: str) -> str:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name

    graph = {name: set(map(known, imported(path))) for name, path in names.items()}
    return {name: found - {name, "promptd", ""} for name, found in graph.items()}


def heights(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many modules, or packages, the longest chain of imports from each one holds, itself included."""
    found: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = 1 + max((found[below] for below in graph.get(name, ())), default=0)
    return found


def test_import_chains_stay_short() -> None:
    """To understand a module, at most 25 others below it have to be understood."""
    found = heights(import_graph())
    longest = max(found, key=lambda name: found[name])
    assert found[longest] <= 26, longest


def test_few_packages_on_few_floors() -> None:
    """At most 15 names at the top of the package, on 10 floors, with 75 arrows between them."""
    packages: dict[str, set[str]] = {}
    for name, below in import_graph().items():
        top = _package(name)
        packages.setdefault(top, set()).update(set(map(_package, below)) - {top})
    assert len(packages) <= 15
    assert sum(map(len, packages.values())) <= 75
    assert max(heights(packages).values()) <= 10


def _package(module: str) -> str:
    """The top package, or top module, that a module is in."""
    return [*module.split("."), "__init__"][1]


PLAIN = """
import sys
from promptd.cli.app import main
try:
    main(["assemble", "a", "--library", sys.argv[1]])
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
DAEMON = "import sys, promptd.daemon.lifecycle; print(*sorted(sys.modules), file=sys.stderr)"
# What only strategies, budgets, mistyped names and cycles need, and what only daemons need.
UNNEEDED = {"markdown_it", "rapidfuzz", "networkx"}
OF_DAEMONS = {"asyncio", "structlog", "watchfiles", "psutil", "uvloop"}
LIGHT = {"promptd.core.optimise", "promptd.core.optimise.records", "promptd.core.optimise.strategies"}


def loaded_by(program: str, *arguments: str) -> list[str]:
    """The modules that a program of its own has loaded at its end."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stderr.split()


@pytest.mark.parametrize(("program", "unneeded"), [(PLAIN, UNNEEDED | OF_DAEMONS), (DAEMON, UNNEEDED)])
def test_the_optimiser_is_not_imported_before_it_is_asked_for(
    program: str, unneeded: set[str], tmp_path: Path
) -> None:
    """A plain prompt and the start of a daemon load neither the optimiser nor what only errors need."""
    (tmp_path / "a.md").write_text("---\ndescription: A\n---\nHello.\n<include>b.md</include>\n")
    (tmp_path / "b.md").write_text("Below.\n")
    loaded = loaded_by(program, str(tmp_path))
    assert "promptd.engine.workspace" in loaded
    assert [name for name in loaded if name.split(".")[0] in unneeded] == []
    assert {name for name in loaded if name.startswith("promptd.core.optimise")} <= LIGHT


IMPORTED = """
import sys
from promptd.engine.prompts import builder
builder._import_optimiser()
print(*sorted(sys.modules), file=sys.stderr)
"""


def test_the_optimiser_is_imported_whole_where_that_blocks_nothing() -> None:
    """What the engine imports of it in functions is loaded by then, in a thread: never on an event loop."""
    engine = [path for path in MODULES if path.is_relative_to(PACKAGE / "engine")]
    named = {name.rpartition(".")[0] for path in engine for name in imported(path)}
    wanted = {name for name in named if name.startswith("promptd.core.optimise.budget.")}
    assert "promptd.core.optimise.budget.lexicon" in wanted
    assert wanted <= set(loaded_by(IMPORTED))
