"""The hardened service: that it does its work, that it is confined, and what it says in the journal."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import stage
from stage import expect


def sandbox_serves() -> str:
    """Inside the sandbox prompts are assembled and counted, and an edit from outside is in the next reply."""
    stage.systemctl("start", stage.SERVICE)
    listed = stage.ask("list")["total"]
    files = stage.demo_files()
    expect(listed == files, f"{listed} of {files} components are listed")
    tokens = sum(_assembled(name) for name in _prompts())
    worst_ms = max(_edit_is_fresh(number) for number in range(20))
    health = stage.ask("health")
    expect(health["status"] == "ok", f"health is {health['status']!r}: {health['problems']}")
    mode = health["watcher"]["mode"]
    expect(mode == "inotify", f"the watcher's mode is {mode!r}")
    stage.until((stage.STATE / "health.json").exists, "a snapshot in the state directory")
    return f"{len(_prompts())} prompts, {tokens} tokens; 20 edits fresh, slowest reply {worst_ms:.1f} ms"


def _prompts() -> list[str]:
    found = [path for kind in ("commands", "agents") for path in (stage.LIBRARY / kind).glob("*.md")]
    return sorted(str(path.relative_to(stage.LIBRARY)) for path in found)


def _assembled(name: str) -> int:
    result = stage.ask("assemble", name=name, arguments="HEAD~1", variables=_variables(name))
    expect(result["text"] and not result["warnings"], f"{name}: {result['warnings']}")
    tokens: int = result["tokens"]
    return tokens


def _variables(name: str) -> dict[str, str]:
    declared = stage.ask("get", name=name)["metadata"].get("variables") or {}
    names = declared if isinstance(declared, (list, dict)) else ()
    return {str(variable): "x" for variable in names}


def _edit_is_fresh(number: int) -> float:
    """An edit, an atomic save and an edit of the same size, by turns; the time of the reply in ms."""
    target = stage.LIBRARY / "components/voice/plain-language.md"
    text = f"Edited in the sandbox check, number {number:03}.\n"
    if number % 2:
        target.write_text(text)
    else:
        saved = target.with_suffix(".new")
        saved.write_text(text)
        saved.replace(target)
    started_s = time.monotonic()
    body = stage.prompt(str(target.relative_to(stage.LIBRARY)))
    expect(text.strip() in body, f"edit {number} is not in the reply: {body!r}")
    return 1000 * (time.monotonic() - started_s)


def sandbox_confines() -> str:
    """The process has no privilege, no capability, no network, a filter, and cannot write or see homes."""
    secret = Path("/root/secret.md")
    secret.write_text("not for promptd\n")
    secret.chmod(0o644)
    (stage.LIBRARY / "commands/escape.md").symlink_to(secret)
    stage.systemctl("start", stage.SERVICE)
    pid = stage.main_pid()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    found = {key: status[key].split()[0] for key in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    expected = {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    expect(found == expected, f"the process has {found}")
    expect(status["Uid"].split()[0] != "0", "it runs as root")
    shared = [space for space in ("net", "mnt", "ipc") if _namespace(pid, space) == _namespace(1, space)]
    expect(not shared, f"it shares the namespaces {shared} with the machine")
    expect(not os.path.exists(f"/proc/{pid}/root/root/secret.md"), "it sees /root")
    expect(stage.STATE.stat().st_mode & 0o777 == 0o700, "the state directory is open to others")
    with stage.Client() as client:
        reply = client.reply("assemble", name="commands/escape")
    expect("error" in reply and "not for promptd" not in str(reply), f"a symlink outward gave {reply}")
    return f"uid {status['Uid'].split()[0]}, no capabilities, own network and mounts, seccomp on"


def _namespace(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def private_libraries_can_be_shown() -> str:
    """One directory of a closed home can be bound in, a group's library read by joining the group."""
    home, group = Path("/home/closed"), "writers"
    stage.run("groupadd", group)
    for parent in (home, Path("/srv/group")):
        (parent / "prompts").mkdir(parents=True)
    home.chmod(0o700)
    shutil.chown("/srv/group", group=group)
    Path("/srv/group").chmod(0o750)
    _serves_from(home / "prompts", Path("/srv/shown"), "BindReadOnlyPaths=/home/closed/prompts:/srv/shown")
    _serves_from(Path("/srv/group/prompts"), Path("/srv/group/prompts"), f"SupplementaryGroups={group}")
    return "BindReadOnlyPaths= out of a 0700 home, SupplementaryGroups= for a 0750 library"


def _serves_from(outside: Path, root: Path, setting: str) -> None:
    stage.drop_in("library.conf", "[Service]", setting)
    stage.configure(root=root)
    (outside / "mine.md").write_text("before\n")
    stage.systemctl("restart", stage.SERVICE)
    for text in ("before", "after"):
        (outside / "mine.md").write_text(f"{text}\n")
        expect(text in stage.prompt("mine"), f"with {setting} the prompt is not {text!r}")


def other_users_need_permission() -> str:
    """A user is refused by name until `serve.allow_uids` and the socket's mode let them in."""
    stage.configure("[serve]", 'socket_mode = "0666"', "allow_uids = [4242]")
    stage.systemctl("start", stage.SERVICE)
    welcome, refused = _ping_as(4242), _ping_as(4343)
    expect('"pong":true' in welcome, f"the allowed user got {welcome!r}")
    expect("allow_uids" in refused and "pong" not in refused, f"the other user got {refused!r}")
    return "an allowed uid is served inside DynamicUser's sandbox, another gets the reason"


_PING = f"""
import socket
client = socket.socket(socket.AF_UNIX)
client.connect({stage.SOCKET!r})
client.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"ping"}}\\n')
print(client.makefile().readline())
"""


def _ping_as(uid: int) -> str:
    command = ["/usr/bin/python3", "-c", _PING]
    done = subprocess.run(
        command, user=uid, group=uid, extra_groups=(), capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout + done.stderr


def journal_is_json() -> str:
    """Every line that the service's processes write is one JSON object with a level and an event."""
    since = f"@{time.time():.6f}"
    stage.systemctl("start", stage.SERVICE)
    stage.prompt("commands/review-change", arguments="HEAD", variables=_variables("commands/review-change"))
    (stage.LIBRARY / "commands/new.md").write_text("new\n")
    stage.until(lambda: "batch" in _journal(since), "a batch in the journal")
    stage.configure("[cache]", "entries = 300")
    stage.systemctl("reload", stage.SERVICE)
    stage.systemctl("stop", stage.SERVICE)
    lines = _journal(since).splitlines()
    events = [_event(line) for line in lines]
    for event in ("ready", "reloaded", "stopping", "stopped"):
        expect(event in events, f"no {event!r} among {events}")
    return f"{len(lines)} lines: {', '.join(dict.fromkeys(events))}"


def _journal(since: str) -> str:
    stage.run("journalctl", "--sync")
    return stage.run("journalctl", f"_SYSTEMD_UNIT={stage.SERVICE}", "-o", "cat", "--since", since).stdout


def _event(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        raise stage.Failed(f"no JSON: {line!r}") from None
    expect(isinstance(record, dict) and "level" in record, f"no level in {line!r}")
    return str(record["event"])
