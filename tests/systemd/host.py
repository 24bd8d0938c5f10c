"""The machine the test runs on: its commands, its package mirror, its pip, and whether it will do.

`require` says in a sentence why a real systemd cannot be booted here, after installing the Debian packages
that are needed where that is allowed. Nothing here knows what is tested.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TOOLS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "setpriv": "util-linux"}
DEFAULT_MIRROR = "http://deb.debian.org/debian"
GLIBC_MINORS = range(36, 4, -1)  # wheels for glibc 2.36 (Debian 12) and older
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}


class Unable(Exception):
    """This machine cannot run the test; the message says why."""


def require() -> None:
    """Raise Unable unless a tree can be built and booted here, as far as is known without trying."""
    if sys.platform != "linux":
        raise Unable("a real systemd needs Linux")
    if os.geteuid() != 0:
        raise Unable("debootstrap and systemd-nspawn need root")
    absent = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if absent:
        _install(sorted(absent))


def _install(packages: Sequence[str]) -> None:
    command = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Unable(f"{', '.join(packages)} not installed, and this is no Debian to install them on")
    if os.environ.get("CI") != "true":
        raise Unable(f"{', '.join(packages)} not installed: {command} (with CI=true that is done here)")
    print(command, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], environment)
    run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], environment)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a command; Unable with the end of what it said if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        said = "; ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise Unable(f"`{' '.join(command[:4])} …` failed with {done.returncode}: {said}")
    return done.stdout


def chroot(root: Path, *command: str) -> str:
    """Standard output of a command inside the tree, with a clean environment."""
    return run(["chroot", str(root), *command], CLEAN)


# -- Debian packages ----------------------------------------------------------------------------


def mirror() -> str:
    """The Debian mirror that apt is configured with, else the public one."""
    if shutil.which("apt-get") is None:
        return DEFAULT_MIRROR
    listed = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"])
    uris = [line.split(maxsplit=1)[1] for line in listed.splitlines() if line.startswith("Debian ")]
    return next((uri for uri in uris if uri.rstrip("/").endswith("/debian")), DEFAULT_MIRROR)


def debootstrap(root: Path, suite: str, packages: Sequence[str]) -> None:
    """A minimal Debian with `packages` in `root`."""
    options = ["--variant=minbase", f"--include={','.join(packages)}"]
    run(["debootstrap", *options, suite, str(root), mirror()], {**_apt_proxy(), **os.environ})


def _apt_proxy() -> dict[str, str]:
    if shutil.which("apt-config") is None:
        return {}
    value = run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"]).partition("=")[2].strip().strip("'")
    return {"http_proxy": value} if value else {}


# -- Python packages ----------------------------------------------------------------------------


def build_wheel(source: Path, directory: Path) -> Path:
    """The wheel of the project in `source`."""
    run([*_pip(), "wheel", "-q", "--no-deps", "-w", str(directory), str(source)])
    return next(directory.glob("*.whl"))


def download(requirements: Sequence[str], directory: Path, python_version: str) -> None:
    """Wheels of `requirements` and what they need, for another Python than ours: that of the tree."""
    machine = platform.machine()
    tags = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python_version}"]
    older = [f"--platform=manylinux2014_{machine}"]
    run([*_pip(), "download", "-q", "-d", str(directory), *target, *tags, *older, *requirements])


def _pip() -> list[str]:
    """A pip: of the interpreter we run in, or of any other."""
    for python in (sys.executable, "python3"):
        command = [python, "-m", "pip"]
        if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0:
            return [*command, "--disable-pip-version-check"]
    raise Unable("there is no pip")
