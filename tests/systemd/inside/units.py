"""The shipped unit files: what systemd-analyze says of them, and the user's own unit at work."""

import subprocess
from pathlib import Path

import stage
from stage import expect

UNITS = (Path("/etc/systemd/system"), Path("/etc/systemd/user"))
MAX_EXPOSURE = 1.0
USER, UID = "ann", 4711


def units_verify() -> str:
    """`systemd-analyze verify` has nothing to say about the installed units, drop-ins included."""
    stage.drop_in("socket-activation.conf")
    _link_promptd(Path("/root"))
    system, user = (
        [str(directory / name) for name in (stage.SERVICE, stage.SOCKET_UNIT)] for directory in UNITS
    )
    for arguments in (system, ["--user", *user]):
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/root", "XDG_RUNTIME_DIR": "/run"}
        command = ["systemd-analyze", "verify", "--man=no", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        said = done.stdout + done.stderr
        expect(done.returncode == 0 and not said.strip(), f"verify {arguments[0]}: {said}")
    return "system and user units, no complaint"


def service_is_hardened() -> str:
    """The exposure of promptd.service is at most 1.0 of 10, as installed and as loaded."""
    done = stage.run("systemd-analyze", "security", "--no-pager", stage.SERVICE)
    words = done.stdout.strip().splitlines()[-1].split()
    exposure = float(next(word for word in words if word.replace(".", "").isdecimal()))
    expect(exposure <= MAX_EXPOSURE, f"the exposure is {exposure}")
    return f"exposure {exposure}"


def user_unit_serves() -> str:
    """For an ordinary user the user unit serves their own library, alone and behind its socket."""
    home = _make_user()
    stage.systemctl("start", f"user@{UID}.service")
    _as_user("systemctl", "--user", "start", "promptd.service")
    alone = _as_user(stage.PROMPTD, "assemble", "commands/mine", "--var", "who=Ann")
    expect("For Ann." in alone, f"the prompt is {alone!r}")
    (home / "prompts/commands/mine.md").write_text("Now for {who}.\n")
    _as_user("systemctl", "--user", "reload", "promptd.service")
    _as_user("systemctl", "--user", "stop", "promptd.service")
    _as_user("systemctl", "--user", "start", "promptd.socket")
    activated = _as_user(stage.PROMPTD, "assemble", "commands/mine", "--var", "who=Ann")
    expect("Now for Ann." in activated, f"through the socket the prompt is {activated!r}")
    _as_user("systemctl", "--user", "restart", "promptd.service")
    expect("Now for Ann." in _as_user(stage.PROMPTD, "assemble", "commands/mine", "--var", "who=Ann"), "lost")
    stage.systemctl("stop", f"user@{UID}.service")
    return "by itself and behind its socket, reloaded and restarted"


def _make_user() -> Path:
    """A user who installed promptd as the unit's first lines say."""
    stage.run("useradd", "--create-home", "--uid", str(UID), USER)
    home = Path("/home") / USER
    for directory in (".config/promptd", "prompts/commands"):
        (home / directory).mkdir(parents=True)
    _link_promptd(home)
    (home / ".config/promptd/config.toml").write_text('[[roots]]\npath = "~/prompts"\n')
    (home / "prompts/commands/mine.md").write_text("For {who}.\n")
    stage.run("chown", "-R", f"{USER}:{USER}", str(home))
    home.chmod(0o700)
    return home


def _link_promptd(home: Path) -> None:
    """Put promptd where the user's unit looks for it."""
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/promptd").symlink_to(stage.PROMPTD)


def _as_user(*command: str) -> str:
    """What a command of the user prints; Failed if it does not exit 0."""
    environment = {
        "HOME": f"/home/{USER}",
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "XDG_RUNTIME_DIR": f"/run/user/{UID}",
    }
    done = subprocess.run(
        command,
        user=UID,
        group=UID,
        extra_groups=(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    expect(done.returncode == 0, f"{' '.join(command)} exits {done.returncode}: {done.stderr.strip()}")
    return done.stdout
