"""The migrations on a real server: their objects, and no trace of them after a rollback."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import children
import psycopg
import pytest
from catalogs import PG_DUMPALL
from landscapes import Landscape
from mortal_servers import servers

from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy import migrations
from runner.settings import PROJECT


@pytest.fixture
def own_pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPair]:
    """A pair of its own, since roles belong to a whole server."""
    with servers() as made:
        monkeypatch.setenv("PGPASSFILE", str(made.passfile))
        yield made


def yoyo(url: str, *arguments: str) -> None:
    """Run yoyo from the project's folder, as a user would."""
    children.run(
        [str(Path(sys.executable).parent / "yoyo"), *arguments],
        cwd=PROJECT,
        env=os.environ | {"PRIMARY_URL": url},
        check=True,
        capture_output=True,
        text=True,
    )


def dump(url: str) -> str:
    """All of a server, roles included, but for yoyo's own tables."""
    text = children.run(
        [
            str(PG_DUMPALL),
            "--dbname",
            url,
            "--restrict-key=test",
            "--exclude-database=template*",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # A section is what stands between two of pg_dump's headings.
    sections = re.split(r"(?=\n--\n-- (?:Name|Data for Name): )", text)
    return "".join(s for s in sections if "yoyo" not in s.split("\n--\n", 2)[1])


def test_down_leaves_the_platform_as_it_was(own_pair: EmbeddedPair) -> None:
    url = own_pair.urls().primary
    with psycopg.connect(url) as connection:
        create_platform(connection)
    platform = dump(url)
    assert "micro_patterns" in platform

    yoyo(url, "apply")
    applied = dump(url)
    assert "ai_trading_signals" in applied
    assert "CREATE ROLE ai_writer" in applied

    yoyo(url, "rollback", "--all")
    assert dump(url) == platform

    yoyo(url, "apply")
    assert dump(url) == applied


def catalog(landscape: Landscape) -> list[tuple[object, ...]]:
    """Columns, constraints, indexes, triggers and owners of the tables in public."""
    return landscape.on_primary(
        """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid), pg_get_userbyid(c.relowner), c.relacl::text
        from pg_class as c
        inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0
        left join pg_attrdef as d on c.oid = d.adrelid and a.attnum = d.adnum
        where c.relnamespace = 'public'::regnamespace and c.relname !~ 'yoyo'
        union all
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null, null, null
        from pg_constraint where connamespace = 'public'::regnamespace
        union all
        select tablename, indexname, indexdef, null, null, null, null
        from pg_indexes where schemaname = 'public'
        union all
        select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), null, null, null, null
        from pg_trigger where not tgisinternal
        order by 1, 2, 3
        """
    )


def test_plain_yoyo_deploys_what_deploy_does(landscape: Landscape, one_server: Landscape) -> None:
    landscape.deploy()
    yoyo(one_server.primary.url, "apply")
    # The replicator's grants come with replication; they are columns' own, so not in relacl.
    plain = [row for row in catalog(one_server) if "yoyo" not in str(row)]
    assert [row for row in catalog(landscape) if "yoyo" not in str(row)] == plain
    with one_server.primary.connect() as connection:
        assert migrations.state(connection).pending == ()


@pytest.mark.parametrize("key_type", ["smallint", "integer", "bigint"])
def test_foreign_keys_fit_the_platforms_integer(landscape: Landscape, key_type: str) -> None:
    landscape.on_primary(
        "drop table trading_orders, trade_plans, micro_patterns cascade;"
        f"create table micro_patterns (id {key_type} primary key);"
        f"create table trade_plans (id {key_type} primary key);"
        "insert into micro_patterns values (7); insert into trade_plans values (8)"
    )
    yoyo(landscape.primary.url, "apply")
    landscape.on_primary(
        "insert into ai_models (model_type, model_name, version)"
        " values ('genetic_optimization', 'm', '1');"
        "insert into ai_trading_signals"
        " (model_id, symbol, signal_type, confidence, pattern_id, trade_plan_id)"
        " select id, 'X', 'BUY', 0.5, 7, 8 from ai_models"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        landscape.on_primary("update ai_trading_signals set pattern_id = 9")
    landscape.on_primary("delete from micro_patterns; delete from trade_plans")
    assert landscape.on_primary("select pattern_id, trade_plan_id from ai_trading_signals") == [
        (None, None)
    ]


BAD_SIGNALS = {
    "confidence": "'X', 'BUY', 'NaN', null, null, null",
    "signal_type_check": "'X', 'buy', 0.5, null, null, null",
    "symbol": "'', 'BUY', 0.5, null, null, null",
    "barriers_check": "'X', 'SELL', 0.5, 1, 2, null",
    "stop_loss": "'X', 'BUY', 0.5, 'NaN', null, null",
    "expires_at_check": "'X', 'BUY', 0.5, null, null, '2000-01-01'",
}


def test_signals_that_make_no_sense_are_refused(deployed_primary: psycopg.Connection) -> None:
    deployed_primary.execute(
        "insert into ai_models (model_type, model_name, version)"
        " values ('genetic_optimization', 'm', '1')"
    )
    for named, values in BAD_SIGNALS.items():
        with (
            pytest.raises(psycopg.errors.CheckViolation, match=named),
            deployed_primary.transaction(),
        ):
            deployed_primary.execute(
                "insert into ai_trading_signals"
                " (model_id, symbol, signal_type, confidence, stop_loss, take_profit, expires_at)"
                f" select id, {values} from ai_models"
            )


def test_an_update_moves_updated_at(deployed_primary: psycopg.Connection) -> None:
    row = deployed_primary.execute(
        "insert into ai_models (model_type, model_name, version, updated_at)"
        " values ('genetic_optimization', 'm', '1', '2000-01-01') returning id"
    ).fetchone()
    deployed_primary.execute("update ai_models set is_active = false where id = %s", row)
    moved = deployed_primary.execute("select updated_at = now() from ai_models").fetchone()
    assert moved == (True,)
