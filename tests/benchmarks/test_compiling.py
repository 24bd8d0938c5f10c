"""The load client is compiled once, again when its source changes; without a compiler the table says so."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import load_client, serving
from benchmarks.load_client import NO_COMPILER
from benchmarks.servers import Missing
from benchmarks.table import Row

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, load_client.COMPILERS)), reason="needs a C compiler"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A program that is quick to compile."""
    path = tmp_path / "client.c"
    path.write_text("int main(void) { return 0; }\n")
    return path


@needs_compiler
def test_it_is_compiled_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time the program is there, and no compiler is asked for."""
    first = load_client.compiled(source, tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_client.compiled(source, tmp_path / "cache") == first
    assert first.binary.stat().st_mode & 0o100


@needs_compiler
def test_a_changed_source_is_compiled_again(source: Path, tmp_path: Path) -> None:
    """Another source makes another program, and the old one goes."""
    first = load_client.compiled(source, tmp_path / "cache")
    source.write_text("int main(void) { return 1; }\n")
    second = load_client.compiled(source, tmp_path / "cache")
    assert first != second
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [second.binary.name]


@needs_compiler
def test_a_source_that_does_not_compile_leaves_nothing(source: Path, tmp_path: Path) -> None:
    """The compiler's first error is in the message (it may lack the C library's headers); no file is left."""
    source.write_text("#include <no-such-header.h>\n")
    with pytest.raises(Missing, match=r"no-such-header\.h"):
        load_client.compiled(source, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_compiler_it_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without cc, gcc and clang: Missing, with the package's name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="needs a C compiler: apt install gcc"):
        load_client.compiled(source, tmp_path / "cache")


@pytest.mark.parametrize(("part", "rows"), [(serving.against_peers, 7), (serving.new_values, 2)])
def test_without_a_compiler_the_table_says_so(
    part: Callable[[str], list[Row]], rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row of the part is there, with what is missing in place of a figure."""

    def missing() -> None:
        raise Missing(NO_COMPILER)

    monkeypatch.setattr(load_client, "compiled", missing)
    made = part(str(tmp_path))
    assert [(row.value, row.how) for row in made] == [("skipped", NO_COMPILER)] * rows
    assert len({row.figure for row in made}) == rows
