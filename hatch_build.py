"""The build hook: compiles the one C helper, if this machine can. Without it promptd is the same, and slower.

The helper uses no header of Python, so one file serves every interpreter and the wheel is tied to the
platform alone. PROMPTD_PURE=1 leaves it out, as does a machine without a C compiler.
"""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE, HELPER = "promptd/sources/worktree/_stat_proof.c", "promptd/sources/worktree/_stat_proof.so"


class Helper(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the helper in place and has the wheel take it along."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a wheel, editable or not, is made."""
        if self.target_name == "wheel" and _compile(Path(self.root)):
            build_data["artifacts"].append(f"/{HELPER}")
            build_data["tag"] = f"py3-none-{_platform()}"


def _compile(root: Path) -> bool:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    (root / HELPER).unlink(missing_ok=True)
    if compiler is None or os.environ.get("PROMPTD_PURE"):
        return False
    options = ["-O2", "-shared", "-fPIC", "-D_FILE_OFFSET_BITS=64"]
    done = subprocess.run([compiler, *options, "-o", HELPER, SOURCE], cwd=root, check=False)
    return done.returncode == 0


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
