"""The command that imports an old store."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
import psycopg

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.errors import Failure, UsageError
from runner.progress import progress


class RowsRejected(Failure):
    """An import stored the rows that it could, and rejected others."""

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
