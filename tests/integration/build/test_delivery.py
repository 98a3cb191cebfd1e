"""Decisions on the primary: each published one once, whatever is locked, late or killed."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from drills import eventually, read_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landscapes import Landscape
from mortal_servers import landscape_on
from watching import Watching

from runner.build.delivery import CHANNEL, Delivery, check
from runner.demo.embedded import EmbeddedPair
from runner.errors import UsageError
from runner.servers.database import Connection
from runner.servers.deploy_lock import LockedError

DELIVERED = "select symbol, decided_at, decision, published_at, build_id from"
ON_PRIMARY = f"{DELIVERED} public.ai_ensemble_decisions order by 1, 2"
ON_REPLICA = (
    f"{DELIVERED} ensemble.ensemble_publications as p where seconds_to_publication <= 86400"
    " or not exists (select from ensemble.ensemble_publications as n"
    " where n.symbol = p.symbol and n.decided_at > p.decided_at) order by 1, 2"
)


def told(listener: Connection, sender: Connection) -> list[str]:
    """All that was notified so far."""
    sender.execute("select pg_notify(%s, 'no more')", (CHANNEL,))
    found = (each.payload for each in listener.notifies(timeout=30))
    return list(itertools.takewhile(lambda payload: payload != "no more", found))


# A model whose signals come every ten hours, and live as long.
MODULE = """
insert into ai_models (model_type, model_name, version, created_at)
values ('supervised', 'dqn', '1', now() - interval '60 hours');
insert into ai_trading_signals
    (model_id, symbol, signal_type, confidence, created_at, expires_at)
select
    id, 'BTCUSD', 'BUY', 0.8,
    now() - ago * interval '1 hour', now() - (ago - 10) * interval '1 hour'
from ai_models, generate_series(10, 50, 10) as ago
"""
BAR = """
insert into market_bars
select
    'BTCUSD', '1h', date_trunc('hour', now()) - ago * interval '1 hour', 100, 103, 99, 101, 1
from generate_series({}, {}) as ago
"""


@contextlib.contextmanager
def listening(landscape: Landscape) -> Iterator[Connection]:
    with landscape.primary.connect(autocommit=True) as session:
        session.execute(f"listen {CHANNEL}")
        yield session


def test_a_watch_delivers_what_it_publishes(own_pair: EmbeddedPair, tmp_path: Path) -> None:
    with landscape_on(own_pair) as landscape, listening(landscape) as listener:
        landscape.deploy()
        read_project(landscape.replica, tmp_path)
        landscape.on_primary(MODULE)
        landscape.on_primary(BAR.format(20, 60))
        options = ("--test-every", "0", "--deliver-decisions")

        def is_delivered(count: int) -> bool:
            assert watch.code() is None, watch.notes
            found = landscape.on_primary(ON_PRIMARY)
            return len(found) == count and found == landscape.on_replica(ON_REPLICA)

        watch = Watching(landscape, tmp_path, *options)
        try:
            # Of the hours before, none could follow those of more than a day ago.
            eventually(lambda: len(landscape.on_primary(ON_PRIMARY)) > 0, seconds=240)
            followed = len(landscape.on_primary(ON_PRIMARY))
            assert 1 <= followed <= 5
            assert is_delivered(followed)
            # It waits for no lock of trading.
            with landscape.primary.connect() as trader:
                trader.execute("lock table trading_orders, trade_plans, ai_trading_signals")
                landscape.on_primary(BAR.format(19, 19))
                eventually(lambda: is_delivered(followed + 1))
            # What cannot be delivered now is, later.
            with landscape.primary.connect() as keeper:
                keeper.execute("lock table public.ai_ensemble_decisions in share mode")
                landscape.on_primary(BAR.format(18, 18))
                eventually(lambda: any("wait to be delivered" in note for note in watch.notes))
            eventually(lambda: is_delivered(followed + 2))
        finally:
            watch.end(signal.SIGKILL)
        landscape.on_primary(BAR.format(15, 17))
        watch = Watching(landscape, tmp_path, *options)
        try:
            eventually(lambda: is_delivered(followed + 5), seconds=240)
            assert watch.end(signal.SIGTERM) == 0
        finally:
            watch.end(signal.SIGKILL)
        with landscape.primary.connect(autocommit=True) as sender:
            notified = told(listener, sender)
        assert len(notified) == len(set(notified)) == followed + 5
        builds = {build_id for *_, build_id in landscape.on_primary(ON_PRIMARY)}
        booked = "select distinct build_id::text from operations.build_history"
        assert builds <= {build_id for (build_id,) in landscape.on_replica(booked)}


BOOK = """
create schema ensemble;
create table ensemble.ensemble_publications as
select
    symbol, decided_at, timeframe, decision, probability_up, contributors, confirming_experts,
    contradicting_experts, published_at, 0.0::float8 as seconds_to_publication, build_id
from (values (
    'X', now(), '1h', 'BUY', 0.5::float8, 1::bigint, null::text, null::text, now(), 'b'
)) as t (
    symbol, decided_at, timeframe, decision, probability_up, contributors, confirming_experts,
    contradicting_experts, published_at, build_id
)
with no data
"""
PUBLISH = (
    "insert into ensemble.ensemble_publications values"
    " (%s, %s, '1h', 'BUY', 0.7, 1, null, null, %s, %s, 'b')"
)
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def ends(landscape: Landscape) -> Iterator[tuple[Connection, Connection, Connection]]:
    """Sessions on the primary and the replica, and one on the primary that listens."""
    landscape.deploy()
    with (
        landscape.primary.connect(autocommit=True) as primary,
        landscape.replica.connect(autocommit=True) as replica,
        listening(landscape) as listener,
    ):
        replica.execute(BOOK)
        yield primary, replica, listener


STEPS = st.lists(
    st.one_of(
        # A decision of a symbol, published that much later by a build that long.
        st.tuples(
            st.just("publish"),
            st.sampled_from(["X", "O'Neil; --"]),
            st.sampled_from([0, 60, 86_400, 86_401, 9_000_000]),
            st.integers(0, 3_500),
        ),
        st.just(("deliver",)),
        st.just(("restart",)),
        st.just(("locked",)),
        st.just(("forget",)),
        st.just(("days pass",)),
    ),
    max_size=25,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_each_is_delivered_once(
    landscape: Landscape, ends: tuple[Connection, Connection, Connection], steps: list[Any]
) -> None:
    primary, replica, listener = ends
    primary.execute("truncate public.ai_ensemble_decisions, public.ai_decision_deliveries")
    replica.execute("truncate ensemble.ensemble_publications")
    expected: set[tuple[str, datetime]] = set()
    book: dict[tuple[str, datetime], tuple[float, datetime]] = {}
    forgotten: set[tuple[str, datetime]] = set()
    delivery = Delivery(primary, replica)
    since: datetime | None = None

    def begin() -> datetime | None:
        """Since when what was published is delivered."""
        return since or max((at - timedelta(days=1) for _, at in book.values()), default=None)

    def deliver() -> None:
        if not book:
            assert delivery.deliver() == []
            return
        assert since is not None
        newest = {symbol: max(at for s, at in book if s == symbol) for symbol, _ in book}
        delivery.deliver()
        expected.update(
            key
            for key, (late, published_at) in book.items()
            if published_at > since and (late <= 86_400 or newest[key[0]] == key[1])
        )

    now = BEGIN
    for number, (step, *how) in enumerate((*steps, ("deliver",))):
        now += timedelta(minutes=1)
        if step == "publish":
            symbol, late, length = how
            # The build ends now; what it publishes has the time of its beginning.
            published_at = now - timedelta(seconds=length)
            decided_at = published_at - timedelta(seconds=late, microseconds=number)
            replica.execute(PUBLISH, (symbol, decided_at, published_at, float(late)))
            book[symbol, decided_at] = (late, published_at)
        elif step == "deliver":
            since = begin()
            deliver()
        elif step == "restart":
            delivery = Delivery(primary, replica)
            since = since if expected else None
        elif step == "days pass":
            now += timedelta(days=3)
        elif step == "locked":
            since = begin()
            with landscape.primary.connect() as keeper:
                keeper.execute("lock table public.ai_ensemble_decisions in share mode")
                with contextlib.suppress(LockedError):  # none where there is nothing to deliver
                    delivery.deliver()
        elif step == "forget":
            # Whoever trades has no need of the old.
            gone = primary.execute(
                "delete from public.ai_ensemble_decisions where published_at <"
                " (select published_until - interval '1 hour' from public.ai_decision_deliveries)"
                " returning symbol, decided_at"
            )
            forgotten.update(gone.fetchall())
    found = primary.execute("select symbol, decided_at from public.ai_ensemble_decisions")
    assert set(found.fetchall()) == expected - forgotten
    assert len(told(listener, primary)) == len(expected)


def test_without_the_table_it_says_so(landscape: Landscape) -> None:
    with (
        landscape.primary.connect(autocommit=True) as primary,
        pytest.raises(UsageError, match="run signal-marts deploy"),
    ):
        check(primary)
