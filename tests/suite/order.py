"""Which tests stay together, and which come first, where several processes share the work (pytest-xdist).

A pytest plugin, loaded by tests/conftest.py; `--dist loadscope` turns it on. Tests of a module that has a
fixture for the whole module, a daemon for example, are given to one process, so that it is made once; all
others go to any worker that is free. Slow tests come first, so that none of them is begun when all the others
are done. Otherwise the order is that of the files, as without workers.

xdist's own groups (`loadgroup`) are without effect since pytest 9.2, which has no place for them in a test's
id.
"""

import functools
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARED = 'scope="module"'


@functools.cache
def has_shared_fixture(path: Path) -> bool:
    """True if the module makes something once for all its tests."""
    return SHARED in path.read_text(encoding="utf-8")


class Together(LoadScopeScheduling):
    """Shares out modules with fixtures of their own as a whole, and all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if has_shared_fixture(self.config.rootpath / path) else nodeid


def is_quick(item: pytest.Item) -> bool:
    """False for what is to come first."""
    return item.get_closest_marker("slow") is None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together | None:
    """Share out by `Together` where tests are shared out by scope."""
    return Together(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort, in a worker."""
    if hasattr(config, "workerinput"):
        items.sort(key=is_quick)
