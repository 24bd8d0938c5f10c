"""paths.py: what lies below what, by whole names."""

import pytest

from promptd.watch.paths import is_within, is_within_any, parent


def test_within_is_by_whole_names() -> None:
    """`/lib2` is not within `/lib`; everything is within `/`."""
    assert [is_within(p, "/lib") for p in ("/lib", "/lib/a", "/lib2", "/")] == [True, True, False, False]
    assert is_within("/lib", "/")


@pytest.mark.parametrize("path", ["/", "/lib", "/lib/a/b.md", "/lib2", "/other"])
@pytest.mark.parametrize("directories", [(), ("/",), ("/lib",), ("/lib/a", "/other"), ("/lib/a/b",)])
def test_within_any_is_within_one_of_them(path: str, directories: tuple[str, ...]) -> None:
    """The quick question agrees with asking one by one."""
    assert is_within_any(path, directories) == any(is_within(path, each) for each in directories)


def test_the_parent_of_the_top_is_the_top() -> None:
    """So that walking up ends."""
    assert [parent(path) for path in ("/lib/a", "/lib", "/")] == ["/lib", "/", "/"]
