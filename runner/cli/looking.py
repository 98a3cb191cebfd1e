"""Commands that only look: status, doctor, metrics, observe, dashboard, report."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.table import Table

from runner import settings
from runner.cli.building import counts
from runner.cli.databases import databases, reading_database
from runner.cli.entry import cli
from runner.errors import Failure
from runner.progress import harmless, note, progress
from runner.servers.database import ConnectionFailedError
from runner.words import plural


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--compare",
    is_flag=True,
    help="Compare all rows of the replicated tables; deploy then copies again what differs.",
)
def status(as_json: bool, compare: bool) -> None:
    """Show migrations, replication and marts; exit with 1 where something is not well."""
    from runner.doctor.status import as_json as told
    from runner.doctor.status import status as look
    from runner.replication.comparison import find_differences

    given = settings.load()
    way = settings.revealed(given.replication_url)
    if compare:
        with progress("comparing") as advance:
            comparing = partial(
                find_differences, fence_timeout=given.fence_timeout_seconds, advance=advance
            )
            found = look(*databases(given), way, compare=comparing)
    else:
        found = look(*databases(given), way)
    if as_json:
        click.echo(told(found))
    else:
        _print_status(found)
    if found.problems:
        raise Failure(
            "not well:\n" + "\n".join(f"  - {harmless(problem)}" for problem in found.problems)
        )


def _print_status(found: Any) -> None:
    # Relations made by builds may have any names.
    out = Console(highlight=False, soft_wrap=True, markup=False)
    on_disk = len(found.migrations_on_disk)
    out.print(f"migrations   {on_disk - len(found.migrations_pending)} of {on_disk} applied")
    replication = found.replication
    wanted = len(replication.tables_wanted)
    ready = wanted - len(replication.tables_missing) - len(replication.tables_copying)
    out.print(f"replication  {ready} of {wanted} tables ready, {_slot(replication)}")
    for each in found.last_builds[:1]:
        out.print(
            f"last build   {_time(each.started_at)}, {each.seconds:.1f} s, "
            f"{plural(each.nodes, 'node')}, {plural(each.failures, 'failure')}"
        )
    if found.rejected_rows:
        out.print(f"cannot use   {counts(found.rejected_rows)}; see operations.rejected_rows")
    if found.audit_findings:
        told = ", ".join(f"{number:,} {level}" for level, number in found.audit_findings.items())
        out.print(f"audit        {told} findings on signals; see operations.signal_audit")
    for each in found.retrainings:
        what = each.doing if each.state == "running" else each.in_short
        told = f"{each.id} of {each.model} {each.state} since {_time(each.since)}: {what}"
        out.print(f"retraining   {harmless(told)}")
    marts = Table("mart", "rows", "newest fact", box=None, pad_edge=False)
    marts.columns[1].justify = "right"
    for mart in found.marts:
        rows = "?" if mart.rows is None else f"{mart.rows:,}"
        marts.add_row(harmless(f"{mart.schema}.{mart.name}"), rows, _time(mart.available_at))
    out.print(marts)


def _slot(replication: Any) -> str:
    if replication.slot is None:
        return "no slot"
    lag = replication.lag_seconds
    behind = "" if lag is None else f", {lag:.3f} s"
    if replication.slot.lag_bytes is None:
        return f"slot {replication.slot.name} is being made: it waits for open transactions"
    safe = replication.slot.safe_wal_bytes
    room = "" if safe is None else f"; lost after {safe:,} more"
    return (
        f"slot {replication.slot.name} {replication.slot.wal_status}, "
        f"{replication.slot.lag_bytes:,} bytes{behind} behind{room}"
    )


def _time(value: datetime | None) -> str:
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Check every precondition on both sides, and say how to mend what is wrong; writes nothing."""
    from runner.doctor import examine

    given = settings.load()
    found = examine(*databases(given), settings.revealed(given.replication_url))
    counts = {
        level: sum(each.level == level for each in found)
        for level in ("ok", "warning", "wrong", "unknown")
    }
    if as_json:
        findings = [dataclasses.asdict(each) for each in found]
        click.echo(json.dumps({"findings": findings, "counts": counts}, indent=2))
    else:
        marks = {"ok": "✓", "warning": "!", "wrong": "✗", "unknown": "?"}
        width = max(len(each.check) for each in found)
        for each in found:
            text = harmless(each.text)
            click.echo(f"{marks[each.level]} {each.side:7}  {each.check:{width}}  {text}")
            if each.mend:
                click.echo(f"           → {harmless(each.mend)}")
        click.echo(", ".join(f"{count} {level}" for level, count in counts.items()))
    if counts["wrong"]:
        raise Failure(f"not well: {counts['wrong']} of {len(found)} findings are wrong")


@cli.command()
def metrics() -> None:
    """Print what watch serves to Prometheus, once, for node_exporter's textfile collector."""
    from prometheus_client import CollectorRegistry, generate_latest

    from runner.monitoring.collector import Collector

    def report(text: str) -> None:
        note(f"signal-marts: {text}")

    registry = CollectorRegistry()
    registry.register(Collector(*databases(settings.load()), report, limit_seconds=60))
    click.echo(generate_latest(registry).decode(), nl=False)


@cli.command()
@click.option("--once", is_flag=True, help="One sample, which is the default.")
@click.option(
    "--every",
    "seconds",
    type=click.FloatRange(min=1),
    help="Stay, and take a sample every so many seconds.",
)
def observe(once: bool, seconds: float | None) -> None:
    """Take a sample of both servers' statistics into tables of the replica; a line on stdout."""
    from runner.observation.sample import NotSeen, why_none
    from runner.observation.sample import observe as take

    if once and seconds is not None:
        raise click.UsageError("--once and --every exclude each other")
    given = settings.load()
    primary, replica = databases(given)
    told: tuple[NotSeen, ...] = ()
    is_sparing = False
    while True:
        begun = time.monotonic()
        try:
            sample = take(primary, replica, keep_days=given.observe_days, is_sparing=is_sparing)
        except (ConnectionFailedError, psycopg.OperationalError) as error:
            if seconds is None:
                raise
            note(f"signal-marts: {why_none(error)}")
        else:
            is_sparing = True
            click.echo(str(sample))
            if sample.is_whole and sample.not_seen != told:
                told = sample.not_seen
                for each in told:
                    note(harmless(str(each)))
        if seconds is None:
            return
        time.sleep(max(0.0, begun + seconds - time.monotonic()))


@cli.command()
@click.option("--port", default=8501, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--address", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0: all."
)
def dashboard(port: int, address: str) -> None:
    """Serve the dashboard over the marts until it is stopped."""
    from runner.views.dashboard.serve import serve

    serve(reading_database(settings.load()), address, port)


@cli.command()
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="HTML file to write.",
)
@click.option(
    "--window",
    default="All",
    show_default=True,
    type=click.Choice(["1M", "3M", "1Y", "All"]),
    help="Period up to the last closed day.",
)
@click.option(
    "--first", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC), instead of the window."
)
@click.option("--last", type=click.DateTime(["%Y-%m-%d"]), help="Last day (UTC), likewise.")
@click.option("--account", help="One account, as the dashboard names it, such as 'USDT: bot'.")
@click.option("--symbol", "symbols", multiple=True, help="Only this symbol; may be repeated.")
@click.option("--source", "sources", multiple=True, help="Only this model or strategy, likewise.")
def report(
    output: Path,
    window: str,
    first: datetime | None,
    last: datetime | None,
    account: str | None,
    symbols: tuple[str, ...],
    sources: tuple[str, ...],
) -> None:
    """Write a period's facts to one HTML file, small enough to mail, and print its path.

    The filters are those of the dashboard, and so are the numbers.
    """
    from runner.views.report.write import Wanted, write_report

    wanted = Wanted(
        window,
        first.date() if first else None,
        last.date() if last else None,
        account,
        symbols,
        sources,
    )
    source = reading_database(settings.load())
    with progress("writing the report") as advance:
        advance(0, 1, "")
        period = write_report(source, output, wanted)
    note(f"report of {period}")
    click.echo(output)
