"""The command that searches the ensemble's settings."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import click
import yaml

from runner import settings as environment
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.cli.tables import show
from runner.extras import need
from runner.progress import note, progress


@cli.command()
@click.option(
    "--cost",
    type=click.FloatRange(0, 0.1),
    default=0.0005,
    show_default=True,
    help="Cost of a trade, in parts of its amount.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the search.")
@click.option("--no-record", is_flag=True, help="Store no training records of the search.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def tune(cost: float, seed: int, no_record: bool, as_json: bool) -> None:
    """Propose settings of the ensemble: horizon, lifetime of forecasts, deadband, share.

    A genetic search over what the last build knows, tried walk-forward. It changes nothing: the
    settings are vars of dbt_project.yml.
    """
    need("tune")
    from runner.servers.role_logins import as_role
    from runner.tuning import past, record, search
    from runner.tuning.ensemble import Settings

    primary, replica = databases(environment.load())
    given = yaml.safe_load((environment.PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
    names = [field.name for field in dataclasses.fields(Settings)]
    present = Settings(**{name: given[f"ensemble_{name}"] for name in names})
    with as_role(replica, "transformer").connect(autocommit=True) as connection:
        known, first_date = past.read(connection)
    with progress("searching settings") as advance:
        found = search.tune(
            known,
            present,
            cost=cost,
            seed=seed,
            advance=lambda done, total: advance(done, total, ""),
        )
    told: dict[str, Any] = {"cost": cost, "seed": seed, **dataclasses.asdict(found)}
    generations = told.pop("generations")
    for fold in told["folds"]:
        fold["first_date"] = (first_date + timedelta(fold.pop("first_day"))).isoformat()
        fold["last_date"] = (first_date + timedelta(fold.pop("end_day") - 1)).isoformat()
    if not no_record:
        with primary.connect(autocommit=True) as connection:
            version = record.record(connection, found, told)
        note(f"the search is kept as {record.MODEL} {version}")
    if as_json:
        click.echo(json.dumps({**told, "generations": generations}, indent=2))
        return
    show(
        ("setting", "present", "found"),
        [
            (f"ensemble_{name}", str(getattr(present, name)), str(getattr(found.found, name)))
            for name in names
        ],
    )
    show(
        ("tried from", "until", "horizon", "lifetime", "deadband", "share", "found", "present"),
        [
            (
                fold["first_date"],
                fold["last_date"],
                *(str(value) for value in fold["found"].values()),
                f"{fold['mean']:+.3f}",
                f"{fold['present_mean']:+.3f}",
            )
            for fold in told["folds"]
        ],
    )
    click.echo(
        "\nmean returns of a day, in standard deviations; on days that a search had not seen, found"
        f" less present is {found.mean_difference:+.3f} ({found.mean_difference_low:+.3f} to"
        f" {found.mean_difference_high:+.3f}; p = {found.out_of_sample_p:.4f}); the best of"
        f" {found.tried} settings tried is as much better by luck with p ="
        f" {found.reality_check_p:.4f}"
    )
    click.echo(
        "verdict: change; set what was found in dbt_project.yml, then signal-marts build"
        if found.verdict == "change"
        else "verdict: keep the present settings; no change is proven"
    )
