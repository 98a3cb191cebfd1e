"""Watch: rounds as changes arrive, one at a time, through restarts, to a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import alerted
import children
import pytest
from drills import eventually, plain_dbt, read_project, wait, waits_for_lock
from landscapes import Landscape
from metered import accepted, check_all, names, not_seen, of
from mortal_servers import kill_server, landscape_on
from watching import Watching

from runner.build import builds
from runner.build.books import changed_tables
from runner.demo.embedded import EmbeddedPair
from runner.servers import role_logins
from runner.servers.database import Database
from runner.servers.deploy_lock import LockedError
from runner.settings import PROJECT


@pytest.fixture
def landscape(own_pair: EmbeddedPair, tmp_path: Path) -> Iterator[Landscape]:
    """A deployed platform on that pair; dbt finds the project read in the test's own folder."""
    with landscape_on(own_pair) as made:
        made.deploy()
        read_project(made.replica, tmp_path)
        yield made


@contextlib.contextmanager
def watching(
    landscape: Landscape, target: Path, *options: str, tests: bool = False
) -> Iterator[Watching]:
    """A watch after its first round, which takes far longer with the data tests."""
    watch = Watching(landscape, target, *options, *(() if tests else ("--test-every", "0")))
    try:
        eventually(lambda: watch.has_built(1), seconds=240, what="a first round")
        yield watch
    finally:
        watch.end(signal.SIGKILL)


PLAN = (
    "insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,"
    " take_profit_1_price) values ('watched', 'BTC', 10, 9, 12)"
)
ORDER = (
    "insert into trading_orders (client_order_id, symbol, order_type, side, quantity, created_by)"
    " values ('watched {0}', 'BTC {0}', 'market', 'BUY', 1, 'test')"
)
UNUSABLE = (
    "insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,"
    " take_profit_1_price) values ('unusable', ' ', 10, 9, 12)"
)


def is_attributed(landscape: Landscape, symbol: str) -> bool:
    rows = landscape.on_replica(
        f"select count(*) from performance.order_attribution where symbol = '{symbol}'"
    )
    return rows == [(1,)]


def test_rounds_follow_changes_until_sigterm(
    landscape: Landscape,
    tmp_path: Path,
    unused_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = unused_port()
    monkeypatch.setenv("SIGNAL_MARTS_OBSERVE_SECONDS", "1")
    with watching(landscape, tmp_path, "--metrics-port", str(port), tests=True) as watch:
        assert "(everything)" in watch.rounds[0]
        landscape.on_primary(ORDER.format(1))
        eventually(lambda: is_attributed(landscape, "BTC 1"), seconds=120)
        eventually(lambda: watch.has_built(2), seconds=60)
        assert watch.rounds[1].endswith("(mapped.trading_orders)")
        landscape.on_primary(f"{ORDER.format(2)}; {PLAN}; {UNUSABLE}")
        eventually(lambda: is_attributed(landscape, "BTC 2"), seconds=120)

        def scrape() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                return str(answer.read().decode())

        # A round may have a mart's lock, for which no scrape waits.
        eventually(lambda: not not_seen(scrape()), seconds=60, instead=watch.notes)
        metrics = scrape()
        # Absent: no round has had all tests yet, and no decisions are delivered.
        absent = {f"signal_marts_{each}" for each in ("tested_round_failures", "decisions_waiting")}
        wanted = of("watch", "reading", "replication", "slots", "builds")
        assert wanted - names(metrics) == absent
        accepted(metrics)
        assert 'signal_marts_rounds_total{result="failure"} 0.0' in metrics
        # Rows that were set aside are counted when their number changes.
        told = [
            "rows that cannot be used: 1 of mapped.trade_plans;"
            " operations.rejected_rows names them",
            "every row can be used",
        ]
        eventually(lambda: told[0] in watch.notes, seconds=60)
        landscape.on_primary(ORDER.format(3))
        eventually(lambda: is_attributed(landscape, "BTC 3"), seconds=120)
        landscape.on_primary("update trade_plans set symbol = 'BTC' where strategy = 'unusable'")
        eventually(lambda: told[1] in watch.notes, seconds=120)
        assert [line for line in watch.notes if "can" in line and "used" in line] == told
        for marts in ("live", "all"):
            assert f'signal_marts_fresh_as_of_timestamp_seconds{{marts="{marts}"}} 1.' in metrics

        # It has taken samples beside its rounds.
        eventually(lambda: landscape.on_replica("select 1 from signal_marts.samples"), seconds=60)

        # Nobody else builds meanwhile.
        with (
            pytest.raises(LockedError, match=r"signal-marts watch \(server process \d+\)"),
            builds.one_build(landscape.replica, "build"),
        ):
            pass
        assert watch.end(signal.SIGTERM) == 0
    assert watch.notes[-1] == "stopped"
    with builds.one_build(landscape.replica, "build"):
        pass
    check_all(landscape)
    alerted.queries_run(landscape)


PARTITIONED = """
    create table days (like trading_stats including defaults, primary key (id, date))
        partition by range (date);
    create table old_days partition of days for values from (minvalue) to ('2000-01-01');
    create table new_days partition of days for values from ('2000-01-01') to (maxvalue);
    insert into days select * from trading_stats;
    insert into days (id, date, net_profit) values (-1, '1999-12-31', 1);
    alter sequence trading_stats_id_seq owned by none;
    drop table trading_stats;
    alter table days rename to trading_stats
"""


def test_live_marts_do_not_wait_for_the_others(landscape: Landscape, tmp_path: Path) -> None:
    landscape.on_primary(PARTITIONED)
    landscape.deploy()
    with watching(landscape, tmp_path, "--all-every", "100000") as watch:
        landscape.on_primary(ORDER.format(1))
        eventually(lambda: watch.has_built(2), seconds=120)
        assert " live models in " in watch.rounds[1]
        assert landscape.on_replica(
            "select count(*) from intermediate.int_orders_attributed where symbol = 'BTC 1'"
        ) == [(1,)]
        assert not is_attributed(landscape, "BTC 1")
        # Rows that are not replicated are reported, once.
        landscape.on_primary("alter table trading_stats detach partition old_days")
        told = "rows of public.trading_stats came or went with a partition"
        eventually(lambda: any(told in line for line in watch.notes), seconds=60)
        # Changes that no live mart needs make no round.
        landscape.on_primary("update trading_stats set net_profit = 7")
        landscape.on_primary(ORDER.format(2))
        eventually(lambda: watch.has_built(3), seconds=120)
        assert watch.rounds[2].endswith("(mapped.trading_orders, mapped.trading_stats)")
        assert sum(told in line for line in watch.notes) == 1
        assert watch.end(signal.SIGTERM) == 0


def test_each_round_asks_anew_what_can_be_built_from_changes(
    landscape: Landscape, tmp_path: Path
) -> None:
    """The project is read once, and the first round's facts on a model may be outdated."""

    def modes() -> list[object]:
        rows = landscape.on_replica(
            "select r.build_mode from changes.build_results as r"
            " inner join changes.builds as b on r.build_id = b.build_id"
            " where r.node_name = 'order_attribution' order by b.started_at"
        )
        return [mode for (mode,) in rows]

    with watching(landscape, tmp_path, "--all-every", "0") as watch:
        landscape.on_primary(ORDER.format(1))
        eventually(lambda: watch.has_built(2), seconds=120)
        landscape.on_replica("drop table intermediate.int_orders_attributed")
        landscape.on_primary(ORDER.format(2))
        eventually(lambda: watch.has_built(3), seconds=120)
        landscape.on_primary(ORDER.format(3))
        eventually(lambda: watch.has_built(4), seconds=120)
        assert modes() == ["full", "changes", "full", "changes"]
        assert watch.end(signal.SIGTERM) == 0


def test_a_watch_follows_what_a_plain_dbt_left_undone(landscape: Landscape, tmp_path: Path) -> None:
    with watching(landscape, tmp_path / "watch", "--all-every", "0") as watch:
        with watch.paused():
            landscape.on_primary(ORDER.format(1))
            wait(landscape)
            children.run(
                plain_dbt(
                    tmp_path,
                    *("--select", "+int_orders_attributed"),
                ),
                cwd=PROJECT,
                env=os.environ | landscape.replica.environment(),
                stdout=subprocess.DEVNULL,
                check=True,
            )
            assert not is_attributed(landscape, "BTC 1")
        eventually(lambda: is_attributed(landscape, "BTC 1"), seconds=120)
        eventually(lambda: watch.has_built(2), seconds=60)
        assert watch.rounds[1].endswith(
            "(intermediate.int_orders_attributed, staging.stg_platform__trading_orders)"
        )
        # And once; models of another version of the project do not concern it.
        landscape.on_replica(
            "insert into changes.relations (relation, definition, presentation, version,"
            " rebuilt_version, changed_by, built_at, rebuilt_at)"
            " values ('intermediate.other', '', '', 1, 1, 'another', now(), now())"
        )
        landscape.on_primary(ORDER.format(2))
        eventually(lambda: watch.has_built(3), seconds=60)
        assert watch.rounds[2].endswith("(mapped.trading_orders)")
        assert watch.end(signal.SIGTERM) == 0


def test_a_watch_ends_while_its_models_wait_for_others(
    landscape: Landscape, tmp_path: Path
) -> None:
    with (
        watching(landscape, tmp_path) as watch,
        landscape.replica.connect() as blocker,
    ):
        blocker.execute("lock table staging.stg_platform__trading_orders")
        landscape.on_primary(ORDER.format(1))
        eventually(lambda: waits_for_lock(blocker, "%"), seconds=120)
        assert watch.end(signal.SIGTERM) == 0
        assert not waits_for_lock(blocker, "%")


def test_a_watch_goes_on_beside_a_reader_who_never_ends(
    landscape: Landscape, tmp_path: Path
) -> None:
    reader = role_logins.as_role(Database("replica", landscape.replica.url), "bi_reader")
    with watching(landscape, tmp_path, "--all-every", "0") as watch:
        with reader.connect(application="a chart") as chart:
            chart.execute("select from performance.daily_performance limit 1")
            chart.execute("select from performance.order_attribution limit 1")
            landscape.on_primary(ORDER.format(1))
            eventually(lambda: is_attributed(landscape, "BTC 1"), seconds=120)
            eventually(lambda: watch.has_built(2), seconds=60)
            assert "failed" not in watch.rounds[1]
        assert watch.end(signal.SIGTERM) == 0


def test_a_watch_outlives_its_servers(
    own_pair: EmbeddedPair, landscape: Landscape, tmp_path: Path
) -> None:
    with watching(landscape, tmp_path) as watch:
        for number, server in enumerate((own_pair.replica, own_pair.primary)):
            kill_server(server)
            told = len(watch.notes)
            eventually(lambda: len(watch.notes) > told, what="a word of the trouble")  # noqa: B023
            own_pair.up()
            landscape.on_primary(ORDER.format(number))
            eventually(
                lambda: is_attributed(landscape, f"BTC {number}"),  # noqa: B023
                seconds=180,
                instead=watch.notes,
            )
        assert watch.end(signal.SIGTERM) == 0


def test_changed_tables_are_those_that_staging_has_not_read(
    landscape: Landscape, tmp_path: Path
) -> None:
    def changed() -> tuple[str, ...]:
        with landscape.replica.connect(autocommit=True) as replica:
            return changed_tables(replica)

    assert changed() == ()
    landscape.build(tmp_path, "staging")
    assert changed() == ()
    landscape.on_replica("update public.trading_stats set net_profit = 1")
    landscape.on_replica("delete from public.micro_patterns where id = 1")
    assert changed() == ("mapped.micro_patterns", "mapped.trading_stats")
    landscape.build(tmp_path, "stg_platform__trading_stats")
    assert changed() == ("mapped.micro_patterns",)
    landscape.build(tmp_path, "staging")
    assert changed() == ()
    # A row that was too late is built when its time has come; a row that can never be used is not
    # waited for.
    landscape.on_primary(
        "update micro_patterns set created_at = now() + interval '26 hours' where id = 2;"
        "update micro_patterns set created_at = 'infinity' where id = 3;"
        "insert into trading_stats (date, net_profit)"
        " values (current_date + 3, 1), ('5874897-12-31', 1);"
        "insert into market_bars values ('BTC', '29h', now(), 1, 1, 1, 1, 1)"
    )
    landscape.build(tmp_path, "staging")
    assert changed() == ()
    assert landscape.on_replica(
        "select count(*), min(value::date - (usable_from at time zone 'UTC')::date)"
        " from changes.rejected_rows where source_table = 'mapped.trading_stats'"
    ) == [(2, 1)]
    for hours, tables in (
        (3, ("mapped.micro_patterns",)),
        (6, ("mapped.micro_patterns", "public.market_bars")),
    ):
        landscape.on_primary(
            f"update ai_replication_fence set written_at = now() + {hours} * interval '1 hour'"
        )
        wait(landscape)
        assert changed() == tables
    landscape.build(tmp_path, "staging")
    assert changed() == ()
