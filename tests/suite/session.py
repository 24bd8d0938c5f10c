"""A session of pytest in a child process: a module of a few tests, and plugins of this suite."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


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
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
