"""The command that proposes and checks the platform's mapping file."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.errors import Failure, UsageError
from runner.progress import console, harmless, note

if TYPE_CHECKING:
    from runner.adopt.preview import Preview


class FileDoesNotFit(Failure):
    """A mapping file does not fit the platform, as was told."""


def presets() -> list[str]:
    """Names of the files that ship for known platforms."""
    folder = resources.files("runner.adopt").joinpath("presets")
    return sorted(file.name.removesuffix(".yml") for file in folder.iterdir())


@cli.command()
@click.option(
    "--preset", type=click.Choice(presets()), help="Use the file that ships for a platform."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="File to write; else SIGNAL_MARTS_PLATFORM."
)
@click.option("--timezone", default="UTC", show_default=True, help="Zone of times without one.")
@click.option("--yes", is_flag=True, help="Write the file without asking.")
@click.option(
    "--check", "is_check", is_flag=True, help="Propose nothing; check the file that there is."
)
def adopt(
    preset: str | None, output: Path | None, timezone: str, yes: bool, is_check: bool
) -> None:
    """Propose the file that says what your platform's tables mean, or check it.

    The primary's catalog and a sample of its rows are read; nothing is written there.
    """
    from runner.adopt import catalog, check, preview
    from runner.adopt.proposal import Proposer
    from runner.platform import mapping
    from runner.platform.roles import ROLES
    from runner.servers.contract import ai_tables

    path = output or mapping.default_path()
    primary, _ = databases(settings.load())
    with primary.connect(
        options="-c default_transaction_read_only=on -c TimeZone=UTC"
    ) as connection:
        if not is_check:
            if preset is not None:
                shipped = resources.files("runner.adopt").joinpath(f"presets/{preset}.yml")
                text = shipped.read_text("utf-8")
            else:
                ours = frozenset(table.qualified for table in ai_tables())
                proposer = Proposer(connection, catalog.read(connection, ours), timezone)
                text = proposer.propose()
                if not proposer.roles:
                    raise UsageError(
                        "no table that this login may read looks like orders, plans, patterns or "
                        "statistics of a trading platform; write the file by hand: docs/adoption.md"
                        + "".join(
                            f"; {role}: {near}"
                            for role in ROLES
                            if (near := proposer.nearest(role))
                        )
                    )
            platform = mapping.parse(path, text)
            click.echo(text)
        else:
            platform = mapping.read(path)
        found = check.faults(connection, platform)
        previews = [] if found else preview.look(connection, platform)
        for seen in previews:
            _show(seen)
        warned = [] if found else list(check.warnings(connection, platform, previews))
        found += check.useless(previews)
    for line in [*found, *warned]:
        note(f"! {line}")
    if is_check:
        if found:
            raise FileDoesNotFit("the file does not fit the platform")
        note(f"{path} fits the platform")
        return
    if not yes and not (sys.stdin.isatty() and click.confirm(f"Write {path}?", err=True)):
        note("nothing was written; --yes writes the file")
        return
    path.write_text(text, "utf-8")
    note(f"{path} written; next: signal-marts adopt --check, then signal-marts deploy")


def _show(seen: Preview) -> None:
    """A role's first rows and counts, on stderr."""
    from rich.table import Table

    note(f"{seen.role}: {seen.count:,} rows in the sample")
    table = Table(box=None, show_header=False)
    for column, values in zip(seen.columns, zip(*seen.rows, strict=True), strict=bool(seen.rows)):
        shown = (harmless("NULL" if value is None else value) for value in values)
        table.add_row(
            f"  {column}", *(f"{text[:17]}…" if len(text) > 18 else text for text in shown)
        )
    console.print(table, markup=False)
