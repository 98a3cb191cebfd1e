"""Commands of the embedded pair, and the demo that runs on it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from runner import extras, settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.platform import mapping
from runner.progress import note, progress


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
    variables |= settings.dbt_folders() | mapping.variables(mapping.read())
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


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
    default=170,
    show_default=True,
    type=click.IntRange(10, 730),
    help="Length of the synthetic market.",
)
def demo(bars: tuple[Path, ...], seed: int, days: int) -> None:
    """Run the whole thing on the embedded pair: a market replayed, deploy, build, a summary."""
    extras.need("demo")
    from runner.demo.run import demo as run

    run(settings.load(), bars, seed=seed, days=days)
