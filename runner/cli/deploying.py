"""Commands that change the primary: deploy, alter, archive, and the commands that undo them."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.errors import UsageError
from runner.progress import note, progress


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
        archive=given.archive,
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
@click.argument("table")
@click.option(
    "--before",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day, in UTC, before which rows leave the primary.",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder for the file; SIGNAL_MARTS_ARCHIVE by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the file as one JSON object.")
def archive(table: str, before: datetime, to: Path | None, as_json: bool) -> None:
    """Move old rows of TABLE (public.market_bars) from the primary to a Parquet file.

    Replica and marts keep them. Run again, also after it was killed, it goes on.
    """
    from runner.deploy.archiving import archive as run

    given = settings.load()
    folder = to or given.archive
    if folder is None:
        raise UsageError("say --to which folder the rows go, or set SIGNAL_MARTS_ARCHIVE")
    with progress("archiving") as advance:
        file = run(
            *databases(given),
            table,
            before.replace(tzinfo=UTC),
            folder,
            lock_timeout=given.lock_timeout_seconds,
            fence_timeout=given.fence_timeout_seconds,
            report=note,
            advance=advance,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(file) | {"until": file.until.isoformat()}))
    else:
        click.echo(f"{folder / file.name}: {file.rows:,} rows, sha256 {file.sha256}")


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
