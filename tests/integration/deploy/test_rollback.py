"""The way back, on two real servers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import children
import pytest
from catalogs import PG_DUMPALL
from landscapes import Landscape

from runner.deploy.altering import change_types
from runner.deploy.deploy import show
from runner.deploy.rollback import DataLossError, roll_back, uninstall
from runner.errors import UsageError
from runner.servers.database import ConnectionFailedError, Database
from runner.servers.deploy_lock import WORKER, LockedError, one_at_a_time

PG_DUMP = PG_DUMPALL.parent / "pg_dump"


def back(landscape: Landscape, count: int, **options: bool) -> list[str]:
    return roll_back(
        landscape.primary,
        landscape.replica,
        count,
        lock_timeout=2,
        fence_timeout=60,
        report=landscape.reports.append,
        **options,
    )


def applied(landscape: Landscape) -> list[str]:
    rows = landscape.on_primary("select migration_id from _yoyo_migration order by 1")
    return [str(name) for (name,) in rows]


def dump(database: Database) -> str:
    """A database's own objects and rows."""
    dumped = children.run(
        [PG_DUMP, "--dbname", database.url, "--restrict-key=test"],
        check=True,
        capture_output=True,
        text=True,
    )
    return str(dumped.stdout)


def store_signal(landscape: Landscape) -> None:
    landscape.on_primary(
        "insert into ai_models (model_type, model_name, version)"
        " values ('genetic_optimization', 'm', '1');"
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence)"
        " select id, 'X', 'BUY', 0.5 from ai_models"
    )


def test_each_rollback_can_be_deployed_again(landscape: Landscape) -> None:
    landscape.deploy()
    everything = applied(landscape)
    # All of them and some, as each is rolled back several times even so.
    for count in (1, 2, 3, 5, 8, 13, 21, len(everything)):
        names = back(landscape, count)
        assert names == everything[: -count - 1 : -1]
        assert applied(landscape) == everything[:-count]
        landscape.deploy()
        assert applied(landscape) == everything
    assert landscape.differences() == []


def test_a_rollback_and_an_alter_work_alone(landscape: Landscape) -> None:
    """With the locks of both sides, and under the name by which a killed one's work is ended."""
    landscape.deploy()
    working: set[object] = set()

    def look(text: str) -> None:
        for side in ("primary", "replica"):
            working.update(
                landscape.execute(
                    side,
                    "select application_name from pg_stat_activity where datname ="
                    " current_database() and backend_type = 'client backend'"
                    " and pid <> pg_backend_pid() and application_name <> ''",
                )
            )

    for side in (landscape.primary, landscape.replica):
        with one_at_a_time(side), pytest.raises(LockedError, match="lock of deploys"):
            back(landscape, 1)
    roll_back(
        landscape.primary, landscape.replica, 1, lock_timeout=2, fence_timeout=60, report=look
    )
    assert working == {("signal-marts deploy",), (WORKER,)}
    landscape.deploy()
    working.clear()
    change_types(
        landscape.primary,
        landscape.replica,
        "public.trading_stats",
        {"net_profit": "numeric"},
        lock_timeout=2,
        report=look,
    )
    assert working == {("signal-marts alter",), (WORKER,)}


def test_publication_and_landing_follow(landscape: Landscape) -> None:
    landscape.deploy()
    everything = applied(landscape)
    back(landscape, len(everything) - everything.index("0010_ai_migration_ledger"))
    gone = "select count(*) from pg_publication_tables where tablename = 'spectrum_analysis'"
    assert landscape.on_primary(gone) == [(1,)]
    assert landscape.on_replica("select to_regclass('ai_replication_fence')::text") == [
        ("ai_replication_fence",)
    ]
    back(landscape, 1)
    assert landscape.on_primary("select * from pg_replication_slots") == []
    assert landscape.on_replica("select to_regclass('ai_replication_fence')::text") == [(None,)]


def test_a_column_comes_and_goes(landscape: Landscape) -> None:
    landscape.deploy()
    store_signal(landscape)
    everything = applied(landscape)
    # With the stage of the signal's model.
    back(landscape, len(everything) - everything.index("0022_import_ai_rows"), discard_data=True)
    columns = (
        "select count(*) from pg_attribute where attrelid = 'ai_trading_signals'::regclass"
        " and attname = 'imported_at'"
    )
    assert landscape.on_primary(columns) == landscape.on_replica(columns) == [(0,)]
    # A deploy that would bring it can be looked at.
    shown: list[str] = []
    show(landscape.primary, landscape.replica, report=shown.append)
    assert any("add column imported_at" in line for line in shown)
    assert landscape.on_primary(columns) == landscape.on_replica(columns) == [(0,)]
    landscape.deploy()
    assert landscape.on_primary(columns) == landscape.on_replica(columns) == [(1,)]
    assert landscape.differences() == []


def test_rows_are_not_deleted_unasked(landscape: Landscape) -> None:
    landscape.deploy()
    store_signal(landscape)
    everything = applied(landscape)
    with pytest.raises(DataLossError) as caught:
        back(landscape, len(everything))
    assert caught.value.rows == {
        "public.ai_model_stages": 1,
        "public.ai_models": 1,
        "public.ai_trading_signals": 1,
    }
    assert applied(landscape) == everything
    landscape.deploy()
    assert landscape.reports == []
    back(landscape, len(everything), discard_data=True)
    assert applied(landscape) == []


def test_prices_that_do_not_fit_are_not_deleted_unasked(landscape: Landscape) -> None:
    landscape.deploy()
    store_signal(landscape)
    everything = applied(landscape)
    count = len(everything) - everything.index("0024_exact_prices")
    landscape.on_primary(
        "insert into market_bars select 'X', '1h', at, low, 2, low, 1, 1"
        " from (values ('2025-01-01Z'::timestamptz, 0.0000000000085), ('2025-01-02Z', 0.5))"
        " as bars (at, low)"
    )
    with pytest.raises(DataLossError) as caught:
        back(landscape, count)
    assert caught.value.rows == {"public.ai_model_stages": 1, "public.market_bars": 1}
    assert applied(landscape) == everything
    back(landscape, count, discard_data=True)
    kept = landscape.on_primary("select low, scale(low) from market_bars")
    assert kept == [(Decimal("0.5"), 8)]

    # Forth again: only rows that the rollback changed are written or copied again.
    landscape.deploy()
    files = (
        "select relname, pg_relation_filenode(oid) from pg_class where relname in"
        " ('market_bars', 'ai_trading_signals', 'rl_training_episodes') order by 1"
    )
    assert landscape.differences() == []
    count = len(everything) - everything.index("0025_exact_prices_checked")
    back(landscape, count, discard_data=True)
    before = landscape.on_primary(files)
    landscape.deploy()
    assert landscape.on_primary(files) == before


def test_a_table_that_others_need_stays(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary("create table notes (signal_id bigint references ai_trading_signals (id))")
    everything = applied(landscape)
    with pytest.raises(Exception, match="other objects depend on it"):
        back(landscape, len(everything))
    landscape.deploy()
    assert applied(landscape) == everything
    assert landscape.differences() == []


def test_a_dry_run_changes_nothing(landscape: Landscape) -> None:
    landscape.deploy()
    before = dump(landscape.primary), dump(landscape.replica)
    landscape.reports.clear()
    back(landscape, len(applied(landscape)), is_dry_run=True)
    assert any("drop index concurrently" in line for line in landscape.reports)
    assert any("drop table public.ai_replication_fence" in line for line in landscape.reports)
    assert (dump(landscape.primary), dump(landscape.replica)) == before


def test_more_than_there_are(landscape: Landscape) -> None:
    landscape.deploy()
    with pytest.raises(UsageError, match=r"only \d+ migrations"):
        back(landscape, 99)


def take_away(landscape: Landscape, primary: Database | None = None) -> None:
    uninstall(
        primary or landscape.primary,
        landscape.replica,
        lock_timeout=2,
        fence_timeout=60,
        report=landscape.reports.append,
        discard_data=True,
    )


@pytest.mark.parametrize("kind", ["landscape", "one_server"])
def test_uninstall_leaves_the_platform_as_it_was(kind: str, request: pytest.FixtureRequest) -> None:
    landscape: Landscape = request.getfixturevalue(kind)
    before = dump(landscape.primary)
    landscape.deploy()
    store_signal(landscape)
    take_away(landscape)
    assert dump(landscape.primary) == before
    assert landscape.on_primary("select slot_name from pg_replication_slots") == []
    # And once more, where there is nothing to take away.
    take_away(landscape)
    assert dump(landscape.primary) == before


def test_a_platform_with_yoyo_of_its_own(landscape: Landscape, tmp_path: Path) -> None:
    (tmp_path / "0001_mine.sql").write_text("create table public.mine (id int);")
    options = ("--batch", "--no-config-file", "--database", landscape.primary.url)
    children.run(
        [str(Path(sys.executable).parent / "yoyo"), "apply", *options, str(tmp_path)],
        check=True,
        capture_output=True,
    )
    landscape.deploy()
    take_away(landscape)
    mine = "select migration_id, to_regclass('mine')::text from _yoyo_migration"
    assert landscape.on_primary(mine) == [("0001_mine", "mine")]
    landscape.deploy()
    assert landscape.differences() == []


def test_uninstall_while_the_primary_is_down(
    landscape: Landscape, unused_port: Callable[[], int]
) -> None:
    before = dump(landscape.primary)
    landscape.deploy()
    nowhere = Database("primary", f"postgresql://postgres@127.0.0.1:{unused_port()}/trading")
    with pytest.raises(ConnectionFailedError, match="The replica has let go of it"):
        take_away(landscape, nowhere)
    assert landscape.on_replica("select * from pg_subscription") == []
    take_away(landscape)
    assert dump(landscape.primary) == before
