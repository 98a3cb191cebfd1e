"""The command line: thin commands over the runner's functions.

stdout is data, stderr is progress.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import psycopg
from rich.console import Console
from rich.table import Table

from runner import extras, settings
from runner.errors import Failure, SignalMartsError, UsageError
from runner.progress import harmless, note, progress
from runner.servers.database import Database
from runner.words import plural


def main() -> None:
    """Run the command line; every error becomes one message and an exit code."""
    # What is at work is cancelled, as at Ctrl-C. An ignored SIGINT stays ignored: so a script keeps
    # the Ctrl-C that is meant for it from what it started in the background.
    signal.signal(signal.SIGTERM, _interrupt)
    # Reports, rejected rows and dbt's files hold what the databases hold: they are their owner's.
    os.umask(0o077)
    try:
        cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        note("stopped")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SignalMartsError as error:
        mend = _mend_of_a_lost_pair() if error.exit_code == 3 else ""
        note(f"signal-marts: {error}{mend}")
        sys.exit(error.exit_code)
    except psycopg.Error as error:
        # The message alone: a connection's parameters or a statement may hold a secret.
        told = [error.diag.message_primary or str(error).strip() or type(error).__name__]
        told += [text for text in (error.diag.message_detail, error.diag.message_hint) if text]
        note(f"signal-marts: the database said: {'; '.join(told)}")
        # No state: the connection broke; class 08 and 57P: the server ended or refused it.
        is_lost = isinstance(error, psycopg.OperationalError) and (
            error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        )
        sys.exit(3 if is_lost else 1)
    except BrokenPipeError:
        # Whoever read stdout has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("SIGNAL_MARTS_DEBUG"):
            traceback.print_exc()
        note(
            f"signal-marts: an error that should not happen: {type(error).__name__}: {error} "
            "(SIGNAL_MARTS_DEBUG=1 shows where)"
        )
        sys.exit(70)


def _interrupt(signal_number: int, frame: object) -> None:
    """Stop in good order; a second time at once."""
    signal.signal(signal_number, signal.SIG_DFL)
    raise KeyboardInterrupt


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signal-marts")
def cli() -> None:
    """AI trading signals beside a trading platform, in marts a team can trust with money."""


# --- the embedded pair ------------------------------------------------------------------------


@cli.command()
def up() -> None:
    """Start the embedded pair of PostgreSQL servers."""
    from runner.demo.embedded import EmbeddedPair

    pair = EmbeddedPair(settings.load().home)
    with progress("starting two servers") as advance:
        advance(0, 1, "")
        urls = pair.up()
    note(f"primary: {urls.primary}")
    note(f"replica: {urls.replica}")
    note('next: eval "$(signal-marts env)", then psql "$PRIMARY_URL"')


@cli.command()
@click.option("--delete-data", is_flag=True, help="Delete the databases of both servers as well.")
def down(delete_data: bool) -> None:
    """Stop the embedded pair; its data stays."""
    from runner.demo.embedded import EmbeddedPair

    pair = EmbeddedPair(settings.load().home)
    stopped = pair.down()
    if delete_data:
        pair.destroy()
    note(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@cli.command()
def env() -> None:
    """Print exports for psql, yoyo and dbt: eval "$(signal-marts env)".

    Of the embedded pair, or of REPLICA_URL, which libpq's variables then name.
    """
    given = settings.load()
    if given.primary_url is None and given.replica_url is None:
        from runner.demo.embedded import EmbeddedPair

        variables = EmbeddedPair(given.home).environment()
    else:
        _, replica = databases(given)
        variables = replica.environment()
        # A password is for eval, and not for a screen.
        if sys.stdout.isatty() and variables.pop("PGPASSWORD", None):
            note("PGPASSWORD is left out on a screen")
    variables |= settings.dbt_folders()
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


# --- deploy, build, look ----------------------------------------------------------------------


@cli.command()
@click.option("--dry-run", is_flag=True, help="Print what would run on which side; run nothing.")
@click.option("--resync", is_flag=True, help="Copy all tables again; the primary is only read.")
@click.option(
    "--resync-table", multiple=True, help="Copy this table (schema.table) again; repeatable."
)
def deploy(dry_run: bool, resync: bool, resync_table: tuple[str, ...]) -> None:
    """Apply the migrations on the primary and bring replication to the contract."""
    from runner.deploy.deploy import deploy as run
    from runner.deploy.deploy import show

    given = settings.load()
    primary, replica = databases(given)
    replication_url = settings.revealed(given.replication_url)
    again = () if resync else resync_table or None
    if dry_run:
        show(primary, replica, report=click.echo, replication_url=replication_url, resync=again)
        return
    changed = run(
        primary,
        replica,
        lock_timeout=given.lock_timeout_seconds,
        fence_timeout=given.fence_timeout_seconds,
        report=note,
        replication_url=replication_url,
        resync=again,
    )
    note("deployed" if changed else "nothing to do: both sides are as the project says")


@cli.command()
@click.argument("table")
@click.argument("changes", nargs=-1, required=True, metavar="COLUMN=TYPE...")
def alter(table: str, changes: tuple[str, ...]) -> None:
    """Change types of a published TABLE on the primary, as in symbol='varchar(40)'."""
    from runner.deploy.altering import change_types

    types = dict(change.partition("=")[::2] for change in changes)
    if not all(types.values()):
        raise UsageError("name each column with its new type, as in symbol='varchar(40)'")
    given = settings.load()
    is_complete = change_types(
        *databases(given),
        table,
        types,
        lock_timeout=given.lock_timeout_seconds,
        report=note,
    )
    note(
        "altered; nothing else is to do"
        if is_complete
        else "altered; now run signal-marts deploy, which copies the table again"
    )


@cli.command()
@click.argument("count", type=click.IntRange(1))
@click.option("--dry-run", is_flag=True, help="Print what would run on which side; run nothing.")
@click.option("--discard-data", is_flag=True, help="Delete the rows of the tables that go.")
def rollback(count: int, dry_run: bool, discard_data: bool) -> None:
    """Undo the last COUNT migrations; publication and landing tables follow."""
    from runner.deploy.rollback import roll_back

    given = settings.load()
    names = roll_back(
        *databases(given),
        count,
        lock_timeout=given.lock_timeout_seconds,
        fence_timeout=given.fence_timeout_seconds,
        report=click.echo if dry_run else note,
        discard_data=discard_data,
        is_dry_run=dry_run,
    )
    note(f"{'would roll' if dry_run else 'rolled'} back: {', '.join(names)}")


@cli.command()
@click.option("--discard-data", is_flag=True, help="Delete the rows of the AI tables.")
def uninstall(discard_data: bool) -> None:
    """Leave the platform as it was before the first deploy; the marts stay."""
    from runner.deploy.rollback import uninstall as run

    given = settings.load()
    run(
        *databases(given),
        lock_timeout=given.lock_timeout_seconds,
        fence_timeout=given.fence_timeout_seconds,
        report=note,
        discard_data=discard_data,
    )


@cli.command()
@click.option(
    "--select", multiple=True, help="Models to build, in dbt's syntax, and what they need."
)
@click.option("--exclude", multiple=True, help="Models to leave out, unless others need them.")
@click.option("--full-refresh", is_flag=True, help="Build incremental models from nothing.")
def build(select: tuple[str, ...], exclude: tuple[str, ...], full_refresh: bool) -> None:
    """Build and test the marts from all that the primary has committed."""
    from runner.build.builds import build as run
    from runner.build.builds import rejected_rows
    from runner.build.outcome import report_build
    from runner.servers.role_logins import as_role

    given = settings.load()
    primary, replica = databases(given)
    with progress("building") as advance:
        result = run(
            primary,
            replica,
            fence_timeout=given.fence_timeout_seconds,
            advance=advance,
            select=select,
            exclude=exclude,
            full_refresh=full_refresh,
            report=note,
        )
    report_build(result)
    # What builds own is read with no more rights than theirs.
    with as_role(replica, "transformer").connect() as session:
        rejected = rejected_rows(session)
    if rejected:
        if given.fail_on_rejected_rows:
            raise Failure(_cannot_be_used(rejected))
        note(_cannot_be_used(rejected))


@cli.command()
@click.option(
    "--interval",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Least seconds between the beginnings of two rounds.",
)
@click.option(
    "--all-every",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Least seconds between two rounds that build all marts; those between, the live ones.",
)
@click.option(
    "--test-every",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds between two rounds with all tests; 0: never.",
)
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve metrics for Prometheus here."
)
@click.option(
    "--metrics-address", default="127.0.0.1", show_default=True, help="Where the metrics listen."
)
def watch(
    interval: float,
    all_every: float,
    test_every: float,
    metrics_port: int | None,
    metrics_address: str,
) -> None:
    """Build the marts whenever rows arrive, until SIGTERM; a line a round on stdout."""
    from runner.build.watch import Round, Watch
    from runner.build.watch_metrics import Metrics

    given = settings.load()
    primary, replica = databases(given)
    metrics = Metrics(metrics_address, metrics_port)
    is_asked_to_stop = False
    rejected: Mapping[str, int] = {}

    def on_round(done: Round) -> None:
        nonlocal rejected
        click.echo(str(done))
        metrics.count(done)
        if done.rejected_rows != rejected:
            rejected = done.rejected_rows
            note(_cannot_be_used(rejected))

    def on_trouble(text: str) -> None:
        note(f"signal-marts: {text}")
        metrics.count_trouble()

    def stop(signal_number: int, frame: object) -> None:
        nonlocal is_asked_to_stop
        is_asked_to_stop = True
        # What runs is cancelled, as at Ctrl-C: every model is built whole or not at all.
        _interrupt(signal_number, frame)

    signal.signal(signal.SIGTERM, stop)
    try:
        Watch(
            primary,
            replica,
            interval=interval,
            rest_interval=all_every,
            test_interval=test_every,
            fence_timeout=given.fence_timeout_seconds,
            on_round=on_round,
            on_trouble=on_trouble,
            on_fresh=metrics.note_fresh,
        ).run()
    except KeyboardInterrupt:
        if not is_asked_to_stop:
            raise
        note("stopped")


def _cannot_be_used(rejected: Mapping[str, int]) -> str:
    if not rejected:
        return "every row can be used"
    return f"rows that cannot be used: {_counts(rejected)}; operations.rejected_rows names them"


def _counts(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in rejected.items())


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
    # What builds made has names of anybody's choice.
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
        out.print(f"cannot use   {_counts(found.rejected_rows)}; see operations.rejected_rows")
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
def docs() -> None:
    """Write the lineage site, one self-contained file, and print its path."""
    from runner.build import transform
    from runner.servers import role_logins

    _, replica = databases(settings.load())
    builder = role_logins.as_role(replica, "transformer")
    with progress("writing the lineage site") as advance:
        site = transform.docs(builder.environment(), advance=advance)
    click.echo(site)


@cli.command()
@click.option("--port", default=8501, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--address", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0: all."
)
def dashboard(port: int, address: str) -> None:
    """Serve the dashboard over the marts until it is stopped."""
    from runner.views.dashboard.serve import serve

    serve(_reading_database(settings.load()), address, port)


# --- an old store -----------------------------------------------------------------------------


class RowsRejected(Failure):
    """An import stored what it could."""

    exit_code = 6


@cli.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    required=True,
    type=click.Path(path_type=Path),
    help="YAML file that says what the store's columns are called here.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    help="File for the rejected rows; SOURCE's name with .rejects.jsonl in this folder by default.",
)
@click.option("--dry-run", is_flag=True, help="Check every row; need no database, store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def import_(
    source: Path, mapping: Path, rejects: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Bring an AI module's old store in: a SQLite, CSV (also .gz) or Parquet file.

    Run again, also after it was killed, it goes on and stores nothing twice.
    """
    from contextlib import nullcontext

    from runner.client.pools import Pools
    from runner.store_import import import_store

    rejects = rejects or Path(f"{source.name}.rejects.jsonl")
    primary = None if dry_run else databases(settings.load())[0]
    if primary is not None:
        # A pool would go on trying for half a minute.
        with primary.connect() as probe:
            try:
                probe.execute("set role ai_writer")
            except psycopg.errors.InsufficientPrivilege:
                raise UsageError(
                    f"{probe.info.user} may not write as ai_writer; set PRIMARY_URL to a login in "
                    "role ai_writer, such as the module's"
                ) from None
            except psycopg.errors.InvalidParameterValue:
                raise UsageError(
                    "the primary has no role ai_writer; run signal-marts deploy"
                ) from None
    with (
        nullcontext() if primary is None else Pools(primary) as pools,
        progress("checking" if dry_run else "importing") as advance,
    ):
        report = import_store(source, mapping, pools, rejects=rejects, advance=advance)
    counts = dataclasses.asdict(report)
    if as_json:
        click.echo(json.dumps(counts | {"rejects": str(rejects) if report.rejected else None}))
    else:
        for name, count in counts.items():
            shown = "would be stored" if dry_run and name == "stored" else name.replace("_", " ")
            click.echo(f"{shown:15}  {count:>12,}")
    if report.rejected:
        raise RowsRejected(f"{report.rejected:,} rows were rejected; why is in {rejects}")


@cli.command()
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="HTML file to write.",
)
@click.option("--days", default=90, show_default=True, type=click.IntRange(1), help="Days in it.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day (UTC); by default the last one in the data.",
)
def report(output: Path, days: int, until: datetime | None) -> None:
    """Write a period's facts to one HTML file, small enough to mail, and print its path."""
    from runner.views.report import write_report

    source = _reading_database(settings.load())
    with progress("writing the report") as advance:
        advance(0, 1, "")
        period = write_report(source, output, days=days, until=until.date() if until else None)
    note(f"report of {period.first} to {period.last}")
    click.echo(output)


# --- the demo ---------------------------------------------------------------------------------


@cli.command()
@click.option(
    "--bars",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Replay the bars of this CSV file (also .gz) instead of a synthetic market; repeatable.",
)
@click.option("--seed", default=7, show_default=True, help="Seed of the market and the modules.")
@click.option(
    "--days",
    default=120,
    show_default=True,
    type=click.IntRange(10, 730),
    help="Length of the synthetic market.",
)
def demo(bars: tuple[Path, ...], seed: int, days: int) -> None:
    """Run the whole thing on the embedded pair: a market replayed, deploy, build, a summary."""
    extras.need("demo")
    from runner.demo.run import demo as run

    run(settings.load(), bars, seed=seed, days=days)


# --- shared -----------------------------------------------------------------------------------


def _mend_of_a_lost_pair() -> str:
    """What to say beside that a database cannot be reached, where the embedded pair is meant."""
    from runner.demo.embedded import EmbeddedPair, NotMadeError

    given = settings.load()
    try:
        urls = EmbeddedPair(given.home).urls()
    except NotMadeError:
        return ""
    primary, replica = map(settings.revealed, (given.primary_url, given.replica_url))
    is_meant = primary in (None, urls.primary) and replica in (None, urls.replica)
    if not is_meant or given.dashboard_url is not None:
        return ""
    return "; start the embedded pair: signal-marts up"


def databases(given: settings.Settings) -> tuple[Database, Database]:
    """Primary and replica, from the environment or the embedded pair."""
    primary, replica = map(settings.revealed, (given.primary_url, given.replica_url))
    if primary and replica:
        return Database("primary", primary), Database("replica", replica)
    if primary or replica:
        missing = "REPLICA_URL" if primary else "PRIMARY_URL"
        raise UsageError(f"{missing} is not set; set both, or neither for the embedded pair")
    from runner.demo.embedded import EmbeddedPair

    pair = EmbeddedPair(given.home)
    urls = pair.urls()
    # libpq finds the pair's password in its file.
    os.environ["PGPASSFILE"] = str(urls.passfile)
    return Database("primary", urls.primary), Database("replica", urls.replica)


def _reading_database(given: settings.Settings) -> Database:
    """Where the marts are read, from the environment or the embedded pair."""
    if given.dashboard_url or given.replica_url or given.primary_url:
        from runner.views.dashboard.marts import reading_database

        return reading_database(given)
    from runner.demo.embedded import EmbeddedPair

    urls = EmbeddedPair(given.home).urls()
    # libpq finds the pair's password in its file.
    return Database("replica", f"{urls.replica}?passfile={quote(str(urls.passfile), safe='')}")
