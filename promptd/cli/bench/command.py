"""`validate`: run the suite on a library and print what it measured, with a grade.

The suite measures and judges (promptd.validation); this module asks for one stage after the other, shows
progress where somebody is looking, and draws the tables.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from promptd.cli import output
from promptd.cli.backend import config_option
from promptd.cli.exits import Exit

if TYPE_CHECKING:
    from promptd.cli.bench import BenchCheck, BenchVerdict, Suite
    from promptd.cli.bench.latency import Times

NO_LIBRARY = "Nothing to validate: name a library DIR, or a --config FILE with [[roots]]."


@click.command(
    epilog="""\b
Examples:
  promptd validate prompts
  promptd validate --config /etc/promptd/config.toml
  promptd validate prompts --json | jq '.grade, .checks[]'

Needs no running daemon and touches none: it starts one of its own in a temporary directory. Exits 0 if
every target is met, 1 if one is missed."""
)
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True, file_okay=False))
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print every figure as one JSON object.")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="Prompts that every strategy is tried on (default: 16; 0 is all).",
)
@click.option("--seed", type=int, metavar="N", help="Seed of the request mix (default: 1).")
@click.pass_context
def validate(
    ctx: click.Context,
    /,
    directory: str | None,
    config_path: str | None,
    as_json: bool,
    **given: int | None,
) -> None:
    """Measure promptd on the library in DIR, and grade it.

    Cache, loading, tokens and response times are held against the targets. Every figure is measured in
    this run, which takes half a minute on a few hundred files.
    """
    from promptd.cli.bench import open_suite
    from promptd.config import load

    settings = load(config_path, os.environ, {"roots": [directory]} if directory else {})
    if not settings.roots:
        raise click.UsageError(NO_LIBRARY)
    with open_suite(settings, **{name: value for name, value in given.items() if value is not None}) as suite:
        for label, stage in suite.stages:
            with output.progress_bar(label) as progress:
                stage(progress)
    verdict = suite.verdict()
    if as_json:
        output.emit_line(_json(suite, verdict))
    else:
        _draw(suite, verdict)
    ctx.exit(Exit.OK if verdict.is_good else Exit.FINDINGS)


def _json(suite: "Suite", verdict: "BenchVerdict") -> bytes:
    import msgspec

    report = {
        "subject": suite.subject,
        "grade": verdict.grade,
        "judged": verdict.judged,
        "met": verdict.met,
        "checks": verdict.checks,
        "caching": suite.caching,
        "loading": suite.loading,
        "tokens": suite.reduction,
        "latency": suite.latency,
    }
    return msgspec.json.encode(report)


# -- for people ---------------------------------------------------------------------------------


def _draw(suite: "Suite", verdict: "BenchVerdict") -> None:
    for heading, body in _sections(suite):
        output.draw(_heading(heading))
        output.draw(body)
        output.emit_line("")
    output.draw(_heading("Targets"))
    output.draw(_targets(verdict))
    missed = verdict.judged - verdict.met
    summary = "every target met" if not missed else f"{missed} missed"
    output.emit_line(f"\nGrade {verdict.grade}: {verdict.met} of {verdict.judged} targets, {summary}.")


def _sections(suite: "Suite") -> Iterator[tuple[str, Any]]:
    subject = suite.subject
    yield _library(suite), _lines(_left_out(suite))
    yield (
        f"Cache: {suite.caching.requests:,} requests, popularity by Zipf, seed {subject.seed}",
        _caching(suite),
    )
    yield (
        f"Loading: {output.count(suite.loading.files, 'file')}, the fastest of {suite.loading.rounds}",
        _loading(suite),
    )
    tokens = suite.reduction
    title = f"Tokens: {tokens.sample} of {tokens.of_prompts} prompts, against strategy none"
    yield title, _tokens(suite)
    yield "End to end: over a Unix socket, client and daemon on this machine", _latency(suite)


def _library(suite: "Suite") -> str:
    subject = suite.subject
    roots = ", ".join(subject.roots)
    size = f"{output.count(subject.components, 'component')}, {output.count(subject.prompts, 'prompt')}"
    return f"{roots}: {size}"


def _left_out(suite: "Suite") -> Iterator[str]:
    subject = suite.subject
    if subject.unusable_prompts:
        shown = ", ".join(subject.unusable_prompts[:3])
        more = ", …" if len(subject.unusable_prompts) > 3 else ""
        yield f"left out, since they cannot be assembled: {len(subject.unusable_prompts)} ({shown}{more})"
    if subject.prompts_left_out:
        yield f"left out, since there are enough: {subject.prompts_left_out:,} prompts"
    yield "each figure below was measured in this run"


def _caching(suite: "Suite") -> Any:
    found = suite.caching
    lines = [
        f"{_percent(found.hit_ratio)} of the prompts needed no file read; of {found.component_uses:,}"
        f" components in all replies {_percent(found.component_hit_ratio)} were in the cache, which holds"
        f" {found.cache_entries:,} of {found.components:,}"
    ]
    lines += [
        f"look-ups, {kind}: {_percent(each.hit_ratio)} of {each.hits + each.misses:,}"
        for kind, each in found.by_kind.items()
        if kind != "served"
    ]
    return _lines(lines)


def _loading(suite: "Suite") -> Any:
    found, hot = suite.loading, suite.loading.hot_set
    plain_ms, ours_ms = 1000 * found.plain_s, 1000 * found.promptd_s
    return _lines(
        [
            f"one by one {plain_ms:.0f} ms, promptd {ours_ms:.0f} ms: {_percent(found.saved_share)} less",
            "  saved, of the time one by one:",
            f"    {_signed(found.by_distinct_segments)}  each distinct segment counted once",
            f"    {_signed(found.by_concurrency)}  concurrency ({found.workers} at work, since a read takes"
            f" {found.mean_read_ms:.3f} ms)",
            f"    {_signed(found.by_kept_counts)}  token counts kept from the last run",
            f"    {_signed(found.by_kept_index)}  index kept from the last run",
            f"a restarted daemon can answer after {1000 * found.ready_s:.0f} ms and reads on demand",
            f"hot set, in the first {hot.requests} requests: {hot.reads_with} files read instead of"
            f" {hot.reads_without}, {hot.ms_with:.0f} ms instead of {hot.ms_without:.0f} ms",
        ]
    )


def _tokens(suite: "Suite") -> Any:
    table = _table(
        "strategy", "saved", "least … most", "literals", "information", "instructions", "structure", "ms"
    )
    for row in suite.reduction.strategies:
        shares = zip(_shares(row.quality), _shares(row.quality_lowest), strict=True)
        mark = " (configured)" if row.name == suite.reduction.configured else ""
        table.add_row(
            row.name + mark,
            _percent(row.reduction),
            f"{_percent(row.reduction_least)} … {_percent(row.reduction_most)}",
            *(f"{mean:.3f} ({lowest:.2f})" for mean, lowest in shares),
            f"{row.mean_ms:.0f}",
        )
    return table


def _shares(quality: Any) -> list[float]:
    return [getattr(quality, name) for name in quality.__struct_fields__]


def _latency(suite: "Suite") -> Any:
    table = _table("requests", "connections", "p50", "p95", "p99", "requests/s", "errors")
    for name, rows in (("mix", suite.latency.mix), ("component in cache", suite.latency.cached_components)):
        for row in rows:
            table.add_row(name, *_times(row))
    return table


def _times(row: "Times") -> tuple[str, ...]:
    percentiles = (f"{each:.2f} ms" for each in (row.p50_ms, row.p95_ms, row.p99_ms))
    return (str(row.connections), *percentiles, f"{row.rate:,.0f}", str(row.errors))


def _targets(verdict: "BenchVerdict") -> Any:
    table = _table("", "measured", "target", "")
    for check in verdict.checks:
        table.add_row(check.name, _value(check.value, check.unit), _bounds(check), _met(check))
    return table


def _bounds(check: "BenchCheck") -> str:
    if check.at_least is not None and check.at_most is not None:
        return f"{_value(check.at_least, check.unit)} to {_value(check.at_most, check.unit)}"
    if check.at_least is not None:
        return f"≥ {_value(check.at_least, check.unit)}"
    return "" if check.at_most is None else f"≤ {_value(check.at_most, check.unit)}"


def _met(check: "BenchCheck") -> Any:
    from rich.text import Text

    words = {True: ("met", "green"), False: ("missed", "red"), None: ("", "")}
    word, style = words[check.met]
    note = " ".join(part for part in (word, f"({check.note})" if check.note and word else check.note) if part)
    return Text(note, style)


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "ratio":
        return _percent(value)
    return f"{value:.2f} ms" if unit == "ms" else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _signed(value: float) -> str:
    return f"{100 * value:+4.0f} %"


def _heading(text: str) -> Any:
    from rich.text import Text

    return Text(text, "bold")


def _lines(lines: Any) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text("\n".join(lines)), (0, 0, 0, 2))


def _table(*headings: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=True, header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 0 < number < 7 and headings[0] else "left", no_wrap=True)
    return table
