"""Every key of the configuration: its type, bounds, default, unit, and the sentence that explains it.

Frozen records and nothing else: no file, no environment, no rule that spans two keys (those are in
config.py). The description of each key is the comment in config.example.toml, which a test holds
against this file. A number's unit is the end of its name (`_bytes`, `_ms`, `_s`) or in its description.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

MIB = 1_048_576


class FileMode(int):
    """Permission bits, written in TOML as octal text ("0600") so that nobody writes decimal 600."""

    def __str__(self) -> str:
        return f"{int(self):04o}"

    __repr__ = __str__

    @classmethod
    def parse(cls, text: object) -> "FileMode":
        """Read "0600"; ValueError unless it is octal text with owner read and write."""
        if not isinstance(text, str) or not text.isascii() or not text.isdigit():
            raise ValueError(text)
        mode = cls(text, 8)
        if mode > 0o777 or mode & 0o600 != 0o600:
            raise ValueError(text)
        return mode


def _says(description: str, unit: str = "", **bounds: Any) -> Meta:
    return Meta(description=description, extra={"unit": unit}, **bounds)


Text = Annotated[str, Meta(min_length=1)]
PathText = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z", extra={"expects": "a path"})]
Suffix = Annotated[str, Meta(pattern=r"\A\.[^/\x00]+\Z", extra={"expects": 'an ending such as ".md"'})]
DialectName = Literal["include", "component", "front-matter", "at-import"]
DIALECTS: tuple[DialectName, ...] = ("include", "component", "front-matter", "at-import")


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class RootConfig(_Section, frozen=True):
    """A library directory; several are searched in the order written."""

    path: Annotated[
        PathText,
        _says("directory; `~` is expanded, a relative one starts at this file's directory", min_length=1),
    ]
    dialects: Annotated[tuple[DialectName, ...], _says("ways of writing a directive that are read here")] = (
        DIALECTS
    )
    arguments_base: Annotated[
        int, _says("the first argument is `$0` (Claude Code) or `$1` (Codex)", "number", ge=0, le=1)
    ] = 0


class LibraryConfig(_Section, frozen=True):
    """What belongs to the library and how its directives are read."""

    suffixes: Annotated[tuple[Suffix, ...], _says("endings of component files")] = (
        ".md",
        ".markdown",
        ".mdc",
        ".txt",
        ".prompt",
    )
    ignore: Annotated[
        tuple[Text, ...], _says("names of files and directories that are passed over, as shell patterns")
    ] = (
        *(".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"),
        *("*~", "*.swp", "*.swx", ".#*", "..*", "*.tmp"),
    )
    missing: Annotated[
        Literal["warn", "error", "keep"],
        _says("an include without a file: leave it out and warn, refuse the prompt, or keep the directive"),
    ] = "warn"
    shell: Annotated[
        Literal["keep", "replace"],
        _says("shell commands in components, never run: keep as text, or replace by a notice"),
    ] = "keep"
    once: Annotated[bool, _says("include each component once in a prompt, at its first place")] = False
    max_depth: Annotated[int, _says("longest chain of includes", "files", ge=1, le=500)] = 64
    max_import_hops: Annotated[
        int, _says("longest chain of `@` imports; Claude Code stops at 4", "files", ge=1, le=500)
    ] = 4
    aliases: Annotated[
        dict[Text, str],
        _says('written prefixes and their places in the library ("" is its root): { "~/x" = "shared/x" }'),
    ] = field(default_factory=dict)
    variables: Annotated[
        dict[Text, str], _says('values for `{name}` where a request gives none: { company = "ACME" }')
    ] = field(default_factory=dict)
    prompts: Annotated[
        tuple[Text, ...],
        _says("ids that are asked for by name, so that `promptd check` does not call them unused"),
    ] = ("commands/**", "agents/**", "prompts/**", "skills/**")
    max_component_bytes: Annotated[int, _says("largest component file", ge=1, le=256 * MIB)] = MIB
    max_prompt_bytes: Annotated[int, _says("largest assembled prompt", ge=1, le=1024 * MIB)] = 16 * MIB
    max_files: Annotated[int, _says("most files in all roots together", "files", ge=1, le=10_000_000)] = (
        200_000
    )


class CacheConfig(_Section, frozen=True):
    """What is kept in memory."""

    entries: Annotated[int, _says("most components held", "components", ge=1, le=10_000_000)] = 200
    bytes: Annotated[int, _says("most bytes of components held", "bytes", ge=0, le=1 << 40)] = 150_000_000
    prompt_entries: Annotated[int, _says("most assembled prompts held", "prompts", ge=0, le=10_000_000)] = 500
    prompt_bytes: Annotated[int, _says("most bytes of assembled prompts held", ge=0, le=1 << 40)] = 64_000_000
    hot_set: Annotated[
        int, _says("components kept pinned and pre-loaded", "components", ge=0, le=1_000_000)
    ] = 50
    hot_half_life_s: Annotated[
        float, _says("time after which a use counts half for the hot set", gt=0, le=31_536_000)
    ] = 86_400.0


class LoadingConfig(_Section, frozen=True):
    """How components are read; the number of workers follows the measured latency of reads."""

    min_workers: Annotated[int, _says("fewest threads that read", "threads", ge=1, le=256)] = 1
    max_workers: Annotated[int, _says("most threads that read", "threads", ge=1, le=256)] = 8


class WatchConfig(_Section, frozen=True):
    """The watcher warms caches early; a reply is right without it."""

    enabled: Annotated[bool, _says("watch the roots for changes")] = True
    step_ms: Annotated[int, _says("how often events are collected", ge=1, le=60_000)] = 25
    settle_ms: Annotated[int, _says("quiet time before a batch of changes is applied", ge=0, le=60_000)] = 5
    max_settle_ms: Annotated[
        int, _says("a batch is applied after this time even without quiet", ge=0, le=600_000)
    ] = 500
    reconcile_s: Annotated[
        float, _says("how often everything is compared with the disk", ge=0.1, le=86_400)
    ] = 30.0
    scan_s: Annotated[
        float,
        _says("the same where events cannot be relied on, such as NFS, FUSE and overlays", ge=0.1, le=86_400),
    ] = 2.0


class ServeConfig(_Section, frozen=True):
    """The socket and its limits."""

    socket: Annotated[
        PathText,
        _says(
            'path of the socket; "" is $XDG_RUNTIME_DIR/promptd/promptd.sock, or /run/promptd/promptd.sock'
        ),
    ] = ""
    socket_mode: Annotated[FileMode, _says("permission bits of the socket as octal text")] = FileMode(0o600)
    allow_uids: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=4_294_967_294)], ...],
        _says("user ids that may connect, besides the daemon's own and root"),
    ] = ()
    max_connections: Annotated[int, _says("most connections at once", "connections", ge=1, le=65_536)] = 256
    max_connections_per_uid: Annotated[
        int, _says("most connections of one user", "connections", ge=1, le=65_536)
    ] = 64
    max_in_flight: Annotated[
        int, _says("most unanswered requests of one connection", "requests", ge=1, le=65_536)
    ] = 32
    max_request_bytes: Annotated[int, _says("longest request line", ge=1024, le=256 * MIB)] = MIB
    max_reply_bytes: Annotated[int, _says("longest reply line", ge=1024, le=1024 * MIB)] = 16 * MIB
    max_json_depth: Annotated[int, _says("deepest nesting of a request", "brackets", ge=4, le=512)] = 64
    first_byte_s: Annotated[
        float, _says("a new connection must send something within this time", gt=0, le=86_400)
    ] = 5.0
    frame_s: Annotated[float, _says("a begun request line must end within this time", gt=0, le=86_400)] = 10.0
    stall_s: Annotated[
        float, _says("a peer that does not read its replies is dropped after this time", gt=0, le=86_400)
    ] = 10.0
    stop_s: Annotated[
        float,
        _says("time for stopping; requests in flight get seven tenths of it", ge=0, le=3_600),
    ] = 5.0


Price = Annotated[float, Meta(ge=0, le=1_000_000)]


class ModelConfig(_Section, frozen=True):
    """One model: what a million tokens cost, in any currency, and how it counts and caches."""

    input: Price = 0.0
    cached_read: Price = 0.0
    cache_write: Price = 0.0
    calibration: Annotated[float, Meta(gt=0, le=100)] = 1.0
    cache_min_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_024


class TokensConfig(_Section, frozen=True):
    """How tokens are counted, saved and paid for."""

    encoding: Annotated[
        Literal["o200k_base", "cl100k_base", "o200k_harmony", "p50k_base", "p50k_edit", "r50k_base"],
        _says("vocabulary of tiktoken; the first two come with promptd, others from tiktoken's own cache"),
    ] = "o200k_base"
    max_context_tokens: Annotated[
        int, _says("a prompt with more tokens than this is refused", ge=1, le=1_000_000_000)
    ] = 128_000
    strategy: Annotated[
        Text,
        _says("used where a request names none: none, conservative, balanced, aggressive or one of your own"),
    ] = "none"
    strategies: Annotated[
        dict[Text, tuple[Text, ...]],
        _says(
            'strategies of your own, each a list of passes in order: { tidy = ["comments", "blank_lines"] }'
        ),
    ] = field(default_factory=dict)
    target_reduction: Annotated[
        float,
        _says("lossy strategies stop when they have saved this share of the tokens", "share", ge=0, le=1),
    ] = 0.45
    quality_floor: Annotated[
        float, _says("lossy strategies keep at least this share of the information", "share", ge=0, le=1)
    ] = 0.95
    reserve_tokens: Annotated[
        int, _says("what a budget keeps free for the model's output", ge=0, le=1_000_000_000)
    ] = 0
    model: Annotated[
        str, _says("the model of `models` that costs are stated for where a request names none")
    ] = ""
    models: Annotated[
        dict[Text, ModelConfig],
        _says(
            "prices of a million tokens, the factor by which a model counts more than `encoding`, and the"
            ' fewest tokens it caches: { "claude-sonnet-4-5" = { input = 3.0, cached_read = 0.3, cache_write'
            " = 3.75, calibration = 1.2, cache_min_tokens = 1024 } }"
        ),
    ] = field(default_factory=dict)


class MonitorConfig(_Section, frozen=True):
    """What the daemon says of itself."""

    snapshot_s: Annotated[
        float, _says("how often health.json and metrics.prom are written", ge=0.1, le=86_400)
    ] = 10.0
    sample_s: Annotated[
        float, _says("how often everything is measured and alerts are judged", ge=0.1, le=60)
    ] = 5.0
    history_s: Annotated[float, _says("how often a line of history.jsonl is written", ge=1, le=86_400)] = 60.0
    history_bytes: Annotated[
        int, _says("history.jsonl becomes history.jsonl.1 at this size", ge=4096, le=1 << 40)
    ] = 4_000_000


class TargetsConfig(_Section, frozen=True):
    """What is expected of the daemon; a target of 0 is none."""

    response_ms_max: Annotated[
        float, _says("95 of 100 prompts take no longer", "milliseconds", ge=0, le=86_400_000)
    ] = 100.0
    response_ms_optimal: Annotated[
        float, _says("beyond this there is something to gain", "milliseconds", ge=0, le=86_400_000)
    ] = 50.0
    hit_ratio_min: Annotated[
        float, _says("at least this share of prompts is served from memory", "share", ge=0, le=1)
    ] = 0.75
    hit_ratio_optimal: Annotated[
        float, _says("below this there is something to gain", "share", ge=0, le=1)
    ] = 0.85
    error_ratio_max: Annotated[
        float,
        _says("at most this share of requests fails through no fault of the client", "share", ge=0, le=1),
    ] = 0.01
    memory_bytes_max: Annotated[int, _says("most resident memory", "bytes", ge=0, le=1 << 50)] = 200_000_000
    load_ms_max: Annotated[
        float,
        _says("95 of 100 components are read and parsed in this time", "milliseconds", ge=0, le=86_400_000),
    ] = 50.0
    reduction_min: Annotated[
        float, _says("a strategy saves at least this share of the tokens", "share", ge=0, le=1)
    ] = 0.30
    reduction_max: Annotated[float, _says("and at most this share", "share", ge=0, le=1)] = 0.60


class AlertsConfig(_Section, frozen=True):
    """When something is said to be wrong, and to whom besides the log, the snapshot and subscribers."""

    hold_s: Annotated[float, _says("a condition is raised once it has held this long", ge=0, le=86_400)] = (
        60.0
    )
    clear_s: Annotated[float, _says("and cleared once it was better this long", ge=0, le=86_400)] = 120.0
    hysteresis: Annotated[
        float, _says("better means better than the bound by this share of it", "share", ge=0, le=1)
    ] = 0.05
    warmup_s: Annotated[
        float, _says("what happens this long after the start is not judged", ge=0, le=86_400)
    ] = 120.0
    min_samples: Annotated[
        int,
        _says(
            "a window with fewer observations is not judged; a longer one is",
            "observations",
            ge=1,
            le=1_000_000,
        ),
    ] = 20
    history: Annotated[int, _says("events kept in the snapshot", "events", ge=0, le=10_000)] = 100
    command: Annotated[
        tuple[Text, ...],
        _says('program and arguments, run for each event with the event as JSON on its input: ["notify"]'),
    ] = ()
    command_timeout_s: Annotated[float, _says("the command is killed after this time", gt=0, le=3_600)] = 10.0


class StateConfig(_Section, frozen=True):
    """Where the daemon keeps what outlives it: use counts and the health snapshot."""

    directory: Annotated[
        PathText,
        _says('directory; "" is $STATE_DIRECTORY, else $XDG_STATE_HOME/promptd, else ~/.local/state/promptd'),
    ] = ""


class LogConfig(_Section, frozen=True):
    """Logs go to standard error and never contain a prompt's text."""

    format: Annotated[
        Literal["auto", "console", "json"], _says("auto is console on a terminal and JSON elsewhere")
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], _says("least severity that is written")
    ] = "info"


class Config(_Section, frozen=True):
    """The whole configuration, effective and frozen; paths in it are absolute."""

    roots: tuple[RootConfig, ...] = ()
    library: LibraryConfig = LibraryConfig()
    cache: CacheConfig = CacheConfig()
    loading: LoadingConfig = LoadingConfig()
    watch: WatchConfig = WatchConfig()
    serve: ServeConfig = ServeConfig()
    tokens: TokensConfig = TokensConfig()
    monitor: MonitorConfig = MonitorConfig()
    targets: TargetsConfig = TargetsConfig()
    alerts: AlertsConfig = AlertsConfig()
    state: StateConfig = StateConfig()
    log: LogConfig = LogConfig()


SECTIONS: Mapping[str, type[_Section]] = {
    "roots": RootConfig,
    "library": LibraryConfig,
    "cache": CacheConfig,
    "loading": LoadingConfig,
    "watch": WatchConfig,
    "serve": ServeConfig,
    "tokens": TokensConfig,
    "monitor": MonitorConfig,
    "targets": TargetsConfig,
    "alerts": AlertsConfig,
    "state": StateConfig,
    "log": LogConfig,
}
