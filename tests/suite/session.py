"""A session of pytest in a child process: a module of a few tests, and plugins of this suite."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def untraced() -> dict[str, str]:
    """The environment in which a child is not measured for coverage, which imports and costs a lot."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def session(directory: Path, module: str, *options: str, plugins: tuple[str, ...]) -> str:
    """What pytest prints of a module written into the directory, with the suite's own configuration."""
    (directory / "conftest.py").write_text(
        f"pytest_plugins = {[f'tests.suite.{name}' for name in plugins]}\n"
    )
    (directory / "test_module.py").write_text(module)
    settings = ("-c", str(REPOSITORY / "pyproject.toml"), f"--rootdir={directory}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *settings,
            "-o",
            f"cache_dir={directory}/cache",
            *options,
            str(directory),
        ],
        cwd=REPOSITORY,
        env=untraced() | {"CI": ""},  # with it, what failed is told a second time
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
