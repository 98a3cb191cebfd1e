"""What random histories seldom come upon: marts from changes equal full ones all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from drills import eventually, plain_dbt, running, servers, wait, waits_for_lock
from histories import Histories

from runner import builds, transform
from runner.database import Connection
from runner.deploy_lock import LockedError
from runner.embedded import EmbeddedPair
from runner.settings import PROJECT

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with

ADD_MODEL = (
    "insert into ai_models (id, model_type, model_name, version, created_at)"
    " values (%s, 'genetic_optimization', 'one of many', %s, '2025-03-01Z')"
)


@pytest.fixture(scope="module")
def own_pair() -> Iterator[EmbeddedPair]:
    with servers() as pair:
        yield pair


@pytest.fixture
def history(own_pair: EmbeddedPair) -> Iterator[Histories]:
    """One that has not begun, on a platform of its own."""
    Histories.pair = own_pair
    history = Histories()
    with history.closing:
        yield history


def build(history: Histories, *select: str, exclude: Sequence[str] = ()) -> None:
    """Build all models or some, from all changes so far."""
    wait(history.landscape)
    assert not history.build(select=select, exclude=exclude).failures


def place_order(
    history: Histories, plan: int | None, side: str, price: int, at: str, filled_at: str
) -> None:
    history.connection.execute(
        """
        insert into trading_orders
            (client_order_id, trade_plan_id, side, filled_price, created_at, filled_at, symbol,
            order_type, status, quantity, filled_quantity, created_by)
        values (gen_random_uuid(), %s, %s, %s, %s, %s, 'BTCUSD', 'market', 'FILLED', 1, 1, 'test')
        """,
        (plan, side, price, at, filled_at),
    )


def test_rare_changes(history: Histories) -> None:
    """Fills before a source's first day, types that swap patterns, a signal that never expires."""

    history.connection.execute(
        """
        insert into market_bars
        select 'BTCUSD', '1h', opened_at, 100, 101, 99,
            100 + extract(hour from opened_at) / 24, 1
        from generate_series(timestamptz '2025-03-01Z', '2025-03-04Z', '1 hour') as opened_at;

        insert into micro_patterns
            (id, symbol, timeframe, pattern_type, confidence, signal, created_at)
        values
            (5, 'BTCUSD', '1h', 'doji', 0.5, 'BUY', '2025-03-01 01:00Z'),
            (7, 'BTCUSD', '1h', 'harami', 0.5, 'SELL', '2025-03-01 02:00Z'),
            (9, 'BTCUSD', '1h', 'doji', 0.5, 'BUY', '2025-03-02 03:00Z'),
            (10, 'BTCUSD', '1h', 'harami', 0.5, 'SELL', '2025-03-02 04:00Z');

        insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        values
            (1, 'grid', 'BTCUSD', 100, 95, 110, '2025-03-02 23:00Z'),
            (2, 'gap', 'BTCUSD', 100, 95, 110, '2025-03-01 23:00Z');

        insert into trading_stats
            (date, net_profit, total_trades, winning_trades, losing_trades)
        values ('2025-03-01', 0, 0, 0, 0), ('2025-03-03', 2, 1, 1, 0);

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'sparse_spectrum', 'never ends', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, created_at, expires_at)
        values (1, 'BTCUSD', 'BUY', 0.5, '2025-03-01Z', '9999-12-31Z');
        """
    )
    # Filled before the day on which they were placed, the first of their strategy.
    place_order(history, 1, "BUY", 100, "2025-03-03 00:00:01Z", "2025-03-02 23:59:50Z")
    place_order(history, 1, "SELL", 102, "2025-03-03 00:00:02Z", "2025-03-02 23:59:58Z")
    history.compare()

    place_order(history, 2, "BUY", 101, "2025-03-03 05:00Z", "2025-03-03 05:00Z")
    place_order(history, None, "BUY", 101, "2025-03-03 06:00Z", "2025-03-03 06:00Z")
    # As many patterns of either type as before, and other first ones.
    history.connection.execute(
        """
        update micro_patterns as pattern set pattern_type = other.pattern_type
        from micro_patterns as other
        where pattern.id in (5, 7) and other.id in (5, 7) and pattern.id <> other.id
        """
    )
    history.compare()


def test_partial_builds_between_what_goes_and_returns(history: Histories) -> None:
    """Models that slept meet parents that are empty, older or newer than what they store."""
    signals = """
        insert into ai_trading_signals (model_id, symbol, signal_type, confidence, created_at)
        select 1, 'BTCUSD', 'BUY', 0.5, created_at
        from generate_series(timestamptz '{}Z', '{}Z', '1 day') as created_at
        """
    bars = """
        insert into market_bars
        select 'BTCUSD', timeframe, opened_at, 100, 101, 99, 100, 1
        from unnest('{1h,30m}'::text[]) as timeframe
        cross join generate_series(timestamptz '2025-03-01Z', '2025-03-04Z', '1 hour') as opened_at
        """
    history.connection.execute(
        """
        delete from trading_orders;
        delete from trading_stats;

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'returns', '1', '2025-03-01Z')
        """
    )
    history.connection.execute(signals.format("2025-03-05", "2025-03-10"))
    history.compare()

    # The calendar moves, and what is closed is told of it only later.
    history.connection.execute("delete from ai_trading_signals")
    history.connection.execute(signals.format("2025-03-03", "2025-03-03"))
    build(history, exclude=["int_windows"])
    history.compare()

    history.connection.execute(bars)
    history.connection.execute(
        """
        insert into genetic_generations
            (model_id, generation_number, best_fitness, average_fitness, population_diversity,
            best_individual, created_at)
        values (1, 0, 0, 0, 0, '{"gene": 1.0}', '2025-03-03Z')
        """
    )
    history.compare()

    # Bars go, and only their numbers are built; values are written in another way.
    history.connection.execute("delete from market_bars")
    build(history, "stg_ai__market_bars", "int_bars_numbered")
    history.connection.execute(bars)
    history.connection.execute(
        """
        update genetic_generations
        set best_fitness = '-0', best_individual = '{"gene": 1.00}'
        """
    )
    history.compare()


def test_parents_of_different_builds(history: Histories) -> None:
    """A model reads one parent that is new and another that slept, which wakes up later."""

    def add_bars(symbol: str, first: str, last: str) -> None:
        history.connection.execute(
            """
            insert into market_bars
            select %s, '1h', opened_at, 100, 102, 99, 100 + extract(hour from opened_at) / 24, 1
            from generate_series(%s::timestamptz, %s, '1 hour') as opened_at
            """,
            (symbol, first, last),
        )

    def add_signals(first: str, last: str) -> None:
        history.connection.execute(
            """
            insert into ai_trading_signals (model_id, symbol, signal_type, confidence, created_at)
            select 1, 'BTCUSD', 'BUY', 0.5, created_at
            from generate_series(%s::timestamptz, %s, '1 hour') as created_at
            """,
            (first, last),
        )

    history.connection.execute(
        """
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'wakes', '1', '2025-02-20Z')
        """
    )
    add_bars("BTCUSD", "2025-03-01Z", "2025-03-04Z")
    add_signals("2025-03-01 01:00Z", "2025-03-03Z")
    history.compare()

    # A symbol of which the timeframes are not known yet.
    add_bars("NEWUSD", "2025-03-01Z", "2025-03-02Z")
    build(history, "stg_ai__market_bars", "int_ensemble_bars")
    history.compare()

    # Cases that were not counted yet when a signal that knows them came.
    judged = ("stg_ai__trading_signals", "int_ensemble_signals_judged", "signal_validation")
    history.connection.execute(
        "update ai_trading_signals set confidence = 0.9 where created_at < '2025-03-02Z'"
    )
    build(history, *judged)
    add_signals("2025-03-05Z", "2025-03-05Z")
    build(history, *judged)
    history.compare()

    # A close that went and returned while its forecasts slept.
    history.connection.execute(
        "update ai_trading_signals set confidence = 0.8 where created_at = '2025-03-02 03:00Z'"
    )
    build(history, "+int_ensemble_forecasts_live")
    gone = "2025-03-02 12:00Z"
    history.connection.execute(
        "delete from market_bars where symbol = 'BTCUSD' and opened_at = %s", (gone,)
    )
    build(
        history,
        *("stg_ai__market_bars", "int_ensemble_bars"),
        *("int_ensemble_losses", "int_ensemble_rounds"),
    )
    add_bars("BTCUSD", gone, gone)
    history.compare()

    # An expert that went and returned, and a close that was built without it meanwhile.
    pattern = """
        insert into micro_patterns
            (id, symbol, timeframe, pattern_type, confidence, signal, created_at)
        values (5, 'BTCUSD', '1h', 'doji', 0.5, 'SELL', '2025-03-01 23:00Z')
        """
    history.connection.execute(pattern)
    build(history)
    for model, opened_at in (
        ("int_ensemble_forecasts_live", "2025-03-02 01:00Z"),
        ("ensemble_decisions", "2025-03-02 00:00Z"),
    ):
        history.connection.execute("delete from micro_patterns where id = 5")
        history.connection.execute(
            "update market_bars set close = close + 0.01"
            " where symbol = 'BTCUSD' and opened_at = %s",
            (opened_at,),
        )
        build(
            history,
            *("stg_platform__micro_patterns", "int_ensemble_experts"),
            *("stg_ai__market_bars", "int_ensemble_bars", model),
        )
        history.connection.execute(pattern)
        build(history)
    history.compare()


def test_an_outcome_before_its_signal(history: Histories) -> None:
    """As a signal seems to have while bars have other numbers, and forecasts still the old ones."""
    bars = """
        insert into market_bars
        select symbol, '1h', opened_at, 100, 200, 1,
            100 + mod(extract(epoch from opened_at)::bigint / 3600 * 7, 13), 1
        from unnest(%s::text[]) as symbol
        cross join generate_series(%s::timestamptz, %s, '1 hour') as opened_at
        """
    history.connection.execute(
        """
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'early', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (id, model_id, symbol, signal_type, confidence, created_at)
        values
            (1, 1, 'ETHUSD', 'BUY', 0.55, '2025-03-04 23:00Z'),
            (2, 1, 'BTCUSD', 'BUY', 0.55, '2025-03-07 01:00Z');

        insert into micro_patterns
            (symbol, timeframe, pattern_type, confidence, signal, created_at)
        values ('BTCUSD', '1h', 'doji', 0.5, 'BUY', '-infinity')
        """
    )
    history.compare()
    history.connection.execute(bars, (["BTCUSD", "ETHUSD"], "2025-03-02Z", "2025-03-09Z"))
    history.compare()

    history.connection.execute(bars, (["BTCUSD"], "2025-02-27Z", "2025-03-01 23:00Z"))
    history.connection.execute("update ai_trading_signals set confidence = 0.56 where id = 1")
    build(
        history,
        *("stg_ai__market_bars", "stg_ai__trading_signals", "int_timeframes"),
        *("int_ensemble_bars", "int_ensemble_signals_judged", "signal_validation"),
    )
    history.compare()


def test_orders_that_come_to_a_plan_or_leave_it(history: Histories) -> None:
    """Matched in it already and still without it, or the other way round."""
    history.connection.execute(
        """
        delete from trading_orders;

        insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        values (1, 'grid', 'BTCUSD', 100, 95, 110, '2025-03-01Z');

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'plans', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (model_id, trade_plan_id, symbol, signal_type, confidence, created_at)
        select 1, 1, 'BTCUSD', unnest('{BUY,SELL}'::text[]), 0.5, '2025-03-02Z'
        """
    )
    place_order(history, None, "BUY", 100, "2025-03-02 01:00Z", "2025-03-02 01:00Z")
    place_order(history, None, "SELL", 102, "2025-03-02 02:00Z", "2025-03-02 02:00Z")
    history.compare()
    for plan, matches in (
        ("1", "int_orders_matched_in_plan"),
        ("null", "int_orders_matched_as_of"),
    ):
        history.connection.execute(
            f"update trading_orders set trade_plan_id = {plan}, filled_price = filled_price + 1"
        )
        build(history, "stg_platform__trading_orders", matches, "int_orders_attributed")
        build(history, "int_fills", "int_fills_matched_in_plan", "int_lots_closed", "trades")
        history.compare()

    # The pair is the same, the other way round.
    history.connection.execute(
        """
        update trading_orders
        set trade_plan_id = 1, filled_price = filled_price + 1,
            side = case side when 'BUY' then 'SELL'::order_side else 'BUY' end
        """
    )
    build(history, "stg_platform__trading_orders")
    build(history, "int_fills", "int_fills_matched_in_plan", "int_lots_closed", "trades")
    history.compare()

    # And once more, out of the plan and of more than the plan matched.
    history.connection.execute(
        """
        update trading_orders
        set trade_plan_id = null, filled_price = filled_price + 1,
            quantity = 2, filled_quantity = 2,
            side = case side when 'BUY' then 'SELL'::order_side else 'BUY' end
        """
    )
    build(history, "stg_platform__trading_orders")
    build(
        history,
        *("int_fills", "int_fills_left_by_plans", "int_fills_matched_in_symbol"),
        *("int_lots_closed", "trades"),
    )
    history.compare()

    # Orders that were filled less than they are still matched.
    history.connection.execute(
        "update trading_orders set quantity = 1e9, filled_quantity = 1e9, fee = 2000"
    )
    history.compare()
    history.connection.execute("update trading_orders set filled_quantity = 1e-8")
    for model in ("int_open_positions", "int_lots_closed"):
        build(history, "stg_platform__trading_orders", "int_fills", model)
        history.connection.execute("update trading_orders set fee = fee + 1")
    history.compare()


def test_a_parent_is_built_beside_its_child(history: Histories) -> None:
    """Nothing keeps a plain dbt build and another one apart: a parent waits until what reads it is
    done, as else that would have read more than it accounts for."""
    history.connection.execute(
        """
        delete from trading_orders;

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'comes and goes', '1', '2025-03-01Z')
        """
    )
    place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
    history.compare()

    history.connection.execute(
        """
        update trading_orders set filled_price = 101;

        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, created_at, expires_at)
        values (1, 'BTCUSD', 'BUY', 0.5, '2025-03-02Z', '2025-03-03Z')
        """
    )
    build(history, "stg_platform__trading_orders")
    with history.landscape.replica.connect() as blocker:
        blocker.execute("lock table staging.stg_platform__trading_orders")
        both = [
            plain_build(history, blocker, model)
            for model in ("int_orders_matched_as_of", "stg_ai__trading_signals")
        ]
    assert [each.wait() for each in both] == [0, 0]

    # The signal that the child may have read leaves the order alone.
    history.connection.execute(
        "update ai_trading_signals set created_at = '2025-03-05Z', expires_at = '2025-03-06Z'"
    )
    history.compare()


def test_a_decision_is_published_once(history: Histories) -> None:
    """By whichever of two builds comes first, though nothing keeps plain dbt builds apart."""

    def numbers() -> list[tuple[object, ...]]:
        return history.landscape.on_replica(
            "select count(*), count(distinct (symbol, decided_at))"
            " from ensemble.ensemble_publications"
        )

    def add(symbol: str) -> None:
        history.connection.execute(
            """
            insert into market_bars
            select %(symbol)s, '1h', opened_at, 100, 101, 99,
                100 + extract(hour from opened_at) / 24, 1
            from generate_series(timestamptz '2025-03-01Z', '2025-03-02Z', '1 hour') as opened_at
            """,
            {"symbol": symbol},
        )
        history.connection.execute(
            """
            insert into micro_patterns
                (symbol, timeframe, pattern_type, confidence, signal, created_at)
            values (%(symbol)s, '1h', 'doji', 0.5, 'BUY', '2025-03-01 01:00Z')
            """,
            {"symbol": symbol},
        )

    add("BTCUSD")
    build(history)
    assert numbers() == [(1, 1)]
    add("ETHUSD")
    build(history, "+ensemble_decisions", exclude=["ensemble_publications"])
    assert numbers() == [(1, 1)]
    with history.landscape.replica.connect() as blocker:
        blocker.execute("lock table ensemble.ensemble_decisions")
        both = [
            plain_build(history, blocker, "ensemble_publications", number=number)
            for number in (1, 2)
        ]
    assert [each.wait() for each in both] == [0, 0]
    assert numbers() == [(2, 2)]


def test_a_plain_build_beside_the_runner(history: Histories) -> None:
    """A model of staging waits while the runner builds, which reads as of an earlier moment; the
    runner waits for one that is being built."""
    orders = "stg_platform__trading_orders"
    history.compare()
    replica = history.landscape.replica
    before = number_of_orders(history)
    with replica.connect() as watcher:
        with builds.frozen(replica, timeout=60) as environment:
            place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
            wait(history.landscape)
            plain = plain_build(history, watcher, orders)
            build_at(history, environment, orders)
            assert number_of_orders(history) == before
            assert plain.poll() is None
        assert plain.wait() == 0
    assert number_of_orders(history) == before + 1

    with replica.connect() as blocker:
        blocker.execute(f"lock table staging.{orders}")
        plain = plain_build(history, blocker, orders)
        with pytest.raises(LockedError, match="plain dbt"), builds.frozen(replica, timeout=0.1):
            pass
    assert plain.wait() == 0
    history.compare()


def test_full_builds_where_a_killed_one_left_a_table(history: Histories) -> None:
    """dbt drops it before anything else, and holds it from then on."""
    replica = history.landscape.replica
    build(history, "stg_ai__models")
    history.landscape.on_replica(
        "create table staging.stg_ai__models__dbt_backup ();"
        "alter table staging.stg_ai__models__dbt_backup owner to transformer"
    )
    with replica.connect() as watcher:
        with builds.frozen(replica, timeout=60) as environment:
            plain = plain_build(history, watcher, "stg_ai__models", "--full-refresh")
            build_at(history, environment, "stg_ai__models", full_refresh=True)
        assert plain.wait() == 0


def build_at(
    history: Histories, moment: Mapping[str, str], model: str, *, full_refresh: bool = False
) -> None:
    """Build a model as the runner does at a moment that it froze."""
    built = transform.build(
        moment,
        advance=lambda done, total, at: None,
        select=[model],
        full_refresh=full_refresh,
        target=history.folder,
        tests=False,
    )
    assert not built.failures


def test_plain_builds_of_two_versions(history: Histories, tmp_path: Path) -> None:
    """The one that waited for the other asks only then whether it may go by changes."""
    other = other_version(
        tmp_path,
        "models/staging/ai/stg_ai__models.sql",
        "cast(version as {{ dbt.type_string() }})",
        "cast(version || '+' as {{ dbt.type_string() }})",
    )
    history.connection.execute(ADD_MODEL, (1, "1"))
    wait(history.landscape)
    with history.landscape.replica.connect() as blocker:
        assert plain_build(history, blocker, "stg_ai__models", project=other).wait() == 0
        blocker.execute(
            "select from changes.relations where relation = 'staging.stg_ai__models' for update"
        )
        both = [
            plain_build(history, blocker, "stg_ai__models", project=project, number=number)
            for number, project in enumerate((PROJECT, other), start=1)
        ]
        history.connection.execute(ADD_MODEL, (2, "2"))
        wait(history.landscape)
    assert [each.wait() for each in both] == [0, 0]
    history.compare()


def test_a_model_that_goes_and_returns(history: Histories, tmp_path: Path) -> None:
    """Another version of the project has it elsewhere; its readers remember what they read here."""
    for id_ in (1, 2, 3):
        history.connection.execute(ADD_MODEL, (id_, str(id_)))
        build(history)
    other = other_version(tmp_path, "dbt_project.yml", "+schema: staging", "+schema: elsewhere")
    with history.landscape.replica.connect() as watcher:
        assert plain_build(history, watcher, "stg_ai__models", project=other).wait() == 0
    history.connection.execute("update ai_models set version = '4' where id = 3")
    build(history, "stg_ai__models")
    history.connection.execute("update ai_models set version = '5' where id = 2")
    history.compare()


def other_version(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the project in which a file says something else."""
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".*", "target", "logs"))
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    return project


def test_an_empty_build_is_refused(history: Histories) -> None:
    told = subprocess.run(
        plain_dbt(history.folder, "--empty"),
        cwd=PROJECT,
        env=os.environ | history.landscape.replica.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert told.returncode == 2
    assert "with --empty, tables would lose rows" in told.stdout
    assert history.landscape.on_replica("select to_regclass('changes.relations')::text") == [
        (None,)
    ]


def plain_build(
    history: Histories,
    connection: Connection,
    model: str,
    *options: str,
    number: int = 1,
    project: Path = PROJECT,
) -> subprocess.Popen[bytes]:
    """A build of a model by dbt alone, in a process of its own, that ended or waits for another.

    It is the ``number``-th of this model that waits.
    """
    process = subprocess.Popen(
        plain_dbt(history.folder / f"{model}-{number}", "--select", model, *options),
        cwd=project,
        env=os.environ | history.landscape.replica.environment(),
        stdout=subprocess.DEVNULL,
    )
    history.closing.callback(process.wait)
    history.closing.callback(process.kill)
    node = f'"model.signal_marts.{model}"'  # in the comment that dbt begins each statement with
    eventually(
        lambda: process.poll() is not None or waits_for_lock(connection, node, sessions=number),
        seconds=120,
    )
    return process


def test_full_builds_are_of_one_moment(history: Histories) -> None:
    """What arrives while a build is at work is read by the next one, in full or not."""
    history.compare()
    before = number_of_orders(history)
    with (
        history.landscape.replica.connect() as blocker,
        running(
            history.landscape,
            *("build", "--full-refresh", "--select", "stg_platform__trading_orders"),
            target=history.folder / "full",
        ) as runner,
    ):
        blocker.execute("lock table changes.relations")
        eventually(lambda: runner.ended() or waits_for_lock(blocker, "%"), seconds=200)
        place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
        wait(history.landscape)
        blocker.rollback()
        assert runner.finish()[0] == 0
    assert number_of_orders(history) == before
    history.compare()
    assert number_of_orders(history) == before + 1


def number_of_orders(history: Histories) -> int:
    (count,) = history.landscape.on_replica(
        "select count(*)::integer from staging.stg_platform__trading_orders"
    )[0]
    assert isinstance(count, int)
    return count
