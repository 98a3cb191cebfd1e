"""Samples, and the advice on the newest of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg.conninfo import make_conninfo

from runner.advice import advice
from runner.advice.advice import Advice, Finding, advise
from runner.demo.embedded import EmbeddedPair
from runner.observation.sample import observe
from runner.servers.database import Database
from runner.servers.role_logins import as_role
from runner.settings import PROJECT

MARTS = ("index_usage", "table_activity", "query_costs", "trading_impact", "storage_forecast")


@pytest.fixture(scope="module")
def advised(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A deployed platform with the marts of its costs."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    assert not made.build(tmp_path_factory.mktemp("target"), *MARTS).failures
    yield made
    drop_landscape(made)


@pytest.fixture
def observed(advised: Landscape) -> Landscape:
    """The same without a sample."""
    advised.on_replica(
        "truncate signal_marts.samples cascade; truncate signal_marts.index_definitions"
    )
    return advised


def take(landscape: Landscape, *, login: Mapping[str, str] = {}, days: int = 0) -> None:
    """A sample, of statistics that count since so many days more."""
    taken = observe(
        Database("primary", make_conninfo(landscape.primary.url, **login)),
        Database("replica", landscape.replica.url),
        keep_days=14,
    )
    landscape.on_replica(
        "update signal_marts.observed_servers"
        f" set statistics_since = statistics_since - {days} * interval '1 day'"
        f" where sample_id = {taken.id};"
        " update signal_marts.index_definitions"
        f" set first_seen_at = first_seen_at - {days} * interval '1 day'"
    )


def asked(landscape: Landscape, folder: Path = PROJECT / "migrations") -> Advice:
    replica = as_role(Database("replica", landscape.replica.url), "transformer")
    with replica.connect(autocommit=True, options=advice.OPTIONS) as connection:
        return advise(connection, folder)


def found(told: Advice) -> dict[str, Finding]:
    """Findings by place; two of a place would be one too many."""
    assert len({each.where for each in told.findings}) == len(told.findings)
    return {each.where: each for each in told.findings}


def kinds(told: Advice) -> dict[str, str]:
    return {where: each.kind for where, each in found(told).items()}
