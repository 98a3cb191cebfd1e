"""A module's own login: it can do its work, and what limits it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from ai_desk import AT, MODEL, SIGNAL
from landscapes import Landscape
from psycopg import sql

from runner.client import AITradingIntegration, InvalidRecordError
from runner.client.pools import TRADING, Pools
from runner.servers.database import Database

_SETTINGS = sql.SQL(
    "select current_setting('statement_timeout'), current_setting('lock_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


@pytest.fixture
def module_login(shared: Landscape) -> Iterator[Database]:
    """A login that is a member of ai_writer, as a team would make it."""
    shared.on_primary("create role a_module login password 'secret'; grant ai_writer to a_module")
    server = shared.primary.parameters()
    yield Database(
        "primary",
        f"postgresql://a_module:secret@{server['host']}:{server['port']}/{server['dbname']}",
        search_path="public",
    )
    shared.on_primary(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'a_module'"
    )
    shared.on_primary("drop role a_module")


def settings_of(database: Database) -> tuple[object, ...] | None:
    """Those of a client that sets none, as our own sessions do."""
    with psycopg.connect(database.url) as connection:
        return connection.execute(_SETTINGS).fetchone()


def test_a_login_of_its_own_can_do_its_work(shared: Landscape, module_login: Database) -> None:
    for role in ("ai_writer", None):
        limits = replace(TRADING, role=role)
        with Pools(module_login, trading_limits=limits) as pools:
            module = AITradingIntegration(pools)
            signal = replace(SIGNAL, model_id=module.register_model(MODEL))
            first, second = module.store_ai_signals([signal, signal])
            plan = module.create_trade_plan_from_ai_signal(first)
            module.record_execution(second, trade_plan_id=plan)
            with pytest.raises(InvalidRecordError, match="signal 1: model_id 9999 is no"):
                module.store_ai_signals([signal, replace(signal, model_id=9999)])


def test_what_limits_a_login(shared: Landscape, module_login: Database) -> None:
    # A member has nothing of ai_writer's settings.
    assert settings_of(module_login) == ("0", "0", "0")
    shared.on_primary("select limit_ai_writer_login('a_module', 2)")
    assert settings_of(module_login) == ("1min", "5s", "1min")
    with psycopg.connect(module_login.url) as first, psycopg.connect(module_login.url):
        with pytest.raises(Exception, match="too many connections for role"):
            settings_of(module_login)
        # A session may set its own, which nothing can forbid it.
        first.execute("set statement_timeout = 0")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is not a login that is a mem"):
        shared.on_primary("select limit_ai_writer_login('replicator')")


def test_what_holds_for_every_caller(shared: Landscape, module_login: Database) -> None:
    with Pools(module_login) as pools:
        module = AITradingIntegration(pools)
        signal = replace(SIGNAL, model_id=module.register_model(MODEL), expires_at=None)
        id_ = module.store_ai_signal(replace(signal, created_at=AT))
    call = "select create_trade_plan_from_ai_signal(%s)"
    with shared.primary.connect() as holder, module_login.connect() as careless:
        holder.execute("select from ai_trading_signals where id = %s for update", (id_,))
        careless.execute("set lock_timeout = 0")
        started = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            careless.execute(call, (id_,))
        assert 4 < time.monotonic() - started < 15
        careless.rollback()
        holder.rollback()
        # Who holds a signal's row and stops there is sent away.
        careless.execute(call, (id_,))
        assert careless.execute(_SETTINGS).fetchone() == ("0", "0", "1min")
        careless.commit()
        assert careless.execute(_SETTINGS).fetchone() == ("0", "0", "0")
