"""The benchmarks' history can be built, and their hand-written SQL gives the marts' rows."""

from __future__ import annotations

from collections.abc import Iterator

import bench_scale
import pytest
import scale
from psycopg import sql

from runner.build import transform
from runner.demo.embedded import EmbeddedPair
from runner.replication import sync
from runner.servers.database import Connection, Database
from runner.servers.sides import connected

pytestmark = [
    pytest.mark.long,
    # dbt leaves the log of a call open until the next one.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(600),
]

SIZE = scale.Size(signals=3_000, bars=3_000, orders=1_500, symbols=12)
HAND_WRITTEN = bench_scale.hand_written()
NUMBERS = ("bigint", "integer", "smallint", "numeric", "double precision")


@pytest.fixture(scope="module")
def replica(pair: EmbeddedPair) -> Iterator[Database]:
    """A replica with a small history, and its marts."""
    made = scale.deployed_replica(pair, "scale")
    scale.add_history(made, SIZE)
    yield made
    # Other tests on these servers count slots and subscriptions.
    with connected(scale.platform_of(pair, "scale"), made) as sides:
        sync.remove(sides)


@pytest.fixture(scope="module")
def build(replica: Database, tmp_path_factory: pytest.TempPathFactory) -> transform.Build:
    return transform.build(
        replica.environment(),
        advance=lambda done, total, at: None,
        target=tmp_path_factory.mktemp("target"),
    )


def test_every_model_and_test_passes_on_the_generated_history(build: transform.Build) -> None:
    assert build.failures == ()
    assert build.skipped == 0


@pytest.mark.parametrize("mart", sorted(HAND_WRITTEN))
def test_hand_written_sql_gives_the_mart(
    replica: Database, build: transform.Build, mart: str
) -> None:
    with replica.connect() as connection:
        connection.execute(f"create temporary table by_hand as {HAND_WRITTEN[mart]}".encode())
        columns = _numbers(connection, "by_hand")
        schema = _schema(connection, mart)
        assert columns
        assert set(columns) <= set(_numbers(connection, mart))
        by_hand = _sums(connection, sql.Identifier("by_hand"), columns)
        held = _sums(connection, sql.Identifier(schema, mart), columns)
        assert by_hand == pytest.approx(held, rel=1e-6, abs=1e-6)


def test_a_delta_appends_and_changes_rows(replica: Database, build: transform.Build) -> None:
    with replica.connect() as connection:
        connection.execute("create table before as select * from public.ai_trading_signals")
    scale.add_delta(replica, SIZE.times(0.1))
    with replica.connect() as connection:
        appended, changed, later = connection.execute(
            """
            select
                count(*) filter (where before.id is null),
                count(*) filter (where before.status <> signals.status),
                bool_and(signals._xid > before._xid)
                    filter (where before.status <> signals.status)
            from public.ai_trading_signals as signals
            left join before using (id)
            """
        ).fetchone() or (0, 0, False)
    assert appended == SIZE.signals // 20
    assert changed > 0
    assert later


def _schema(connection: Connection, mart: str) -> str:
    row = connection.execute(
        "select table_schema from information_schema.tables"
        " where table_name = %s and table_schema <> 'public'",
        (mart,),
    ).fetchone()
    assert row
    return str(row[0])


def _numbers(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        "select column_name from information_schema.columns"
        " where table_name = %s and data_type = any(%s) order by column_name",
        (table, list(NUMBERS)),
    )
    return [name for (name,) in rows]


def _sums(connection: Connection, table: sql.Identifier, columns: list[str]) -> dict[str, float]:
    """The number of rows, and each column's values and their sum."""
    parts = [
        sql.SQL("count({0})::double precision, coalesce(sum({0}), 0)::double precision").format(
            sql.Identifier(name)
        )
        for name in columns
    ]
    row = connection.execute(
        sql.SQL("select count(*)::double precision, {} from {}").format(
            sql.SQL(", ").join(parts), table
        )
    ).fetchone()
    assert row
    names = ["rows", *(f"{what} of {name}" for name in columns for what in ("values", "sum"))]
    return dict(zip(names, row, strict=True))
