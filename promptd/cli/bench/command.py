"""`bench`: run the suite on a library and print what it measured, with a grade.

The suite measures and judges; this module runs one stage after the other, shows progress on a terminal, and
draws the tables.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from promptd.cli import output
from promptd.cli.backend import config_option, json_option
from promptd.cli.exits import Exit
from promptd.cli.figures import NOTHING, number, percent

if TYPE_CHECKING:
    from promptd.cli.bench.results import BenchCheck, BenchVerdict, Loading, Times
    from promptd.cli.bench.suite import Suite

NO_LIBRARY = "no library: use promptd bench DIR, or --config FILE with [[roots]]."


@click.command(
    epilog="""\b
Examples:
  promptd bench prompts
  promptd bench --config prompts/promptd.toml --sample 4
  promptd bench prompts --json | jq '.grade, .checks[]'

It starts a daemon of its own in a temporary directory and leaves a running one alone. Exit code 1 means a
missed target."""
)
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True, file_okay=False))
@config_option
@json_option
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="Optimise N prompts with every strategy (default: 16; 0 for all).",
)
@click.option("--seed", type=int, metavar="N", help="Seed the request mix (default: 1).")
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    directory: str | None,
    config_path: str | None,
    as_json: bool,
    **options: int | None,
) -> None:
    """Benchmark promptd on the library in DIR, and grade it.

    Cache, loading, tokens and latency are measured in this run and compared with the targets. It takes half a
    minute on a few hundred files.
    """
    from promptd.cli.bench.suite import open_suite
    from promptd.config import load

    settings = load(config_path, os.environ, {"roots": [directory]} if directory else {})
    if not settings.roots:
        raise click.UsageError(NO_LIBRARY)
    given = {name: value for name, value in options.items() if value is not None}
    with open_suite(settings, **given) as suite:
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


# -- the tables ---------------------------------------------------------------------------------


def _draw(suite: "Suite", verdict: "BenchVerdict") -> None:
    for heading, body in _sections(suite):
        output.draw(_heading(heading))
        output.draw(body)
        output.emit_line("")
    output.draw(_heading("Targets"))
    output.draw(_targets(verdict))
    missed = verdict.judged - verdict.met
    summary = f"{missed} missed" if missed else "none missed"
    output.emit_line("")
    output.emit_line(f"Grade {verdict.grade}: {verdict.met} of {verdict.judged} targets met, {summary}.")


def _sections(suite: "Suite") -> Iterator[tuple[str, Any]]:
    subject, loading, tokens = suite.subject, suite.loading, suite.reduction
    yield _library(suite), _lines(_left_out(suite))
    title = f"Cache: {suite.caching.requests:,} requests, Zipf popularity, seed {subject.seed}"
    yield title, _lines(_caching(suite))
    files = output.count(loading.files, "file")
    yield f"Loading: {files}, fastest of {output.count(loading.rounds, 'round')}", _lines(_loading(loading))
    title = f"Tokens: {tokens.sample} of {tokens.of_prompts} prompts, baseline: strategy none"
    yield title, _tokens(suite)
    yield "Latency: over a Unix socket, client and daemon on this machine", _latency(suite)


def _library(suite: "Suite") -> str:
    subject = suite.subject
    roots = ", ".join(subject.roots)
    size = f"{output.count(subject.components, 'component')}, {output.count(subject.prompts, 'prompt')}"
    return f"{roots}: {size}"


def _left_out(suite: "Suite") -> Iterator[str]:
    subject = suite.subject
    if invalid := subject.invalid_prompts:
        shown = ", ".join(invalid[:3]) + (", …" if len(invalid) > 3 else "")
        yield f"skipped {output.count(len(invalid), 'prompt')} that cannot be assembled: {shown}"
    if subject.prompts_left_out:
        yield f"skipped {output.count(subject.prompts_left_out, 'prompt')} above the maximum"
    yield "all figures are from this run"


def _caching(suite: "Suite") -> Iterator[str]:
    found = suite.caching
    yield f"cache hit ratio: {percent(found.hit_ratio)} of prompts needed no file read"
    yield (
        f"components: {percent(found.component_hit_ratio)} of {found.component_requests:,} in all replies"
        f" were cached; the cache holds {found.cache_entries:,} of {found.components:,}"
    )
    for cache, each in found.by_kind.items():
        if cache != "served":
            lookups = output.count(each.hits + each.misses, "look-up")
            yield f"{cache.replace('_', ' ')} cache: {percent(each.hit_ratio)} hits of {lookups}"


def _loading(found: "Loading") -> Iterator[str]:
    yield _compared(found)
    yield "  saved by each part, as a share of the baseline:"
    yield f"    {_signed(found.by_distinct_segments)}  each distinct segment counted once"
    workers = output.count(found.workers, "worker")
    yield f"    {_signed(found.by_concurrency)}  {workers} (a read takes {found.mean_read_ms:.3f} ms)"
    yield f"    {_signed(found.by_kept_counts)}  token counts kept from the last run"
    yield f"    {_signed(found.by_kept_index)}  index kept from the last run"
    yield f"restart: ready after {1000 * found.ready_s:.0f} ms; files are read on demand"
    hot = found.hot_set
    yield (
        f"hot set, first {output.count(hot.requests, 'request')}: {hot.reads_with} files read instead of"
        f" {hot.reads_without}, {hot.ms_with:.0f} ms instead of {hot.ms_without:.0f} ms"
    )


def _compared(found: "Loading") -> str:
    """`baseline 9 ms, promptd 13 ms (44 % slower)`."""
    word = "less time" if found.saved_share >= 0 else "slower"
    change = f"{abs(100 * found.saved_share):.0f} % {word}"
    return f"baseline {1000 * found.plain_s:.0f} ms, promptd {1000 * found.promptd_s:.0f} ms ({change})"


def _tokens(suite: "Suite") -> Any:
    kept = (">literals", ">information", ">instructions", ">structure")
    table = _table("strategy", ">reduction", ">least … most", *kept, ">ms")
    for row in suite.reduction.strategies:
        shares = zip(_shares(row.quality), _shares(row.quality_lowest), strict=True)
        mark = " (configured)" if row.name == suite.reduction.configured else ""
        table.add_row(
            output.cell(row.name + mark),
            percent(row.reduction),
            f"{percent(row.reduction_least)} … {percent(row.reduction_most)}",
            *(f"{mean:.3f} ({lowest:.2f})" for mean, lowest in shares),
            f"{row.mean_ms:.0f}",
        )
    return table


def _shares(quality: Any) -> list[float]:
    return [getattr(quality, name) for name in quality.__struct_fields__]


def _latency(suite: "Suite") -> Any:
    table = _table("requests", ">connections", ">p50", ">p95", ">p99", ">requests/s", ">errors")
    for name, rows in (
        ("request mix", suite.latency.mix),
        ("cached component", suite.latency.cached_components),
    ):
        for row in rows:
            table.add_row(name, *_times(row))
    return table


def _times(row: "Times") -> tuple[str, ...]:
    percentiles = (f"{each:.2f} ms" for each in (row.p50_ms, row.p95_ms, row.p99_ms))
    return (str(row.connections), *percentiles, f"{row.rate:,.0f}", str(row.errors))


def _targets(verdict: "BenchVerdict") -> Any:
    table = _table("metric", "measured", "target", "result")
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
        return NOTHING
    if unit == "ratio":
        return percent(value)
    return f"{value:.2f} ms" if unit == "ms" else number(value)


def _signed(value: float) -> str:
    return f"{100 * value:+4.0f} %"


def _heading(text: str) -> Any:
    return output.cell(text, "bold")


def _lines(lines: Iterator[str]) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text("\n".join(map(output.plain, lines))), (0, 0, 0, 2))


def _table(*headings: str) -> Any:
    return output.table(*headings, pad_edge=True, header_style="dim")
