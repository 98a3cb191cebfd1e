"""A BI tool's login: every mart, nothing else, a time limit, and the guide's queries."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import children
import psycopg
import pytest
from catalogs import tables
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import errors, sql
from shown_marts import draw, told

from runner.build import builds
from runner.demo.embedded import EmbeddedPair
from runner.doctor import examine
from runner.servers.database import Database
from runner.settings import PROJECT
from runner.views.dashboard.marts import LIMITS, connect, reading

GUIDE = (PROJECT / "docs/bi.md").read_text("utf-8")
BLOCKS = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)


@dataclass(frozen=True)
class Built:
    """A platform of which everything is built, its models, and a BI tool's login."""

    landscape: Landscape
    models: dict[str, dict[str, Any]]
    reader: Database

    @property
    def marts(self) -> set[tuple[str, str]]:
        return {
            (model["schema"], model["name"])
            for model in self.models.values()
            if model["fqn"][1] == "marts"
        }

    def reads(self, schema: str, table: str) -> bool:
        with psycopg.connect(self.reader.url) as connection:
            try:
                connection.execute(
                    sql.SQL("select * from {} limit 0").format(sql.Identifier(schema, table))
                )
            except psycopg.errors.InsufficientPrivilege:
                return False
            return True

    def setting(self, name: str) -> str:
        with psycopg.connect(self.reader.url) as connection:
            row = connection.execute("select current_setting(%s)", (name,)).fetchone()
            assert row is not None
            return str(row[0])

    def warnings(self) -> list[tuple[str, str]]:
        """Texts and mends of what the doctor says of the login."""
        found = examine(self.landscape.primary, self.landscape.replica)
        return [(each.text, each.mend) for each in found if "metabase" in each.text]


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    landscape = make_landscape(pair, pair.urls().replica)
    landscape.deploy()
    target = tmp_path_factory.mktemp("target")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_WRITE_JSON", "yes")
        result = builds.build(
            landscape.primary,
            landscape.replica,
            fence_timeout=60,
            advance=lambda done, total, at: None,
            exclude=("resource_type:test",),
            target=target,
        )
    assert not result.failures
    manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    models = {
        key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }
    login, *_ = BLOCKS[0].split(";")
    landscape.on_replica(login)
    server = landscape.replica.parameters()
    url = f"postgresql://metabase:choose-one@{server['host']}:{server['port']}/{server['dbname']}"
    yield Built(landscape, models, Database("replica", url))
    landscape.on_replica("drop role metabase")
    drop_landscape(landscape)


def test_a_login_reads_every_mart_and_nothing_else(built: Built) -> None:
    with built.landscape.replica.connect() as connection:
        found = tables(connection)
    assert {"public", "signal_marts", "staging", "intermediate"} < {schema for schema, _ in found}
    assert {table for table in found if built.reads(*table)} == built.marts


def test_the_guides_limits_reach_the_login(built: Built) -> None:
    _, *limits = filter(str.strip, BLOCKS[0].split(";"))
    # A member has nothing of bi_reader's settings, and the doctor tells.
    assert built.setting("statement_timeout") == "0"
    ((text, mend),) = built.warnings()
    assert text.startswith("metabase reads the marts without a time limit")
    built.landscape.on_replica(mend)
    assert built.setting("statement_timeout") == "1min"
    assert built.warnings() == []

    built.landscape.on_replica(
        "alter role metabase in database {} reset statement_timeout".format(
            built.landscape.replica.parameters()["dbname"]
        )
    )
    for statement in limits:
        built.landscape.on_replica(statement)
    assert built.warnings() == []
    assert built.setting("statement_timeout") == "1min"
    assert built.setting("idle_in_transaction_session_timeout") == "1min"
    assert built.setting("default_transaction_read_only") == "on"
    built.landscape.on_replica("alter role metabase set statement_timeout = '50ms'")
    with (
        psycopg.connect(built.reader.url) as connection,
        pytest.raises(psycopg.errors.QueryCanceled),
    ):
        connection.execute("select pg_sleep(60)")


def test_readers_are_bi_reader(built: Built) -> None:
    with connect(built.reader, LIMITS) as connection:
        with reading(connection):
            assert connection.execute(
                "select current_user::text, current_setting('transaction_read_only'),"
                " current_setting('statement_timeout'), current_setting('TimeZone')"
            ).fetchone() == ("bi_reader", "on", "15s", "UTC")
        for refused, error in {
            "select 1 from staging.stg_ai__market_bars": errors.InsufficientPrivilege,
            "create temporary table mine (id bigint)": errors.ReadOnlySqlTransaction,
        }.items():
            with pytest.raises(error), reading(connection):
                connection.execute(refused)


def test_a_login_that_may_not_read(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_URL", built.reader.url)
    built.landscape.on_replica("revoke bi_reader from metabase")
    assert "metabase may not read as bi_reader" in told(draw("now"))
    built.landscape.on_replica("grant bi_reader to metabase")
    assert "may not read" not in told(draw("now"))


def test_a_mart_that_comes_later_is_granted_by_its_build(built: Built, tmp_path: Path) -> None:
    built.landscape.on_replica("drop schema training cascade")
    built.landscape.build(tmp_path, "rl_progress")
    assert built.reads("training", "rl_progress")


def test_a_developers_schemas_are_not_granted(built: Built, tmp_path: Path) -> None:
    children.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "--quiet", "run", "--target", "dev"),
            *("--select", "+order_attribution", "--project-dir", str(PROJECT)),
            *("--profiles-dir", str(PROJECT), "--target-path", str(tmp_path)),
        ],
        env={**os.environ, **built.landscape.replica.environment(), "DBT_SCHEMA_PREFIX": "mine"},
        check=True,
    )
    with built.landscape.replica.connect() as connection:
        assert ("mine_performance", "order_attribution") in tables(connection)
    assert not built.reads("mine_performance", "order_attribution")


def test_every_column_in_the_database_is_described(built: Built) -> None:
    """Contracts hold for marts alone; a column of another model may be missing in its YAML."""
    described = {
        (model["schema"], model["name"], column["name"])
        for model in built.models.values()
        for column in model["columns"].values()
        if column["description"]
    }
    schemas = {model["schema"] for model in built.models.values()}
    found = built.landscape.on_replica(
        "select table_schema, table_name, column_name from information_schema.columns"
    )
    assert {column for column in found if column[0] in schemas} - described == set()


@pytest.mark.parametrize("number", range(1, len(BLOCKS)))
def test_the_guides_queries_run(built: Built, number: int) -> None:
    with psycopg.connect(built.reader.url) as connection:
        connection.execute(BLOCKS[number])


def test_the_guide_names_every_mart(built: Built) -> None:
    named = {*re.findall(r"^\| `(\w+)\.(\w+)` \|", GUIDE, re.MULTILINE)}
    assert named == built.marts
