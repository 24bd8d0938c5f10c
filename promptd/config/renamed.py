"""Keys that had another name before 1.0, so that an old file is refused with the name to write instead.

The values kept their unit: `watch.settle_ms = 5` is `watch.debounce = 5` or "5ms". Nothing reads an old key.
"""

from collections.abc import Mapping

RENAMED: Mapping[str, str] = {
    "cache.bytes": "cache.size",
    "cache.prompt_bytes": "cache.prompt_size",
    "cache.hot_half_life_s": "cache.hot_half_life",
    "watch.step_ms": "watch.poll_interval",
    "watch.settle_ms": "watch.debounce",
    "watch.max_settle_ms": "watch.max_debounce",
    "watch.reconcile_s": "watch.rescan_interval",
    "watch.scan_s": "watch.fallback_scan_interval",
    "serve.first_byte_s": "serve.first_byte_timeout",
    "serve.frame_s": "serve.request_timeout",
    "serve.stall_s": "serve.write_timeout",
    "serve.stop_s": "serve.stop_timeout",
    "monitor.snapshot_s": "monitor.snapshot_interval",
    "monitor.sample_s": "monitor.sample_interval",
    "monitor.history_s": "monitor.history_interval",
    "monitor.history_bytes": "monitor.history_size",
    "targets.response_ms_max": "targets.response_time_max",
    "targets.response_ms_optimal": "targets.response_time_optimal",
    "targets.load_ms_max": "targets.load_time_max",
    "alerts.hold_s": "alerts.raise_after",
    "alerts.clear_s": "alerts.clear_after",
    "alerts.warmup_s": "alerts.warmup",
    "alerts.command_timeout_s": "alerts.command_timeout",
}
