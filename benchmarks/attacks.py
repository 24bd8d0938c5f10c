"""The worst requests, files and neighbours that we know, each with the library it needs.

An attack has a name, a function that writes what it needs below the library, and one that attacks the daemon
through its socket and counts what it was told. Attackers wait at most PATIENCE_S for an answer.
"""

import contextlib
import json
import random
import socket
import string
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import request

PATIENCE_S = 30.0
FLOOD_S = 5.0
FLOODERS = 256

Build = Callable[[Path], None]
Run = Callable[[str, Counter[str]], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """What is written below a library, and what is done to the daemon that serves it."""

    name: str
    build: Build
    run: Run


ATTACKS: list[Attack] = []


def attack(name: str, build: Build | None = None) -> Callable[[Run], Run]:
    """Register what attacks."""

    def register(run: Run) -> Run:
        ATTACKS.append(Attack(name, build or (lambda _: None), run))
        return run

    return register


# -- asking ---------------------------------------------------------------------------------------


def told(line: bytes) -> str:
    """What an answer amounts to, in a word."""
    if not line.endswith(b"\n"):
        return "hung up on"
    if b'"error"' not in line[:200]:
        return "answered"
    error = json.loads(line)["error"]
    return str(error.get("data", {}).get("type", error["code"]))


def ask(path: str, lines: Iterable[bytes], answers: Counter[str]) -> None:
    """Ask one line after the other on one connection, each when the one before is answered."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(path)
        replies = peer.makefile("rb")
        for line in lines:
            try:
                peer.sendall(line)
                answers[told(replies.readline())] += 1
            except TimeoutError:
                answers[f"no answer in {PATIENCE_S:g} s"] += 1
                return
            except OSError:
                answers["hung up on"] += 1
                return


def each(*params: dict[str, object], method: str = "assemble") -> Run:
    """Ask these, one after the other."""

    def run(path: str, answers: Counter[str]) -> None:
        ask(path, [request(method, **one) for one in params], answers)

    return run


def flood(
    lines: Sequence[bytes], answers: Counter[str], path: str, *, clients: int, reads: bool, seconds: float
) -> None:
    """Many connections send these lines again and again without waiting; they read, or not."""
    deadline_s = time.monotonic() + seconds
    counted = threading.Lock()

    def one() -> None:
        mine: Counter[str] = Counter()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(0.2)
            peer.connect(path)
            unsent = held = b""
            while time.monotonic() < deadline_s:
                unsent = unsent or b"".join(lines)
                with contextlib.suppress(TimeoutError):
                    unsent = unsent[peer.send(unsent) :]
                    if reads:
                        held += peer.recv(1 << 20)
                        *whole, held = held.split(b"\n")
                        mine.update(told(each + b"\n") for each in whole)
        with counted:
            answers.update(mine)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- texts ----------------------------------------------------------------------------------------


def write(library: Path, name: str, text: str) -> str:
    """Write a component; returns its id."""
    path = library / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def noise(size: int, seed: int = 1, letters: str = string.ascii_letters + string.digits + "+/") -> str:
    """Random text without a place to cut."""
    return "".join(random.Random(seed).choices(letters, k=size))


def file(name: str, text: Callable[[], str]) -> Build:
    """One file."""
    return lambda library: (write(library, name, text()), None)[1]


# -- one request ----------------------------------------------------------------------------------

attack("200,000 > and a word, conservative", file("quotes.md", lambda: ">" * 200_000 + " word\n"))(
    each({"name": "quotes.md", "strategy": "conservative"})
)


def _references(library: Path) -> None:
    write(library, "many/b.md", "word " * 180_000)
    write(library, "many/references.md", "@&b.md\n" * 10_000)


attack("10,000 references to a file of 900 KB", _references)(each({"name": "many/references.md"}))


def _slots(library: Path) -> None:
    write(library, "slots/x.md", "---\nvariables: [x]\n---\n" + "{x}" * 340_000)
    write(library, "slots/fourteen.md", "<include>slots/x.md</include>\n" * 14)


attack("14 includes of a file of 340,000 slots", _slots)(
    each(
        {"name": "slots/fourteen.md", "variables": {"x": "a"}},
        {"name": "slots/x.md", "variables": {"x": "b"}},
    )
)


def _tentative(library: Path) -> None:
    write(library, "tentative/a.md", "@a " * 10_000)
    write(library, "tentative/main.md", "<include>tentative/a.md</include>\n" * 200)


attack("200 includes of 10,000 tentative words", _tentative)(each({"name": "tentative/main.md"}))


def _complete(library: Path) -> None:
    names = [f"complete/c{at}.md" for at in range(300)]
    for name in names:
        write(library, name, "".join(f"<include>{other}</include>\n" for other in names if other != name))


@attack("300 files that include each other completely", _complete)
def _dense(path: str, answers: Counter[str]) -> None:
    for method, params in (
        ("check", {}),
        ("graph", {}),
        ("dependents", {"name": "complete/c7.md"}),
        ("dependencies", {"name": "complete/c7.md"}),
        ("assemble", {"name": "complete/c7.md"}),
    ):
        ask(path, [request(method, **params)], answers)


def _places(library: Path) -> None:
    write(library, "places/forty.md", "---\nvariables: [x]\n---\n" + "a {x} b\n" * 40)
    write(library, "places/ten_thousand.md", "---\nvariables: [x]\n---\n" + "{x}\n" * 10_000)
    write(library, "places/one.md", "---\nvariables: [x]\n---\n{x}\n")


attack("1 MB of noise in 40 places", _places)(
    each({"name": "places/forty.md", "variables": {"x": noise(1_000_000)}})
)
attack("200 KB in 10,000 places", _places)(
    each({"name": "places/ten_thousand.md", "variables": {"x": "word " * 40_000}})
)
attack("1 MB counted: noise, letters, Han, line ends", _places)(
    each(
        *(
            {"name": "places/one.md", "variables": {"x": text}}
            for text in (noise(1_000_000), "a" * 1_000_000, "漢" * 340_000, "\n" * 500_000, " " * 1_000_000)
        )
    )
)


def _directives(library: Path) -> None:
    for at in range(100):
        lines = "".join(f"<include>directives/none{at}-{line}.md</include>\n" for line in range(10_000))
        write(library, f"directives/d{at}.md", lines)
    write(
        library,
        "directives/all.md",
        "".join(f"<include>directives/d{at}.md</include>\n" for at in range(100)),
    )


attack("100 files of 10,000 directives", _directives)(each({"name": "directives/all.md"}))


def _diamonds(library: Path) -> None:
    for level in range(20):
        write(library, f"diamond/d{level}.md", f"<include>diamond/d{level + 1}.md</include>\n" * 2)
    write(library, "diamond/d20.md", "word\n")


@attack("include diamonds 20 deep, pipelined", _diamonds)
def _pipelined(path: str, answers: Counter[str]) -> None:
    lines = [request("assemble", name="diamond/d0.md", variables={"n": str(at)}) for at in range(16)]
    _pipeline(path, lines, answers)


def _pipeline(path: str, lines: Sequence[bytes], answers: Counter[str]) -> None:
    """All lines at once, then all answers."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(path)
        sender = threading.Thread(target=lambda: _quietly(peer, b"".join(lines)), daemon=True)
        sender.start()
        try:
            for _, line in zip(lines, peer.makefile("rb"), strict=False):
                answers[told(line)] += 1
        except OSError:
            answers["no answer"] += 1


def _quietly(peer: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        peer.sendall(data)


def _thousand(library: Path) -> None:
    for at in range(1_000):
        write(library, f"thousand/t{at}.md", f"# Part {at}\n\n" + "Some words of it.\n" * 20)


attack("components: 1,000 names", _thousand)(
    each(
        *(
            {
                "components": [f"thousand/t{(at + shift) % 1_000}.md" for at in range(1_000)],
                "variables": {"n": shift},
            }
            for shift in range(5)
        )
    )
)


def _crowded(library: Path) -> None:
    for at in range(10_000):
        write(library, f"crowd/{at % 100}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{at}.md", f"# {at}\n")


attack("a glob of many stars over 10,000 files", _crowded)(
    each({"glob": "crowd/**/" + "*a" * 14 + "*b.md"}, {"glob": "**/" * 20 + "*a*a*a*a*a*a*x"}, method="list")
)

attack(
    "1,000,000 headings before the section",
    lambda library: (
        write(library, "headings/h.md", "# a\n" * 240_000 + "# the one\ntext\n"),
        write(library, "headings/main.md", "<include>headings/h.md#the one</include>\n"),
        None,
    )[2],
)(each({"name": "headings/main.md"}, {"name": "headings/main.md", "strategy": "balanced"}))

SHAPES = {
    "attributes": '<include a="b" ' * 2_700,
    "blanks": "# a" + " " * 40_000 + "b\n",
    "closing": "# a" + " #" * 20_000 + "b\n",
    "pre": "<pre>" * 8_000,
    "stars": "a*" * 20_000,
    "underscores": "_a" * 20_000,
    "padding": "|" + " " * 39_000 + "|\n|---|\n",
    "cells": "|a" * 20_000 + "\n" + "|-" * 20_000 + "\n",
    "dots": "." * 40_000 + "a",
    "json": '```json\n{"a": "' + "\\" * 40_000 + "\n```\n",
    "brackets": "[" * 40_000,
    "links": "[a](" * 10_000,
    "comments": "<!--" * 10_000,
    "ticks": "".join("`" * at + " " for at in range(280)),
    "braces": "{{" * 20_000,
    "dollars": "$ARGUMENTS[" * 3_600,
    "entities": "&" * 40_000,
    "yaml": "---\na: " + "[" * 30_000 + "\n---\nx\n",
    "items": "".join(" " * at + "- a\n" for at in range(280)),
    "at": "@" * 40_000,
    "quotes": '"' * 40_000,
    "mails": "a@" * 20_000,
}


def _shapes(library: Path) -> None:
    for name, text in SHAPES.items():
        write(library, f"shapes/{name}.md", text)


@attack("hostile shapes of 40 KB in every strategy", _shapes)
def _shaped(path: str, answers: Counter[str]) -> None:
    for name in SHAPES:
        lines = [
            request("assemble", name=f"shapes/{name}.md", strategy=strategy, variables={"n": strategy})
            for strategy in ("none", "conservative", "balanced", "aggressive")
        ]
        lines.append(request("assemble", name=f"shapes/{name}.md", budget=5_000))
        ask(path, lines, answers)


# -- floods ---------------------------------------------------------------------------------------


def flooding(*lines: bytes, reads: bool = True, clients: int = FLOODERS, seconds: float = FLOOD_S) -> Run:
    """Clients that send these lines without end."""

    def run(path: str, answers: Counter[str]) -> None:
        flood(lines, answers, path, clients=clients, reads=reads, seconds=seconds)

    return run


attack(
    f"{FLOODERS} clients pipeline get of 1 MB and do not read",
    file("big/one.md", lambda: "words of it\n" * 85_000),
)(flooding(request("get", name="big/one.md"), reads=False))
attack(f"{FLOODERS} clients flood list of 10,000 components", _crowded)(
    flooding(request("list"), reads=False)
)
for _method in ("describe", "statistics", "health", "metrics", "configuration"):
    attack(f"{FLOODERS} clients flood {_method}")(flooding(request(_method)))


@attack("1,000 subscriptions with 1 MB of variables each", _places)
def _subscriptions(path: str, answers: Counter[str]) -> None:
    with contextlib.ExitStack() as held:
        for client in range(10):
            peer = held.enter_context(socket.socket(socket.AF_UNIX))
            peer.settimeout(PATIENCE_S)
            peer.connect(path)
            replies = peer.makefile("rb")
            for at in range(100):
                value = f"{client} {at} " + "word " * 180_000
                try:
                    peer.sendall(request("subscribe", name="places/one.md", variables={"x": value}))
                    answers[told(replies.readline())] += 1
                except OSError:
                    answers["no answer"] += 1
                    break


@attack("40,000 unknown names of 1 KB")
def _unknown(path: str, answers: Counter[str]) -> None:
    ask(path, (request("assemble", name=noise(1_000, at)) for at in range(2_000)), answers)


@attack("unused variables of 1 MB, remembered")
def _unused(path: str, answers: Counter[str]) -> None:
    lines = (
        request("assemble", name="ordinary/main.md", variables={f"v{at}": noise(900_000, at)})
        for at in range(60)
    )
    ask(path, (line for line in lines for _ in range(2)), answers)


@attack("256 connections that come and go")
def _connections(path: str, answers: Counter[str]) -> None:
    deadline_s = time.monotonic() + FLOOD_S
    while time.monotonic() < deadline_s:
        with contextlib.ExitStack() as held:
            for _ in range(256):
                peer = held.enter_context(socket.socket(socket.AF_UNIX))
                peer.setblocking(False)
                with contextlib.suppress(OSError):
                    peer.connect(path)
                    answers["connected"] += 1
