"""The servers that are measured: promptd, and those a user might take instead. Each runs as a child process.

Each context manager starts one server below a temporary directory, waits until it answers, and ends it.
A peer that is not installed raises Missing; the table then says so instead of a figure.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START_S = 60.0
REPLY_S = 10.0


class Missing(Exception):
    """What a figure needs is not installed; says what, and how to install it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A source tree of promptd and the interpreter that has what it needs."""

    directory: str
    python: str


THIS_TREE = Tree(str(Path(__file__).parents[1]), sys.executable)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running promptd: its socket, its process, and how many seconds it took to be READY."""

    path: str
    process: subprocess.Popen[bytes]
    ready_s: float

    def ask(self, method: str, **params: object) -> dict[str, object]:
        """One request over a connection of its own; the result."""
        with lines(self.path) as ask:
            reply = json.loads(ask(request(method, **params)))
        if "error" in reply:
            raise RuntimeError(f"{method} failed: {reply['error']}")
        result: dict[str, object] = reply["result"]
        return result


def request(method: str, **params: object) -> bytes:
    """A request line as a client writes it."""
    line = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def success_start(reply: bytes) -> bytes:
    """How each good JSON-RPC reply begins, taken from one of them: everything up to its result.

    Raises RuntimeError for a reply that is an error.
    """
    if "result" not in json.loads(reply):
        raise RuntimeError(f"not a result: {reply[:200]!r}")
    before, key, _ = reply.partition(b'"result":')
    return before + key


@contextlib.contextmanager
def lines(path: str) -> Iterator[Callable[[bytes], bytes]]:
    """A connection on which one line after another is asked; yields what sends one and returns its reply."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(REPLY_S)
        peer.connect(path)
        with peer.makefile("rb") as replies:

            def ask(line: bytes) -> bytes:
                peer.sendall(line)
                return replies.readline()

            yield ask


def reply_of(path: str, request: bytes, ends: Callable[[bytes], bool]) -> bytes:
    """One reply, read until `ends` says that it is whole."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(REPLY_S)
        peer.connect(path)
        peer.sendall(request)
        reply = b""
        while not ends(reply):
            piece = peer.recv(1 << 20)
            if not piece:
                raise RuntimeError(f"the server ended a reply early: {reply[:200]!r}")
            reply += piece
        return reply


def replies_at_once(path: str, requests: Sequence[bytes]) -> list[bytes]:
    """The reply lines to requests that are all sent, each on a connection of its own, before any is read."""
    with contextlib.ExitStack() as stack:
        asked = []
        for request in requests:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.settimeout(REPLY_S)
            peer.connect(path)
            peer.sendall(request)
            asked.append(stack.enter_context(peer.makefile("rb")))
        return [replies.readline() for replies in asked]


@contextlib.contextmanager
def promptd(
    library: str, directory: str, *options: str, wait: bool = True, tree: Tree = THIS_TREE
) -> Iterator[Daemon]:
    """The daemon on a library, READY (measured from before its interpreter starts) unless `wait` is False.

    It runs in the directory of its tree: that is where `python -m` looks for it first.
    """
    path, state = f"{directory}/p.sock", f"{directory}/state"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{directory}/notify")
    notify.bind(f"{directory}/notify")
    notify.settimeout(START_S)
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": f"{directory}/notify",
        "PROMPTD_STATE_DIRECTORY": state,
        "PROMPTD_LOG_LEVEL": "warning",
    }
    command = [tree.python, "-m", "promptd", "serve", library, "--socket", path, *options]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=tree.directory, stdout=subprocess.DEVNULL)
    try:
        while wait and b"READY=1" not in notify.recv(4096):
            pass
        yield Daemon(path, process, time.perf_counter() - started)
    finally:
        notify.close()
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, and see to it that it does."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def redis(directory: str, value: bytes) -> Iterator[str]:
    """Redis with the value under the key `k`; yields its socket."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise Missing("redis-server is not installed")
    path = f"{directory}/redis.sock"
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", directory]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    try:
        _await_socket(path)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            peer.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (len(value), value))
            if peer.recv(64) != b"+OK\r\n":
                raise RuntimeError("Redis did not take the value")
        yield path
    finally:
        end(process)


@contextlib.contextmanager
def nginx(directory: str, value: bytes) -> Iterator[str]:
    """One worker of nginx with the value as a file; yields its socket."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        raise Missing("nginx is not installed")
    path = f"{directory}/nginx.sock"
    Path(directory, "prompt.json").write_bytes(value)
    Path(directory, "nginx.conf").write_text(_NGINX.format(path=path, directory=directory))
    command = [binary, "-p", directory, "-c", f"{directory}/nginx.conf", "-e", f"{directory}/nginx.log"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _await_socket(path)
        yield path
    finally:
        end(process)


_NGINX = """
{user}daemon off; worker_processes 1; pid {{directory}}/nginx.pid; error_log {{directory}}/nginx.log;
events {{{{ worker_connections 512; }}}}
http {{{{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10;
    client_body_temp_path {{directory}}/b; proxy_temp_path {{directory}}/p; fastcgi_temp_path {{directory}}/f;
    uwsgi_temp_path {{directory}}/u; scgi_temp_path {{directory}}/s;
    server {{{{ listen unix:{{path}}; root {{directory}}; }}}}
}}}}
""".format(user="user root;\n" if os.geteuid() == 0 else "")


@contextlib.contextmanager
def floor(directory: str, reply: bytes, what: str, paths: Sequence[str]) -> Iterator[str]:
    """The bare server of floor.py; yields its socket."""
    path = f"{directory}/{what}.sock"
    Path(directory, "reply").write_bytes(reply)
    command = [sys.executable, "-m", "benchmarks.floor", path, f"{directory}/reply", what, *paths]
    process = subprocess.Popen(command)
    try:
        _await_socket(path)
        yield path
    finally:
        end(process)


def _await_socket(path: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens at {path}")


class Mcp:
    """An MCP prompt server on the official SDK, over stdio as its users run it; asked with plain lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        }
        self._ask(0, "initialize", hello)
        self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def get(self, id: int) -> str:
        """The text of the prompt."""
        reply = self._ask(id, "prompts/get", {"name": "main", "arguments": {}})
        text: str = reply["result"]["messages"][0]["content"]["text"]
        return text

    def get_raw(self, id: int) -> bytes:
        """One reply line, not decoded: what is timed."""
        self._say({"jsonrpc": "2.0", "id": id, "method": "prompts/get", "params": {"name": "main"}})
        return self._line()

    def _ask(self, id: int, method: str, params: dict[str, object]) -> dict[str, dict[str, list[dict]]]:
        self._say({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return json.loads(self._line())  # type: ignore[no-any-return]

    def _say(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


async def mcp_times_us(directory: str, times: int) -> list[float]:
    """Microseconds of each `get_prompt` of the SDK's own client, to a server that it has started."""
    import mcp

    command = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "benchmarks.mcp_server", f"{directory}/prompt.txt"]
    )
    took: list[float] = []
    async with mcp.stdio_client(command) as (reader, writer), mcp.ClientSession(reader, writer) as session:
        await session.initialize()
        for _ in range(times):
            started = time.perf_counter()
            await session.get_prompt("main", {})
            took.append((time.perf_counter() - started) * 1e6)
    return took


@contextlib.contextmanager
def mcp(directory: str, text: str) -> Iterator[Mcp]:
    """The MCP server of mcp_server.py, which holds the text in memory."""
    try:
        import mcp as _  # noqa: F401
    except ImportError as problem:
        raise Missing("mcp is not installed (pip install '.[bench]')") from problem
    Path(directory, "prompt.txt").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.mcp_server", f"{directory}/prompt.txt"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield Mcp(process)
    finally:
        end(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
