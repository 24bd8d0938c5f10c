"""`systemctl reload`: it waits, and it refuses."""

import stage
from stage import expect

TEMPLATE = stage.LIBRARY / "commands/who.md"
ROUNDS = 10


def reload_waits() -> str:
    """When `systemctl reload` returns, the very next reply is by the new configuration; no new process."""
    _serve("Ada")
    ways = [_rounds("ExecReload")]
    if _systemd_version() >= 253:
        stage.drop_in("notify-reload.conf")
        stage.systemctl("restart", stage.SERVICE)
        ways.append(_rounds("notify-reload"))
    return "; ".join(ways)


def _rounds(way: str) -> str:
    pid = stage.main_pid()
    for number in range(ROUNDS):
        _configure(f"{way} {number}")
        stage.systemctl("reload", stage.SERVICE)
        text = stage.prompt("commands/who")
        expect(f"{way} {number}" in text, f"after reload {number} the prompt is {text!r}")
    expect(stage.main_pid() == pid, "it was restarted")
    return f"{ROUNDS} of {ROUNDS} by {way}"


def _serve(value: str) -> None:
    TEMPLATE.write_text("For {who}.\n")
    _configure(value)
    stage.systemctl("start", stage.SERVICE)


def _configure(value: str) -> None:
    stage.configure("[library.variables]", f'who = "{value}"')


def _systemd_version() -> int:
    return int(stage.run("systemctl", "--version").stdout.split()[1].split(".")[0])


def bad_configuration_is_refused() -> str:
    """A wrong configuration fails the reload, the old one serves on, STATUS and health say so meanwhile."""
    _serve("the old one")
    stage.configure("[library.variables]", 'who = "the bad one"', "[cache]", "entires = 3")
    done = stage.run("systemctl", "reload", stage.SERVICE)
    expect(done.returncode, "systemctl reload succeeded")
    expect("the old one" in stage.prompt("commands/who"), "the old configuration is not in force")
    status, health = stage.show("StatusText"), stage.ask("health")
    expect("entires" in status, f"STATUS says {status!r}")
    expect(health["status"] == "degraded", f"health says {health['status']!r}")
    expect(stage.show("ActiveState") == "active", f"the service is {stage.show('ActiveState')}")
    _configure("the new one")
    stage.systemctl("reload", stage.SERVICE)
    expect("the new one" in stage.prompt("commands/who"), "the corrected configuration is not in force")
    expect("entires" not in stage.show("StatusText"), f"STATUS still says {stage.show('StatusText')!r}")
    return f"STATUS was {status!r}"
