"""Every key of the configuration: its type, bounds, default, unit, and the sentence that explains it.

Frozen records and nothing else: no file, no environment, no rule that spans two keys (those are in the
package's `__init__`). The description of each key is the comment in config.example.toml, which a test holds
against this file. A key holds a plain number; its unit is in its type (`Seconds`, `Milliseconds`, `Bytes`) or
in its description. Durations and sizes may be written as text in any unit ("25ms", "150MB": units.py).
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from promptd.config.types import (
    Bytes,
    FileMode,
    FractionalMilliseconds,
    Milliseconds,
    PathText,
    Seconds,
    Suffix,
    Text,
    says,
)

MIB = 1_048_576


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class RootConfig(_Section, frozen=True):
    """A library directory; several are searched in the order written."""

    path: Annotated[
        PathText,
        says("directory; `~` is expanded, a relative path starts at this file's directory", min_length=1),
    ]
    dialects: Annotated[
        tuple[Text, ...], says("directive syntaxes that are recognised here; `all` stands for every dialect")
    ] = ("all",)
    imports: Annotated[
        Literal["inline", "after", "marked"],
        says("text of an `@` import inside a line: in its place, after the file, or marked by comments"),
    ] = "after"
    arguments_base: Annotated[
        int, says("the first argument is `$0` (Claude Code) or `$1` (Codex)", "number", ge=0, le=1)
    ] = 0


class LibraryConfig(_Section, frozen=True):
    """Which files belong to the library and how their directives are read."""

    suffixes: Annotated[tuple[Suffix, ...], says("endings of component files")] = (
        ".md",
        ".markdown",
        ".mdc",
        ".txt",
        ".prompt",
    )
    ignore: Annotated[
        tuple[Text, ...], says("names of files and directories to ignore, as shell patterns")
    ] = (
        *(".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"),
        *("*~", "*.swp", "*.swx", ".#*", "..*", "*.tmp"),
    )
    missing: Annotated[
        Literal["warn", "error", "keep"],
        says("an include whose file is missing: omit it with a warning, fail, or keep the directive"),
    ] = "warn"
    shell: Annotated[
        Literal["keep", "replace"],
        says("shell commands in components are never run: keep them as text or replace them by a notice"),
    ] = "keep"
    once: Annotated[
        bool, says("include each component only once in a prompt, where it is included first")
    ] = False
    max_depth: Annotated[int, says("maximum depth of nested includes", "files", ge=1, le=500)] = 64
    max_import_hops: Annotated[
        int, says("maximum depth of nested `@` imports; Claude Code allows 4", "files", ge=1, le=500)
    ] = 4
    aliases: Annotated[
        dict[Text, str],
        says('path prefixes and what they mean in the library ("" is its root): { "~/x" = "shared/x" }'),
    ] = field(default_factory=dict)
    variables: Annotated[
        dict[Text, str],
        says('default values of `{name}` where a request gives none: { company = "ACME" }'),
    ] = field(default_factory=dict)
    prompts: Annotated[
        tuple[Text, ...],
        says("ids that are requested by name, so that `promptd check` does not report them as unused"),
    ] = ("commands/**", "agents/**", "prompts/**", "skills/**")
    max_component_bytes: Annotated[Bytes, says("maximum size of a component file", ge=1, le=256 * MIB)] = MIB
    max_prompt_bytes: Annotated[Bytes, says("maximum size of an assembled prompt", ge=1, le=1024 * MIB)] = (
        16 * MIB
    )
    max_files: Annotated[
        int, says("maximum number of files in all roots together", "files", ge=1, le=10_000_000)
    ] = 200_000


class CacheConfig(_Section, frozen=True):
    """Memory caches."""

    entries: Annotated[
        int, says("maximum number of components in memory", "components", ge=1, le=10_000_000)
    ] = 200
    size: Annotated[Bytes, says("maximum size of the components in memory", ge=0, le=1 << 40)] = 150_000_000
    prompt_entries: Annotated[
        int, says("maximum number of assembled prompts in memory", "prompts", ge=0, le=10_000_000)
    ] = 500
    prompt_size: Annotated[
        Bytes, says("maximum size of the assembled prompts in memory", ge=0, le=1 << 40)
    ] = 64_000_000
    hot_set: Annotated[
        int,
        says("most requested components, loaded ahead and never evicted", "components", ge=0, le=1_000_000),
    ] = 50
    hot_half_life: Annotated[
        Seconds, says("after this time a request counts half for the hot set", gt=0, le=31_536_000)
    ] = 86_400.0


class LoadingConfig(_Section, frozen=True):
    """Reading components; the number of threads follows the measured latency of reads."""

    min_workers: Annotated[int, says("minimum number of reader threads", "threads", ge=1, le=256)] = 1
    max_workers: Annotated[int, says("maximum number of reader threads", "threads", ge=1, le=256)] = 8


class WatchConfig(_Section, frozen=True):
    """Watching for changes, to update caches early; replies are up to date without it too."""

    enabled: Annotated[bool, says("watch the roots for changes")] = True
    poll_interval: Annotated[
        Milliseconds, says("how often pending file events are read", ge=1, le=60_000)
    ] = 25
    debounce: Annotated[
        Milliseconds, says("changes are applied once there were no events for this time", ge=0, le=60_000)
    ] = 5
    max_debounce: Annotated[
        Milliseconds, says("and at the latest after this time, even if events continue", ge=0, le=600_000)
    ] = 500
    rescan_interval: Annotated[
        Seconds, says("how often the whole library is compared with the disk", ge=0.1, le=86_400)
    ] = 30.0
    fallback_scan_interval: Annotated[
        Seconds,
        says(
            "the same where file events are unreliable, such as on NFS, FUSE and overlays", ge=0.1, le=86_400
        ),
    ] = 2.0


class ServeConfig(_Section, frozen=True):
    """The socket and its limits."""

    socket: Annotated[
        PathText,
        says('path of the socket; "" is $XDG_RUNTIME_DIR/promptd/promptd.sock, or /run/promptd/promptd.sock'),
    ] = ""
    socket_mode: Annotated[FileMode, says("permission bits of the socket as octal text")] = FileMode(0o600)
    allow_uids: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=4_294_967_294)], ...],
        says("user ids that may connect, besides the daemon's own and root"),
    ] = ()
    admin_uids: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=4_294_967_294)], ...],
        says("user ids that may also reload, rescan and read the configuration, besides the same two"),
    ] = ()
    max_connections: Annotated[int, says("maximum number of connections", "connections", ge=1, le=65_536)] = (
        256
    )
    max_connections_per_uid: Annotated[
        int, says("maximum number of connections of one user", "connections", ge=1, le=65_536)
    ] = 64
    max_in_flight: Annotated[
        int, says("maximum number of unanswered requests of one connection", "requests", ge=1, le=65_536)
    ] = 32
    max_request_bytes: Annotated[Bytes, says("maximum size of a request", ge=1024, le=256 * MIB)] = MIB
    max_reply_bytes: Annotated[Bytes, says("maximum size of a reply", ge=1024, le=1024 * MIB)] = 16 * MIB
    max_json_depth: Annotated[int, says("maximum nesting of a request", "brackets", ge=4, le=512)] = 64
    client_memory: Annotated[
        Bytes, says("maximum size of the replies that one user has not read yet", ge=65_536, le=1 << 40)
    ] = 32 * MIB
    memory_max: Annotated[
        Bytes,
        says(
            "resident memory above which caches are emptied and requests refused; 0 is twice the target",
            ge=0,
            le=1 << 50,
        ),
    ] = 0
    request_time: Annotated[
        Seconds, says("a request that needs more time of the processor is ended", gt=0, le=86_400)
    ] = 10.0
    first_byte_timeout: Annotated[
        Seconds, says("a new connection must send something within this time", gt=0, le=86_400)
    ] = 5.0
    request_timeout: Annotated[
        Seconds, says("a request must be complete this long after its first byte", gt=0, le=86_400)
    ] = 10.0
    write_timeout: Annotated[
        Seconds,
        says("a client that does not read its replies is disconnected after this time", gt=0, le=86_400),
    ] = 10.0
    stop_timeout: Annotated[
        Seconds, says("time for a clean stop; requests in flight get seven tenths of it", ge=0, le=3_600)
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
    """Counting tokens, saving tokens (prompt compression), and what they cost."""

    encoding: Annotated[
        Literal["o200k_base", "cl100k_base", "o200k_harmony", "p50k_base", "p50k_edit", "r50k_base"],
        says("tiktoken encoding; the first two are included, others are read from tiktoken's own cache"),
    ] = "o200k_base"
    max_context_tokens: Annotated[
        int, says("prompts with more tokens are refused", "tokens", ge=1, le=1_000_000_000)
    ] = 128_000
    strategy: Annotated[
        Text,
        says(
            "default strategy of requests: none, conservative, balanced, aggressive, progressive or one of"
            " your own"
        ),
    ] = "none"
    strategies: Annotated[
        dict[Text, tuple[Text, ...]],
        says(
            'strategies of your own, each a list of passes in order: { tidy = ["comments", "blank_lines"] };'
            " `references` does first what `progressive` does"
        ),
    ] = field(default_factory=dict)
    target_reduction: Annotated[
        float,
        says("lossy strategies and `progressive` stop at this token reduction", "share", ge=0, le=1),
    ] = 0.45
    quality_floor: Annotated[
        float, says("lossy strategies keep at least this share of the information", "share", ge=0, le=1)
    ] = 0.95
    reserve_tokens: Annotated[
        int, says("tokens of a budget reserved for the model's output", "tokens", ge=0, le=1_000_000_000)
    ] = 0
    model: Annotated[str, says("default model for costs, one of `models`")] = ""
    models: Annotated[
        dict[Text, ModelConfig],
        says(
            "prices of a million tokens, the factor by which a model counts more than `encoding`, and the"
            ' fewest tokens it caches: { "claude-sonnet-4-5" = { input = 3.0, cached_read = 0.3, cache_write'
            " = 3.75, calibration = 1.2, cache_min_tokens = 1024 } }"
        ),
    ] = field(default_factory=dict)


class MonitorConfig(_Section, frozen=True):
    """The health snapshot, the metrics and the history, all in the state directory."""

    snapshot_interval: Annotated[
        Seconds, says("how often health.json and metrics.prom are written", ge=0.1, le=86_400)
    ] = 10.0
    sample_interval: Annotated[
        Seconds, says("how often metrics are sampled and alerts are evaluated", ge=0.1, le=60)
    ] = 5.0
    history_interval: Annotated[
        Seconds, says("how often a line is added to history.jsonl", ge=1, le=86_400)
    ] = 60.0
    history_size: Annotated[
        Bytes, says("history.jsonl is rotated to history.jsonl.1 at this size", ge=4096, le=1 << 40)
    ] = 4_000_000


class TargetsConfig(_Section, frozen=True):
    """Targets for health, alerts and recommendations; 0 disables a target."""

    response_time_max: Annotated[
        FractionalMilliseconds, says("maximum response time of prompts, p95", ge=0, le=86_400_000)
    ] = 100.0
    response_time_optimal: Annotated[
        FractionalMilliseconds, says("optimal response time of prompts, p95", ge=0, le=86_400_000)
    ] = 50.0
    hit_ratio_min: Annotated[
        float, says("minimum cache hit ratio: prompts served without reading a file", "share", ge=0, le=1)
    ] = 0.75
    hit_ratio_optimal: Annotated[float, says("optimal cache hit ratio", "share", ge=0, le=1)] = 0.85
    error_ratio_max: Annotated[
        float, says("maximum share of requests with a server-side error", "share", ge=0, le=1)
    ] = 0.01
    memory_bytes_max: Annotated[Bytes, says("maximum resident memory", ge=0, le=1 << 50)] = 200_000_000
    load_time_max: Annotated[
        FractionalMilliseconds,
        says("maximum time to read and parse a component, p95", ge=0, le=86_400_000),
    ] = 50.0
    reduction_min: Annotated[
        float, says("minimum token reduction of requests with a strategy", "share", ge=0, le=1)
    ] = 0.30
    reduction_max: Annotated[
        float, says("maximum token reduction of requests with a strategy", "share", ge=0, le=1)
    ] = 0.60


class AlertsConfig(_Section, frozen=True):
    """When alerts are raised and cleared, and a command that is run for each."""

    raise_after: Annotated[
        Seconds, says("an alert is raised after its condition was true for this time", ge=0, le=86_400)
    ] = 60.0
    clear_after: Annotated[
        Seconds, says("an alert is cleared after its condition was false for this time", ge=0, le=86_400)
    ] = 120.0
    hysteresis: Annotated[
        float, says("to clear, the value must be better than the target by this share", "share", ge=0, le=1)
    ] = 0.05
    warmup: Annotated[
        Seconds, says("targets are not evaluated for this time after the start", ge=0, le=86_400)
    ] = 120.0
    min_samples: Annotated[
        int,
        says(
            "observations that a window needs to be evaluated; with fewer a longer window is used",
            "observations",
            ge=1,
            le=1_000_000,
        ),
    ] = 20
    history: Annotated[int, says("number of past events in the snapshot", "events", ge=0, le=10_000)] = 100
    command: Annotated[
        tuple[Text, ...],
        says('program and arguments, run for each event with the event as JSON on stdin: ["notify"]'),
    ] = ()
    command_timeout: Annotated[Seconds, says("the command is killed after this time", gt=0, le=3_600)] = 10.0


class StateConfig(_Section, frozen=True):
    """Where the daemon keeps use counts, token counts, the parse index and the health snapshot."""

    directory: Annotated[
        PathText,
        says('directory; "" is $STATE_DIRECTORY, else $XDG_STATE_HOME/promptd, else ~/.local/state/promptd'),
    ] = ""


class LogConfig(_Section, frozen=True):
    """Logs go to standard error and never contain a prompt's text."""

    format: Annotated[
        Literal["auto", "console", "json"], says("auto: console on a terminal, JSON elsewhere")
    ] = "auto"
    level: Annotated[Literal["debug", "info", "warning", "error"], says("minimum severity")] = "info"


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
