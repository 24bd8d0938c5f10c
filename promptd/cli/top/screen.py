"""The screen of `top`: lines of text for a state, of a given width and height.

From the top: version, status and grade, three sparklines, one line of gauges, the prompts (or one prompt's
token tree), alerts, keys. What does not fit is cut, never wrapped.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from promptd.cli import output
from promptd.cli.figures import NOTHING, cost, dig, megabytes, number, percent
from promptd.cli.token_tree import own_tokens
from promptd.cli.top.state import TopState

BARS = "▁▂▃▄▅▆▇█"
LABEL_WIDTH, VALUE_WIDTH = 15, 11
MAX_ALERTS = 3
ALERT_INDENT = 11
SEVERITY_STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
GRADE_STYLES = {"A": "bold green", "B": "green", "C": "yellow", "D": "bold yellow", "F": "bold red"}
COLUMNS = (("requests", 9), ("tokens", 8), ("total", 10), ("cost", 8), ("strategy", 13))


def frame(state: TopState, width: int, height: int) -> list[Text]:
    """Exactly `height` lines of at most `width` columns."""
    head = [*_head(state, width)]
    foot = [*_alerts(state, width), _keys(state)]
    room = max(height - len(head) - len(foot), 2)
    body = _tree(state, width, room) if state.opened is not None else _prompts(state, width, room)
    lines = [*head, *body, *([Text()] * (room - len(body))), *foot]
    return [_cut(line, width) for line in lines[:height]]


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


# -- above ------------------------------------------------------------------------------------------


def _head(state: TopState, width: int) -> Iterator[Text]:
    health = state.health
    yield _title(state)
    series, window = state.series, dig(health, "windows", "1m") or {}
    latency = dig(window, "latency_ms") or {}
    p95 = latency.get("p95") if latency.get("count") else None
    yield _spark("latency p95", _ms(p95), series.latency_ms, width, "cyan")
    yield _spark(
        "cache hit ratio", percent(dig(window, "hit_ratio", "served")), series.hit_ratio, width, "green", 1.0
    )
    rate = series.requests_per_s[-1] if series.requests_per_s else None
    yield _spark(
        "requests/s", NOTHING if rate is None else f"{rate:,.1f}", series.requests_per_s, width, "magenta"
    )
    yield _gauges(health, window)
    yield Text()


def _title(state: TopState) -> Text:
    health = state.health
    line = Text(f"promptd {health.get('version', '')}  ", "bold")
    if state.trouble:
        return line.append(output.plain(state.trouble), "bold red")
    status = str(health.get("status", "?"))
    line.append(status, "bold green" if status == "ok" else "bold yellow")
    line.append(f"  up {_duration(health.get('uptime_s', 0))}")
    grade, score = dig(health, "health", "grade"), dig(health, "health", "score")
    if grade:
        line.append("  grade ").append(grade, GRADE_STYLES.get(grade, "")).append(f" {score:.0f}")
    else:
        line.append("  warming up", "dim")
    line.append(f"  {number(dig(health, 'library', 'components'))} components")
    return line.append(f", {number(dig(health, 'library', 'edges'))} edges")


def _spark(
    label: str, value: str, series: Sequence[float | None], width: int, style: str, top: float | None = None
) -> Text:
    line = Text(label.ljust(LABEL_WIDTH), "dim")
    line.append(value.rjust(VALUE_WIDTH), "bold").append("  ")
    room = max(width - LABEL_WIDTH - VALUE_WIDTH - 2, 0)
    return line.append(sparkline(list(series)[-room:] if room else [], top), style)


def sparkline(values: Sequence[float | None], top: float | None = None) -> str:
    """One bar a value, from 0 to `top` (by default the largest); a blank where there is none."""
    most = top or max((value for value in values if value is not None), default=0.0)
    return "".join(" " if value is None else _bar(value, most) for value in values)


def _bar(value: float, most: float) -> str:
    share = value / most if most else 0.0
    return BARS[min(max(int(share * len(BARS)), 0), len(BARS) - 1)]


def _gauges(health: Mapping[str, Any], window: Mapping[str, Any]) -> Text:
    cpu = window.get("cpu_percent")
    missed = number(dig(health, "maintenance", "missed_events_total"))
    parts = [
        ("memory", megabytes(dig(health, "process", "rss_bytes"))),
        ("cpu", NOTHING if cpu is None else f"{cpu:.0f} %"),
        ("reduction", percent(window.get("reduction"))),
        ("errors", number(window.get("errors"))),
        ("watcher", f"{dig(health, 'watcher', 'mode') or NOTHING}, {missed} missed"),
    ]
    line = Text()
    for label, value in parts:
        line.append(f"{label} ", "dim").append(value).append("  ")
    return line


# -- the prompts ------------------------------------------------------------------------------------


def _prompts(state: TopState, width: int, room: int) -> list[Text]:
    rows = state.rows()
    columns = [column for column in COLUMNS if width >= 78 or column[0] not in ("cost", "strategy")]
    name_width = max(width - sum(size for _, size in columns) - 1, 12)
    title = Text("prompt".ljust(name_width), "bold reverse")
    for name, size in columns:
        mark = "▾" if name == state.order else ""
        title.append(f"{name}{mark}".rjust(size), "bold reverse")
    title.append(" ", "bold reverse")
    shown = room - 1
    first = max(0, min(state.cursor - shown + 1, len(rows) - shown))
    lines = [_row(row, columns, name_width) for row in rows[first : first + shown]]
    if lines and not state.is_typing:
        lines[state.cursor - first].stylize("bold on blue")
    if not rows:
        known = "no prompt matches the filter" if state.filter else "no prompts requested yet"
        lines = [Text(known, "dim")]
    return [title, *lines]


def _row(row: Mapping[str, Any], columns: Sequence[tuple[str, int]], name_width: int) -> Text:
    cells = {
        "requests": number(row.get("requests")),
        "tokens": number(row.get("tokens")),
        "total": _short(row.get("tokens_total")),
        "cost": cost(row.get("cost_total")),
        "strategy": output.plain(str(row.get("strategy") or NOTHING)),
    }
    name = output.cell(str(row["name"]))
    name.truncate(name_width - 1, overflow="ellipsis")
    name.align("left", name_width)
    return name.append("".join(cells[column].rjust(size) for column, size in columns) + " ")


def _tree(state: TopState, width: int, room: int) -> list[Text]:
    reply = state.opened or {}
    manifest = reply.get("manifest", [])
    whole = max(reply.get("tokens", 0), 1)
    title = output.cell(f"{reply.get('name', '')}: {number(reply.get('tokens'))} tokens", "bold reverse")
    title.append("  own / total / share".rjust(max(width - title.cell_len - 1, 0)) + " ", "bold reverse")
    lines = []
    for entry, own in zip(manifest, own_tokens(manifest), strict=True):
        figures = f"{own:>8,}{entry['tokens']:>9,}{entry['tokens'] / whole:>8.1%} "
        label = output.cell("  " * len(entry["chain"]) + entry["id"])
        if entry["reason"] != "included":
            label.append(f" [{entry['reason']}]", "yellow")
        label.truncate(max(width - len(figures), 10), overflow="ellipsis")
        label.align("left", max(width - len(figures), 10))
        lines.append(label.append(figures, "cyan"))
    return [title, *lines[state.scroll : state.scroll + room - 1]]


# -- below ------------------------------------------------------------------------------------------


def _alerts(state: TopState, width: int) -> Iterator[Text]:
    """The worst alerts, then problems, each on at most two lines, a single one on three; how many more."""
    active = dig(state.health, "alerts", "active") or []
    ranks = list(SEVERITY_STYLES)
    said = [
        (alert["severity"], output.plain(str(alert["sentence"])))
        for alert in sorted(active, key=lambda alert: ranks.index(alert["severity"]))
    ]
    said += [("problem", output.plain(str(problem))) for problem in state.health.get("problems") or []]
    if not said:
        yield Text("no alerts", "green")
        return
    for label, sentence in said[:MAX_ALERTS]:
        yield from _said(label, sentence, width, 3 if len(said) == 1 else 2)
    if len(said) > MAX_ALERTS:
        yield Text(f"{len(said) - MAX_ALERTS} more: promptd status", "dim")


def _said(label: str, sentence: str, width: int, most: int) -> Iterator[Text]:
    room = max(width - ALERT_INDENT, 20)
    first, *rest = textwrap.wrap(sentence, room, max_lines=most, placeholder=" …") or [""]
    mark = f" {label} ".ljust(ALERT_INDENT - 1)
    yield Text.assemble((mark, SEVERITY_STYLES.get(label, "yellow")), " ", first)
    yield from (Text(" " * ALERT_INDENT + line) for line in rest)


def _keys(state: TopState) -> Text:
    if state.is_typing:
        return Text.assemble(("filter: ", "bold"), output.plain(state.filter), ("_", "blink"))
    if state.opened is not None:
        return Text("Esc back   ↑↓ scroll   q quit", "dim")
    kept = f"   filter: {state.filter} (Esc clears)" if state.filter else ""
    return Text(f"↑↓ select   Enter token tree   s sort   / filter   q quit{kept}", "dim")


# -- figures ----------------------------------------------------------------------------------------


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f} ms" if value < 100 else f"{value:,.0f} ms"


def _short(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value >= 1e6:
        return f"{value / 1e6:,.2f} M"
    return f"{value / 1e3:,.1f} k" if value >= 1e5 else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours}h{minutes % 60:02}" if hours else f"{minutes}m{int(seconds) % 60:02}"
