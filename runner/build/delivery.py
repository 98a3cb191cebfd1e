"""Decisions where the trading is: published ones, written to the primary once each.

``public.ai_ensemble_decisions`` is written by nobody else, and no foreign key leads to or from it,
so writing it waits for no lock of trading. Its primary key makes nothing of a second delivery of a
decision, whatever was killed in between.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from psycopg import sql

from runner.errors import UsageError
from runner.servers.database import Connection, scalar
from runner.servers.planted import plain

TABLE = "public.ai_ensemble_decisions"
UNTIL = "public.ai_decision_deliveries"
"""The row of up to when what was published has been delivered."""

CHANNEL = "ai_ensemble_decisions"
"""Where the primary notifies of each decision, in the transaction that writes it."""

_COLUMNS = {
    "symbol": "text",
    "decided_at": "timestamptz",
    "timeframe": "text",
    "decision": "text",
    "probability_up": "float8",
    "contributors": "int8",
    "confirming_experts": "text",
    "contradicting_experts": "text",
    "published_at": "timestamptz",
    "build_id": "text",
}
_PUBLISHED_AT = list(_COLUMNS).index("published_at")

# A publication's time is that at which its transaction began: another may end later.
_LONGEST_TRANSACTION = timedelta(hours=1)
_AT_FIRST = timedelta(days=1)

# Decisions that a trader could still have followed, and each symbol's newest.
_PUBLISHED = sql.SQL(
    "select {} from ensemble.ensemble_publications as published"
    " where published_at > %s and published_at <= clock_timestamp() and build_id is not null"
    " and (seconds_to_publication <= 86400 or not exists ("
    "select from ensemble.ensemble_publications as newer"
    " where newer.symbol = published.symbol and newer.decided_at > published.decided_at))"
    " order by decided_at, symbol"
).format(sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))

_DELIVER = sql.SQL(
    "with delivered as ("
    "insert into {} ({}) select * from unnest({}) on conflict do nothing"
    " returning symbol, decided_at, published_at)"
    " select published_at, pg_notify({}, json_build_object('symbol', symbol, 'decided_at',"
    " decided_at)::text) from delivered"
).format(
    sql.Identifier(*TABLE.split(".")),
    sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(each)) for each in _COLUMNS.values()),
    sql.Literal(CHANNEL),
)

_NOTE = sql.SQL(
    "insert into {} as deliveries (id, published_until) values (1, %s) on conflict (id) do update"
    " set published_until = greatest(deliveries.published_until, excluded.published_until)"
).format(sql.Identifier(*UNTIL.split(".")))


def check(primary: Connection) -> None:
    """Raise UsageError where the primary has no table of decisions that this login may write."""
    if not scalar(
        primary,
        "select coalesce(has_table_privilege(to_regclass(%s), 'insert'), false)",
        (TABLE,),
    ):
        raise UsageError(
            f"the primary has no table {TABLE} that this login may write; run signal-marts "
            "deploy, and grant the login the role migrator"
        )


class Delivery:
    """Deliveries from one replica to one primary, for as long as both connections last."""

    def __init__(self, primary: Connection, replica: Connection) -> None:
        self._primary, self._replica = primary, replica
        self._after: datetime | None = None
        self._known: set[tuple[str, datetime]] = set()

    def deliver(self) -> list[float]:
        """Deliver what was published and is not on the primary yet.

        Returns, for each decision, the seconds that passed since it was published, by the replica's
        clock. The first time ever, decisions count that were published in the day before the newest
        one.
        """
        if self._after is None:
            self._after = self._begin()
        if self._after is None:
            return []
        found = self._replica.execute(_PUBLISHED, (self._after,)).fetchall()
        rows = [row for row in found if row[:2] not in self._known]
        if not rows:
            return []
        until = max(row[_PUBLISHED_AT] for row in rows)
        with self._written(TABLE), self._written(UNTIL):
            columns = [list(column) for column in zip(*rows, strict=True)]
            told = self._primary.execute(_DELIVER, columns).fetchall()
            self._primary.execute(_NOTE, (until,))
        self._after = max(self._after, until - _LONGEST_TRANSACTION)
        self._known = {row[:2] for row in found if row[_PUBLISHED_AT] > self._after}
        now: datetime = scalar(self._replica, "select clock_timestamp()")
        return [(now - published_at).total_seconds() for published_at, _ in told]

    def _begin(self) -> datetime | None:
        """Since when what was published may not be on the primary; None: nothing was."""
        with self._written(UNTIL):
            until: datetime | None = scalar(
                self._primary, "select published_until from public.ai_decision_deliveries"
            )
        if until is not None:
            return until - _LONGEST_TRANSACTION
        newest: datetime | None = scalar(
            self._replica, "select max(published_at) from ensemble.ensemble_publications"
        )
        return newest and newest - _AT_FIRST

    def _written(self, table: str) -> AbstractContextManager[None]:
        """A transaction in which a table is locked against other code than PostgreSQL's own."""
        return plain(self._primary, table, is_written=True, is_patient=False)
