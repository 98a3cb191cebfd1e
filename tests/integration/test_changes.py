"""What is built from changes equals what is built in full, whatever happened in between.

SIGNAL_MARTS_STEPS asks for more random steps than the usual number, and for other ones each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from comparison import SCHEMAS, differing_models
from conftest import Landscape
from drills import (
    configure,
    eventually,
    kill_server,
    landscape_on,
    no_problem,
    running,
    servers,
    wait,
    waits_for_lock,
)
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql
from random_market import RandomMarket

from runner import builds, transform
from runner.database import Connection, ConnectionFailedError
from runner.deploy_lock import LockedError
from runner.embedded import EmbeddedPair
from runner.settings import PROJECT

STEPS = int(os.environ.get("SIGNAL_MARTS_STEPS", "1000"))
_STEPS_OF_A_HISTORY = 250
# A build takes a thousand times longer than a change, so many changes come between two of them.
_CHANGES_BETWEEN_BUILDS = 60
_BUILD_MODELS = (
    "build",
    *("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test"),
)

seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def mortals() -> Iterator[EmbeddedPair]:
    """A pair whose servers may be killed, and where long transactions arrive before they end."""
    with servers() as pair:
        configure(pair, pair.primary, "logical_decoding_work_mem", "64kB")
        yield pair


class Histories(RuleBasedStateMachine):
    """Random changes on the primary, and among them builds, partial ones, and accidents."""

    pair: EmbeddedPair

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="signal-marts-changes-"))
        self.closing = contextlib.ExitStack()
        self.closing.callback(shutil.rmtree, self.folder)
        self.landscape: Landscape = self.closing.enter_context(landscape_on(self.pair))
        self.landscape.deploy()
        self.connection = self._connect()
        self.long: Connection | None = None
        self.changes = 0

    def _connect(self) -> Connection:
        connection = self.closing.enter_context(self.landscape.primary.connect(autocommit=True))
        # A row that the long transaction holds stays as it is.
        connection.execute("set lock_timeout = '20ms'")
        return connection

    def teardown(self) -> None:
        with self.closing:
            self.end_long_transaction(commit=True)
            self.compare()

    # --- changes ----------------------------------------------------------------------------

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        RandomMarket(self.connection, Random(seed)).begin()

    @rule(seed=seeds)
    def change(self, seed: int) -> None:
        RandomMarket(self.connection, Random(seed)).change()
        self.changes += 1

    @rule(seed=seeds, number=st.integers(2, 12), commit=st.booleans())
    def change_in_one_transaction(self, seed: int, number: int, commit: bool) -> None:
        market = RandomMarket(self.connection, Random(seed))
        with self.connection.transaction(force_rollback=not commit):
            for _ in range(number):
                market.change()
        self.changes += 1

    @precondition(lambda self: self.long is None)
    @rule(seed=seeds)
    def begin_long_transaction(self, seed: int) -> None:
        """So much that the replica applies it before it is known to be committed."""
        self.long = self._connect()
        self.long.autocommit = False
        market = RandomMarket(self.long, Random(seed))
        for _ in range(10):
            market.change()
        self.long.execute(
            "insert into micro_patterns"
            " (symbol, timeframe, pattern_type, confidence, signal, created_at)"
            " select 'BTCUSD', '1h', repeat('x', 50), 0.5, 'BUY', '2025-03-02 12:00Z'"
            " from generate_series(1, 1000)"
        )
        self.changes += 1

    @precondition(lambda self: self.long is not None)
    @rule(commit=st.booleans())
    def end_long_transaction(self, commit: bool) -> None:
        if self.long is not None:
            (self.long.commit if commit else self.long.rollback)()
            self.long.close()
            self.long = None
            self.changes += 1

    # --- builds and accidents, some changes apart -------------------------------------------

    def _is_due(self) -> bool:
        return self.changes >= _CHANGES_BETWEEN_BUILDS

    @precondition(_is_due)
    @rule()
    def compare(self) -> None:
        """A quiet point: every table equals a full refresh in other schemas."""
        wait(self.landscape)
        assert not self.build().failures
        full = self.build(schema_prefix="full", full_refresh=True)
        assert not full.failures, full.failures
        with self.landscape.replica.connect() as replica:
            assert differing_models(replica, "full") == {}

    @precondition(_is_due)
    @rule(number=st.integers(1, 3), seed=seeds)
    def build_some(self, number: int, seed: int) -> None:
        self.build(select=Random(seed).sample(self.models(), number))

    @precondition(_is_due)
    @rule()
    def build_all(self) -> None:
        assert not self.build().failures

    @precondition(_is_due)
    @rule(seed=seeds)
    def fail_at_a_model(self, seed: int) -> None:
        """A model cannot write, and what needs it is skipped."""
        self.changes = 0
        if (table := self._table(seed)) is not None:
            self._on_replica("alter table {} add constraint never check (false) not valid", table)
            self.build()
            self._on_replica("alter table if exists {} drop constraint if exists never", table)

    @precondition(_is_due)
    @rule(seed=seeds)
    def lose_a_table(self, seed: int) -> None:
        self.changes = 0
        if (table := self._table(seed)) is not None:
            self._on_replica("drop table {} cascade", table)

    @precondition(_is_due)
    @rule(seed=seeds, at_server=st.booleans())
    def kill_in_a_build(self, seed: int, at_server: bool) -> None:
        """The runner, or the replica's server under it, while a model is being built."""
        self.changes = 0
        table = self._table(seed)
        if table is None:
            return
        with (
            self.landscape.replica.connect() as blocker,
            running(self.landscape, *_BUILD_MODELS, target=self.folder / "killed") as runner,
        ):
            blocker.execute(sql.SQL("lock table {}").format(sql.Identifier(*table)))
            eventually(lambda: runner.ended() or waits_for_lock(blocker, "%"), seconds=600)
            if at_server:
                kill_server(self.pair.replica)
            elif not runner.ended():
                runner.kill()
            blocker.close()
        self.pair.up()
        eventually(self._is_replica_up)

    @precondition(_is_due)
    @rule()
    def resync(self) -> None:
        self.changes = 0
        self.end_long_transaction(commit=True)
        wait(self.landscape)
        self.landscape.deploy(resync=())
        no_problem(self.landscape)

    # --- what they are made of --------------------------------------------------------------

    def build(self, **options: Any) -> transform.Build:
        self.changes = 0
        prefix = options.get("schema_prefix")
        with contextlib.ExitStack() as stack:
            session = eventually(lambda: self._lock(stack))
            assert session is not None
            stack.enter_context(builds.frozen(self.landscape.replica, session))
            return transform.build(
                self.landscape.replica.environment(),
                advance=lambda done, total, at: None,
                target=self.folder / str(prefix),
                tests=False,
                **options,
            )

    def _lock(self, stack: contextlib.ExitStack) -> Connection | None:
        """The lock of builds, None while the server has not missed a runner that was killed."""
        try:
            return stack.enter_context(builds.one_build(self.landscape.replica, "build"))
        except LockedError:
            return None

    def models(self) -> list[str]:
        return sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))

    def _table(self, seed: int) -> tuple[str, str] | None:
        """Some model's table."""
        with self.landscape.replica.connect() as replica:
            tables = replica.execute(
                "select schemaname, tablename from pg_tables where schemaname = any(%s)"
                " and tablename <> 'ensemble_publications' order by 1, 2",
                (list(SCHEMAS),),
            ).fetchall()
        return Random(seed).choice(tables) if tables else None

    def _on_replica(self, statement: str, table: tuple[str, str]) -> None:
        with self.landscape.replica.connect() as replica:
            replica.execute(sql.SQL(statement).format(sql.Identifier(*table)))

    def _is_replica_up(self) -> bool:
        try:
            with self.landscape.replica.connect():
                return True
        except ConnectionFailedError:
            return False


@pytest.mark.timeout(60 * STEPS)
def test_marts_from_changes_equal_marts_in_full(mortals: EmbeddedPair) -> None:
    Histories.pair = mortals
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=max(1, STEPS // _STEPS_OF_A_HISTORY),
            stateful_step_count=_STEPS_OF_A_HISTORY,
            derandomize="SIGNAL_MARTS_STEPS" not in os.environ,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_rare_changes(mortals: EmbeddedPair) -> None:
    """What random histories seldom come upon, all at once."""
    Histories.pair = mortals
    history = Histories()

    def place_order(plan: int | None, side: str, price: int, at: str, filled_at: str) -> None:
        history.connection.execute(
            """
            insert into trading_orders
                (client_order_id, trade_plan_id, side, filled_price, created_at, filled_at, symbol,
                order_type, status, quantity, filled_quantity, created_by)
            values (gen_random_uuid(), %s, %s, %s, %s, %s, 'BTCUSD', 'market', 'FILLED', 1, 1,
                'test')
            """,
            (plan, side, price, at, filled_at),
        )

    with history.closing:
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
        place_order(1, "BUY", 100, "2025-03-03 00:00:01Z", "2025-03-02 23:59:50Z")
        place_order(1, "SELL", 102, "2025-03-03 00:00:02Z", "2025-03-02 23:59:58Z")
        history.compare()

        place_order(2, "BUY", 101, "2025-03-03 05:00Z", "2025-03-03 05:00Z")
        place_order(None, "BUY", 101, "2025-03-03 06:00Z", "2025-03-03 06:00Z")
        # As many patterns of either type as before, and other first ones.
        history.connection.execute(
            """
            update micro_patterns as pattern set pattern_type = other.pattern_type
            from micro_patterns as other
            where pattern.id in (5, 7) and other.id in (5, 7) and pattern.id <> other.id
            """
        )
        history.compare()


def test_partial_builds_between_what_goes_and_returns(mortals: EmbeddedPair) -> None:
    """Models that slept meet parents that are empty, older or newer than what they store."""
    Histories.pair = mortals
    history = Histories()
    signals = """
        insert into ai_trading_signals (model_id, symbol, signal_type, confidence, created_at)
        select 1, 'BTCUSD', 'BUY', 0.5, created_at
        from generate_series(timestamptz '{}Z', '{}Z', '1 day') as created_at
        """
    bars = """
        insert into market_bars
        select 'BTCUSD', '1h', opened_at, 100, 101, 99, 100, 1
        from generate_series(timestamptz '2025-03-01Z', '2025-03-04Z', '1 hour') as opened_at
        """
    with history.closing:
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
        wait(history.landscape)
        history.build(exclude=["int_windows"])
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
        wait(history.landscape)
        history.build(select=["stg_ai__market_bars", "int_bars_numbered"])
        history.connection.execute(bars)
        history.connection.execute(
            """
            update genetic_generations
            set best_fitness = '-0', best_individual = '{"gene": 1.00}'
            """
        )
        history.compare()


def test_parents_of_different_builds(mortals: EmbeddedPair) -> None:
    """A model reads one parent that is new and another that slept, which wakes up later."""
    Histories.pair = mortals
    history = Histories()

    def build(*models: str) -> None:
        wait(history.landscape)
        assert not history.build(select=models).failures

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

    with history.closing:
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
        build("stg_ai__market_bars", "int_ensemble_bars")
        history.compare()

        # Cases that were not counted yet when a signal that knows them came.
        judged = ("stg_ai__trading_signals", "int_ensemble_signals_judged", "signal_validation")
        history.connection.execute(
            "update ai_trading_signals set confidence = 0.9 where created_at < '2025-03-02Z'"
        )
        build(*judged)
        add_signals("2025-03-05Z", "2025-03-05Z")
        build(*judged)
        history.compare()

        # A close that went and returned while its forecasts slept.
        history.connection.execute(
            "update ai_trading_signals set confidence = 0.8 where created_at = '2025-03-02 03:00Z'"
        )
        build("+int_ensemble_forecasts_live")
        gone = "2025-03-02 12:00Z"
        history.connection.execute(
            "delete from market_bars where symbol = 'BTCUSD' and opened_at = %s", (gone,)
        )
        build(
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
        wait(history.landscape)
        history.build()
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
                *("stg_platform__micro_patterns", "int_ensemble_experts"),
                *("stg_ai__market_bars", "int_ensemble_bars", model),
            )
            history.connection.execute(pattern)
            wait(history.landscape)
            history.build()
        history.compare()
