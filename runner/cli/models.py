"""Commands about versions of models: which there are, and which one decides."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.cli.tables import moment, show
from runner.progress import note, progress
from runner.retraining.stages import STAGES, Stage


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def models(as_json: bool) -> None:
    """List the versions of models: their stages, since when, and why."""
    from runner.retraining import stages

    primary, _ = databases(settings.load())
    with primary.connect() as connection:
        found = stages.read(connection)
    held = defaultdict(set)
    for each in found:
        held[each.name].add(each.stage)
    for name, stages_of_name in held.items():
        if "champion" not in stages_of_name and "shadow" in stages_of_name:
            note(f"{name} has no champion: no version of it decides (signal-marts stage names one)")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], default=str, indent=2))
        return
    show(
        ("model", "version", "stage", "since", "reason"),
        [
            (each.name, each.version, each.stage, f"{each.since:%Y-%m-%d %H:%M}", each.reason)
            for each in found
        ],
    )


@cli.command()
@click.argument("model")
@click.argument("version")
@click.argument("stage", type=click.Choice(STAGES))
@click.option("--reason", required=True, help="Why; it stays in the model's history.")
def stage(model: str, version: str, stage: Stage, reason: str) -> None:
    """Make a VERSION of a MODEL its champion, or let it forecast in shadow, or retire it.

    A new champion puts the former one into shadow. Earlier decisions stay as they were.
    """
    from runner.retraining import stages

    primary, _ = databases(settings.load())
    with primary.connect() as connection:
        changed = stages.set_stage(connection, model, version, stage, reason)
    note(f"{model} {version} is {stage}" + ("" if changed else ", as it was"))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only show the trials.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the trials, once decided, as a JSON array."
)
def judge(dry_run: bool, as_json: bool) -> None:
    """Promote versions in shadow that are proven better, and retire those whose time is over.

    The evidence is that of the last build (operations.model_trials); run it after each.
    """
    from runner.retraining import trials
    from runner.servers.role_logins import as_role

    primary, replica = databases(settings.load())
    with as_role(replica, "transformer").connect(autocommit=True) as connection:
        found = trials.read(connection)
    done = [False] * len(found)
    if not dry_run:
        with primary.connect(autocommit=True) as connection:
            done = [trials.decide(connection, each, note) for each in found]
        if not any(done):
            note("no trial is decided")
    if as_json:
        told = [
            {**dataclasses.asdict(each), "is_decided": is_decided}
            for each, is_decided in zip(found, done, strict=True)
        ]
        click.echo(json.dumps(told, default=str, indent=2))
    else:
        show(
            ("challenger", "champion", "outcomes", "evidence", "until", "verdict"),
            [
                (
                    f"{each.model_name} {each.challenger_version}",
                    each.champion_version,
                    f"{each.challenger_outcomes:,}",
                    f"{each.e_value:.2f}",
                    each.deadline_date,
                    each.verdict,
                )
                for each in found
            ],
        )


@cli.command("training-set")
@click.option("--model", required=True, help="Name of the model.")
@click.option(
    "--as-of",
    required=True,
    type=moment,
    help="The moment (ISO 8601, else in UTC) whose knowledge is written.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write.",
)
def training_set(model: str, as_of: datetime, output: Path) -> None:
    """Write what was known at a moment: signals with outcomes, plans with fills, patterns, bars.

    The rows are those of the last build; the same rows give the same hash.
    """
    from runner.retraining import training_set as sets
    from runner.servers.role_logins import as_role

    _, replica = databases(settings.load())
    with (
        as_role(replica, "transformer").connect(autocommit=True) as connection,
        progress("writing the training set") as advance,
    ):
        written = sets.write(
            connection,
            model,
            as_of,
            output,
            lambda done, total: advance(done, total, ""),
        )
    click.echo(
        json.dumps(
            {
                "file": str(written.path),
                "model": model,
                "as_of": written.as_of.isoformat(),
                "rows": written.rows,
                "sha256": written.sha256,
            }
        )
    )
