"""The load client: compiles load_client.c on first use, runs it, and reads its report.

It is C because a client in Python is slower than the servers it would measure. The program is kept below
.cache/ under a name made of its source, so a change of the source compiles it again. Each result says how
much of a core the client used: `table.unless_client_bound` refuses a ratio where that was nearly all of one.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Missing

SOURCE = Path(__file__).with_name("load_client.c")
CACHE = Path(__file__).parents[1] / ".cache" / "benchmarks"
COMPILERS = ("cc", "gcc", "clang")
OPTIONS = ("-O2", "-std=gnu11")
NO_COMPILER = "needs a C compiler: apt install gcc"
WARM_UP_S = 0.2
COMPILE_S = 60.0
GRACE_S = 30.0  # what the client may take beyond its own limits before it is ended


@dataclass(frozen=True, slots=True)
class Target:
    """A server to load: its socket, what to send it, and how to know a good reply.

    `starts` is how each good reply begins; it ends with its line, or after `reply_bytes` where that is not 0.
    """

    path: str
    requests: Sequence[bytes]
    starts: bytes
    reply_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One run: requests a second, percentiles of latency in µs, and the cores the client used (0 to 1)."""

    rate: float
    p50_us: float
    p99_us: float
    p99_9_us: float
    max_us: float
    client_cores: float


@dataclass(frozen=True, slots=True)
class LoadClient:
    """The compiled client."""

    binary: Path

    def run(
        self,
        target: Target,
        connections: int,
        seconds: float,
        *,
        warm_up_s: float = WARM_UP_S,
        is_once: bool = False,
    ) -> Result:
        """Keep one request in flight on each connection for `seconds`, after a warm-up that is not counted.

        The requests are sent in turn and round again; with `is_once` none is sent twice, and the run ends
        early when they are used up. Raises RuntimeError if the server closes or is silent, or for any reply
        that does not begin as a good one.
        """
        command: list[str | bytes] = [str(self.binary), "--socket", target.path, "--starts", target.starts]
        command += ["--connections", str(connections), "--seconds", str(seconds), "--warm-up", str(warm_up_s)]
        command += ["--reply-bytes", str(target.reply_bytes)] if target.reply_bytes else []
        command += ["--once"] if is_once else []
        sent = b"".join(b"%d\n%b" % (len(request), request) for request in target.requests)
        limit_s = seconds + warm_up_s + GRACE_S
        done = subprocess.run(command, input=sent, capture_output=True, timeout=limit_s, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip())
        return _result(done.stdout)


def _result(printed: bytes) -> Result:
    report = json.loads(printed)
    if report["errors"]:
        raise RuntimeError(
            f"{report['errors']} of {report['sent']} replies were wrong, the first: {report['first_error']}"
        )
    cores = (report["user_s"] + report["system_s"]) / report["wall_s"]
    return Result(
        rate=report["requests_per_s"],
        p50_us=report["p50_us"],
        p99_us=report["p99_us"],
        p99_9_us=report["p99_9_us"],
        max_us=report["max_us"],
        client_cores=cores,
    )


def compiled(source: Path = SOURCE, cache: Path = CACHE) -> LoadClient:
    """The client, compiled if it is not yet. Raises Missing without a working C compiler."""
    text = source.read_bytes()
    made_of = hashlib.sha256(b"\0".join((text, *map(str.encode, (*OPTIONS, platform.machine()))))).hexdigest()
    binary = cache / f"load_client-{made_of[:16]}"
    if not binary.exists():
        _compile(source, binary)
    return LoadClient(binary)


def _compile(source: Path, binary: Path) -> None:
    """Under another name first, so that half a program is never run; those of older sources are removed."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise Missing(NO_COMPILER)
    binary.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=binary.parent) as directory:
        made = f"{directory}/{binary.name}"
        command = [compiler, *OPTIONS, "-o", made, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S, check=False)
        if done.returncode:
            raise Missing(f"{NO_COMPILER} (with {compiler}: {_first_error(done.stderr)})")
        for old in binary.parent.glob("load_client-*"):
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
        os.replace(made, binary)


def _first_error(said: str) -> str:
    """The line that matters: a compiler without the C library's headers says it in the first error."""
    said_lines = said.strip().splitlines() or ["no reason given"]
    return next((line for line in said_lines if "error" in line), said_lines[0])
