"""Which tests stay together, and which come first, where several processes share the work (pytest-xdist).

A pytest plugin, loaded by tests/conftest.py. Tests that share a fixture of their module, a daemon for
example, are one group, which `--dist loadgroup` gives to one process: the daemon starts once. Slow tests come
first, so that none of them is begun when all the others are done. Otherwise the order is that of the files,
as without workers.
"""

from collections.abc import Iterator

import pytest


def shares_a_fixture(item: pytest.Item) -> bool:
    """True if the test uses a fixture that is made once for its module."""
    if not isinstance(item, pytest.Function):
        return False
    found = item._fixtureinfo.name2fixturedefs.values()
    return any(fixture.scope == "module" for fixtures in found for fixture in fixtures)


def is_quick(item: pytest.Item) -> bool:
    """False for what is to come first."""
    return item.get_closest_marker("slow") is None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Group before xdist looks, which does so first of all, and sort; without workers nothing is shared out."""
    if hasattr(config, "workerinput"):
        for item in filter(shares_a_fixture, items):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        items.sort(key=is_quick)
    return (yield)
