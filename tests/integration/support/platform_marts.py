"""The marts that a platform's own rows make, built from changes, against a build in full."""

from __future__ import annotations

from pathlib import Path

from full_builds import FullBuild
from landscapes import Landscape
from psycopg import sql

from runner.build import builds, transform

MODELS = (
    "stg_platform__micro_patterns",
    "+trades",
    "+daily_performance",
    "+order_attribution",
    "+rejected_rows",
)
_STORED = (
    "staging.stg_platform__micro_patterns",
    "staging.stg_platform__trade_plans",
    "staging.stg_platform__trading_orders",
    "staging.stg_platform__trading_stats",
    "performance.trades",
    "performance.order_attribution",
    "performance.daily_performance",
)


def differences(landscape: Landscape, target: Path, full: FullBuild) -> dict[str, object]:
    """Rows that are only in one of both, by the names of tables that differ."""

    def by_dbt() -> transform.Build:
        with builds.frozen(landscape.replica, timeout=60) as environment:
            return transform.build(
                environment,
                advance=lambda done, total, at: None,
                select=MODELS,
                full_refresh=True,
                target=target / "full",
                tests=False,
                schema_prefix="full",
            )

    full.build(landscape.replica, by_dbt)
    found: dict[str, object] = {}
    with landscape.replica.connect() as replica:
        for name in _STORED:
            schema, table = name.split(".")
            ours, theirs = sql.Identifier(schema, table), sql.Identifier(f"full_{schema}", table)
            rows = replica.execute(
                sql.SQL(
                    "(select 'changes', t.* from (table {ours} except all table {theirs}) as t)"
                    " union all"
                    " (select 'full', t.* from (table {theirs} except all table {ours}) as t)"
                ).format(ours=ours, theirs=theirs)
            ).fetchall()
            if rows:
                found[name] = rows
    return found
