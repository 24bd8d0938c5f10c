"""The page: a snapshot and a history in, one HTML document out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from promptd.cli.figures import NOTHING, cost, dig, megabytes, number, percent
from promptd.cli.report import charts, depmap
from promptd.cli.report.charts import Chart, ChartLine
from promptd.support.escape import html as escape

STATES = {"optimal": "good", "met": "good", "missed": "bad", "no_data": "", "warming": "", "off": ""}
SEVERITIES = {"critical": "bad", "high": "bad", "medium": "fair", "low": "info"}
SHOWN_EVENTS = 12


def page(health: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """The whole document."""
    style = (files("promptd.cli.report") / "style.css").read_text(encoding="utf-8")
    body = "\n".join(_body(health, history))
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>promptd, {escape(str(health['time']))}</title>\n<style>\n{style}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(health: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield _header(health)
    yield _tiles(health)
    yield f"<h2>Over time</h2>{_span(history)}"
    drawn = "".join(charts.draw(chart, history) for chart in _charts(health))
    yield f'<div class="charts">{drawn}</div>'
    yield f"<h2>Targets</h2>{_targets(health)}"
    yield f"<h2>Recommendations</h2>{_recommendations(health)}"
    yield f"<h2>Alerts</h2>{_alerts(health)}"
    prompts = health.get("prompts") or {}
    yield f"<h2>Prompts</h2><div class='cards'>{_prompts('Busiest', prompts.get('hottest', ()))}"
    yield f"{_prompts('Most tokens in total', prompts.get('most_expensive', ()))}</div>"
    components = _components(health) + _map(prompts.get("hottest", ()))
    yield f"<h2>Components</h2><div class='cards'>{components}</div>"
    yield (
        f'<footer class="soft small">promptd {escape(str(health.get("version")))}, pid {health.get("pid")}.'
        f" Snapshot of {escape(str(health['time']))}. Times are UTC.</footer>"
    )


# -- above ------------------------------------------------------------------------------------------


def _header(health: Mapping[str, Any]) -> str:
    grade, score = dig(health, "health", "grade"), dig(health, "health", "score")
    status = str(health.get("status"))
    kind = "good" if status == "ok" else "bad" if status == "stopped" else "fair"
    said = f"score {score:g} of 100" if score is not None else "no score yet: not enough data"
    problems = "".join(f'<p class="small">{escape(str(each))}</p>' for each in health.get("problems", ()))
    return (
        f'<header><div class="grade {escape(grade or "")}">{escape(grade or NOTHING)}</div><div>'
        f'<h1>promptd <span class="pill {kind}">{escape(status)}</span></h1>'
        f'<p class="soft">{said} · up {_duration(health.get("uptime_s", 0))}'
        f" · {number(dig(health, 'library', 'components'))} components,"
        f" {number(dig(health, 'library', 'edges'))} edges"
        f" · watcher {escape(str(dig(health, 'watcher', 'mode')))}</p>{problems}</div></header>"
    )


def _tiles(health: Mapping[str, Any]) -> str:
    window = dig(health, "windows", "1h") or {}
    latency = window.get("latency_ms") or {}
    tiles = (
        ("requests, last hour", number(window.get("requests"))),
        ("response time p95", _ms(latency["p95"]) if latency.get("count") else NOTHING),
        ("cache hit ratio", percent(dig(window, "hit_ratio", "served"))),
        ("token reduction", percent(window.get("reduction"))),
        ("memory", megabytes(dig(health, "process", "rss_bytes"))),
        ("errors, last hour", number(window.get("errors"))),
    )
    cards = (f'<div class="card tile"><h3>{label}</h3><b>{value}</b></div>' for label, value in tiles)
    return f'<div class="tiles">{"".join(cards)}</div>'


def _charts(health: Mapping[str, Any]) -> Iterator[Chart]:
    bounds = {each["name"]: each for each in health.get("targets", ())}

    def bound(name: str, side: str) -> float | None:
        value: float | None = bounds.get(name, {}).get(side)
        return value

    times = (
        ChartLine("p99_ms", "p99", "s3", True),
        ChartLine("p95_ms", "p95", "s2", True),
        ChartLine("p50_ms", "p50", "s1"),
    )
    yield Chart("response time", times[::-1], _ms, bound("response_time", "maximum"), is_log=True)
    served = (ChartLine("hit_ratio", "prompts", "s4"),)
    yield Chart("cache hit ratio", served, _share, bound("hit_ratio", "minimum"), top=1.0)
    yield Chart("requests/s", (ChartLine("requests_per_s", "requests/s", "s1"),), _plain)
    memory = (ChartLine("memory_bytes", "resident", "s2"),)
    yield Chart("memory", memory, megabytes, bound("memory", "maximum"))
    saved = (ChartLine("reduction", "tokens", "s4"),)
    yield Chart("token reduction", saved, _share, bound("token_reduction", "minimum"))
    yield Chart(
        "CPU (one core = 100 %)", (ChartLine("cpupercent", "CPU", "s3"),), lambda value: f"{value:.0f} %"
    )


def _span(history: Sequence[Mapping[str, Any]]) -> str:
    if not history:
        return '<p class="soft small">No history yet: the daemon writes one line per minute.</p>'
    first, last = (datetime.fromtimestamp(history[at]["time_unix_s"], UTC) for at in (0, -1))
    shown = " to ".join(time.strftime("%Y-%m-%d %H:%M") for time in (first, last))
    return f'<p class="soft small">{shown} UTC, {len(history):,} points. The dashed line is the target.</p>'


# -- tables -----------------------------------------------------------------------------------------


def _targets(health: Mapping[str, Any]) -> str:
    rows = []
    for each in health.get("targets", ()):
        progress = each.get("progress")
        bar = (
            "" if progress is None else f'<div class="bar"><i style="width:{100 * progress:.0f}%"></i></div>'
        )
        state = str(each["state"])
        rows.append(
            f"<tr><td>{escape(each['label'])}{bar}</td>"
            f'<td class="n">{_value(each.get("value"), each["unit"])}</td>'
            f'<td class="n">{_bounds(each)}</td>'
            f'<td class="n wide">{_value(each.get("optimal"), each["unit"])}</td>'
            f'<td class="n wide">{each.get("weight", "")}</td>'
            f'<td class="n">{_pill(STATES.get(state, ""), state.replace("_", " "))}</td></tr>'
        )
    head = _head_row("metric", "n:measured", "n:target", "n wide:optimal", "n wide:weight", "n:")
    arithmetic = escape(str(dig(health, "health", "arithmetic") or ""))
    return (
        f'<div class="card"><table>{head}{"".join(rows)}</table><p class="soft small">{arithmetic}</p></div>'
    )


def _bounds(target: Mapping[str, Any]) -> str:
    low, high, unit = target.get("minimum"), target.get("maximum"), target["unit"]
    if low is not None and high is not None:
        return f"{_value(low, unit)} to {_value(high, unit)}"
    if low is None and high is None:
        return NOTHING
    return f"≥ {_value(low, unit)}" if low is not None else f"≤ {_value(high, unit)}"


def _recommendations(health: Mapping[str, Any]) -> str:
    found = health.get("recommendations") or ()
    if not found:
        return '<div class="card"><p>No recommendations: every target with data is met.</p></div>'
    cards = (
        f'<div class="card"><p><code>{escape(each["setting"])}</code>: {_setting(each.get("current"))}'
        f" → <b>{_setting(each.get('suggested'))}</b></p><p>{escape(each['sentence'])}</p>"
        f'<span class="soft small">for {escape(str(each["target"]).replace("_", " "))}</span></div>'
        for each in found
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _setting(value: Any) -> str:
    return escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))


def _alerts(health: Mapping[str, Any]) -> str:
    active = dig(health, "alerts", "active") or []
    past = list(dig(health, "alerts", "history") or [])[-SHOWN_EVENTS:][::-1]
    if not active and not past:
        return '<div class="card"><p>No alerts, now or in the past.</p></div>'
    now = "".join(
        f"<tr><td>{_severity(each)}</td><td>{escape(each['sentence'])}</td></tr>" for each in active
    )
    then = "".join(
        f'<tr><td class="soft time">{_time(each["time_unix_s"])}</td>'
        f"<td>{escape(each['event'])} {_severity(each)}"
        f" {escape(each['sentence'])}</td></tr>"
        for each in past
    )
    now = f'<div class="card"><h3>active</h3><table>{now}</table></div>' if active else ""
    then = f'<div class="card"><h3>past</h3><table>{then}</table></div>' if past else ""
    return f'<div class="cards">{now}{then}</div>'


def _severity(alert: Mapping[str, Any]) -> str:
    severity = str(alert["severity"])
    return _pill(SEVERITIES.get(severity, ""), severity)


def _pill(kind: str, text: str) -> str:
    return f'<span class="pill {kind}">{escape(text)}</span>'


def _prompts(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return f'<div class="card"><h3>{title}</h3><p class="soft">no requests yet</p></div>'
    lines = "".join(
        f"<tr><td><code>{escape(str(row['name']))}</code></td>"
        f'<td class="n">{number(row.get("requests"))}</td>'
        f'<td class="n">{number(row.get("tokens"))}</td>'
        f'<td class="n wide">{number(row.get("tokens_total"))}</td>'
        f'<td class="n wide">{cost(row.get("cost_total"))}</td></tr>'
        for row in rows
    )
    head = _head_row("prompt", "n:requests", "n:tokens", "n wide:total", "n wide:cost")
    return f'<div class="card"><h3>{title}</h3><table>{head}{lines}</table></div>'


def _components(health: Mapping[str, Any]) -> str:
    rows = dig(health, "components", "hottest") or []
    most = max((row["weight"] for row in rows), default=0) or 1
    lines = "".join(
        f"<tr><td><code>{escape(row['id'])}</code>"
        f'<div class="bar"><i style="width:{100 * row["weight"] / most:.0f}%"></i></div></td>'
        f'<td class="n">{row["weight"]:,.0f}</td><td class="n">{number(row.get("dependents"))}</td></tr>'
        for row in rows
    )
    head = _head_row("hottest components", "n:weight", "n:dependents")
    return f'<div class="card"><table>{head}{lines}</table></div>'


def _map(prompts: Sequence[Mapping[str, Any]]) -> str:
    drawn = depmap.draw(prompts)
    if not drawn:
        return ""
    note = "The busiest prompts and their components; components that several prompts share are highlighted."
    return f'<div class="card"><h3>dependency map</h3><p class="soft small">{note}</p>{drawn}</div>'


def _head_row(*cells: str) -> str:
    parts = (cell.rpartition(":") for cell in cells)
    return "<tr>" + "".join(f'<th class="{kind}">{label}</th>' for kind, _, label in parts) + "</tr>"


# -- figures ----------------------------------------------------------------------------------------


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    return {"ms": _ms, "bytes": megabytes, "share": percent}.get(unit, _plain)(value)


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 20 or value == 0 else f"{value:.3g} ms"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 or value == 0 else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%d %b %H:%M")


def _duration(seconds: float) -> str:
    hours, minutes = int(seconds) // 3600, int(seconds) // 60
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
