"""The command that tells which changes of the databases are worth it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING

import click
from rich.console import Console

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.progress import harmless, progress
from runner.words import plural

if TYPE_CHECKING:
    from runner.advice.advice import Finding
    from runner.advice.proof import Proof


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--prove", is_flag=True, help="Try changes of indexes on copies of the replica's rows."
)
def advise(as_json: bool, prove: bool) -> None:
    """Rank what the databases' statistics say is worth a change, with its mend; changes nothing."""
    from runner.advice import advice
    from runner.advice.prove import Prover
    from runner.servers.role_logins import as_role

    _, replica = databases(settings.load())
    builder = as_role(replica, "transformer")
    with (
        builder.connect(
            autocommit=True, application="signal-marts advise", options=advice.OPTIONS
        ) as connection,
        progress("proof") if prove else nullcontext() as advance,
    ):
        found = advice.advise(connection, prove=Prover(builder, advance) if advance else None)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), default=_iso, indent=2))
        return
    out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    out.print(f"sample of {_time(found.observed_at)}: {plural(len(found.findings), 'finding')}")
    for each in found.findings:
        out.print(f"\n{each.rank:2}  {each.title}: {harmless(each.where)} on the {each.side}")
        for line in _lines(each):
            out.print(f"    {line}".rstrip())
    if found.more:
        out.print(f"\n{found.more} more: mend these first")
    for one in found.withdrawn:
        out.print(f"\nwithdrawn: {one.title}: {harmless(one.where)} on the {one.side}")
        for line in _proof(one.proof):
            out.print(f"    {line}")
    if found.not_seen:
        out.print()
    for missing in found.not_seen:
        told = f"{missing.what} on the {missing.side}: {missing.why} ({missing.mend})"
        out.print(f"not seen: {harmless(told)}")


def _lines(found: Finding) -> Iterator[str]:
    from runner.advice.advice import in_words

    evidence = (
        f"{name.replace('_', ' ')} {in_words(name, value)}"
        for name, value in found.evidence.items()
    )
    yield f"evidence  {harmless('; '.join(evidence))}"
    if found.limit_share is not None:
        yield f"used      {found.limit_share:.0%} of its limit"
    if found.milliseconds_per_day is not None:
        yield f"costs     about {found.milliseconds_per_day:,.3g} ms of trading a day"
    if found.counted_since_at is None:
        yield "counted   since when is not known"
    elif found.counted_since_at < found.observed_at:
        days = (found.observed_at - found.counted_since_at).total_seconds() / 86400
        yield f"counted   {days:,.1f} days, since {_time(found.counted_since_at)}"
    yield f"gain      {harmless(found.gain)}"
    yield f"price     {harmless(found.cost)}"
    if found.proof is not None:
        yield from _proof(found.proof)
    if found.mend:
        yield f"mend      {harmless(found.mend)}"
    if found.migration is not None:
        yield f"ours      migrations/{found.migration.name}.sql"
        yield from _indented(found.migration.text)
        yield f"undo      migrations/{found.migration.name}.rollback.sql"
        yield from _indented(found.migration.rollback)
        return
    yield f"owner     {found.owner}"
    if found.statement is not None:
        yield "run       outside a transaction"
        yield from _indented(found.statement)
    if found.undo is not None:
        yield "undo"
        yield from _indented(found.undo)


def _proof(proof: Proof) -> Iterator[str]:
    from runner.advice.proof import lines

    for title, line in zip(chain(["proof"], repeat("")), lines(proof), strict=False):
        yield f"{title:<10}{harmless(line)}"


def _indented(text: str) -> Iterator[str]:
    return (f"    {harmless(line)}" for line in text.split("\n"))


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"


def _iso(value: datetime) -> str:
    return value.isoformat()
