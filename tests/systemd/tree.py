"""The Debian tree that a real systemd is booted in, and how promptd gets into it.

Three layers in one directory: the system (debootstrap, a minute), the virtual environment with promptd's
dependencies (wheels that the host's pip fetches, since the tree has no network), and, new in each run,
promptd's wheel and the units, installed as docs/systemd.md says. The first two are kept for the next run and
made again when their recipe changes; a half-made one is not trusted. A boot writes nothing here (machine.py).
"""

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import host

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).resolve().parent / "inside"
PACKAGES = ("systemd", "systemd-sysv", "libpam-systemd", "dbus", "python3", "python3-venv")
RECIPE = "1"  # raise it when the way a layer is made changes
WHEELS = "var/cache/wheels"
DROP_INS = "usr/share/promptd/drop-ins"
PROBE = "usr/share/promptd/probe"
PIP_OFFLINE = ("/opt/promptd/bin/pip", "install", "-q", "--no-index", "--disable-pip-version-check")


@dataclass(frozen=True)
class Tree:
    """One Debian release in the directory `root`."""

    root: Path
    suite: str

    def build(self) -> None:
        """Make what is missing or stale, and install promptd as it is now. Raises host.Unable."""
        dependencies = _dependencies()
        self._layer("system", (self.suite, *PACKAGES), self._make_system)
        self._layer("dependencies", dependencies, lambda: self._make_dependencies(dependencies))
        self._install()

    def _layer(self, name: str, recipe: Sequence[str], make: Callable[[], None]) -> None:
        marker = self.root / f".{name}"
        key = hashlib.sha256("\n".join((RECIPE, *recipe)).encode()).hexdigest()
        if marker.is_file() and marker.read_text() == key:
            return
        marker.unlink(missing_ok=True)
        make()
        marker.write_text(key)

    def _make_system(self) -> None:
        print(f"building a {self.suite} tree in {self.root} (a minute, once)", flush=True)
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        host.debootstrap(self.root, self.suite, PACKAGES)
        host.chroot(self.root, "apt-get", "clean")

    def _make_dependencies(self, dependencies: Sequence[str]) -> None:
        print("installing promptd's dependencies into it", flush=True)
        show = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = host.chroot(self.root, "python3", "-c", show).strip()
        shutil.rmtree(self.root / WHEELS, ignore_errors=True)
        host.download(dependencies, self.root / WHEELS, version)
        host.chroot(self.root, "python3", "-m", "venv", "--clear", "/opt/promptd")
        host.chroot(self.root, *PIP_OFFLINE, f"--find-links=/{WHEELS}", *dependencies)

    def _install(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.root / "root") as directory:
            wheel = host.build_wheel(REPOSITORY, Path(directory))
            place = wheel.relative_to(self.root)
            host.chroot(self.root, *PIP_OFFLINE, "--no-deps", "--force-reinstall", f"/{place}")
        _install_units(self.root)
        _install_probe(self.root)


def _dependencies() -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def _install_units(root: Path) -> None:
    """The shipped units at their places; the drop-ins aside, since not every check wants them."""
    shipped = REPOSITORY / "systemd"
    shutil.rmtree(root / DROP_INS, ignore_errors=True)
    for unit in ("promptd.service", "promptd.socket"):
        _install_file(shipped / unit, root / "etc/systemd/system" / unit)
    for unit_file in (shipped / "user").iterdir():
        _install_file(unit_file, root / "etc/systemd/user" / unit_file.name)
    for drop_in in (shipped / "promptd.service.d").iterdir():
        _install_file(drop_in, root / DROP_INS / drop_in.name)


def _install_probe(root: Path) -> None:
    shutil.rmtree(root / PROBE, ignore_errors=True)
    for source in INSIDE.glob("*.py"):
        _install_file(source, root / PROBE / source.name)
    unit = root / "etc/systemd/system/promptd-probe.service"
    _install_file(INSIDE / "promptd-probe.service", unit)
    wanted = unit.parent / "multi-user.target.wants" / unit.name
    wanted.parent.mkdir(exist_ok=True)
    wanted.unlink(missing_ok=True)
    wanted.symlink_to(f"/etc/systemd/system/{unit.name}")


def _install_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)
