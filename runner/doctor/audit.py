"""The doctor's check that the primary notes what the audit of signals rests on."""

from __future__ import annotations

from collections.abc import Iterator

from runner.deploy import migrations
from runner.doctor.findings import Finding, Given, Server, ok, warning
from runner.servers.database import scalar

MIGRATION = "migrations/0037_ai_signal_edits.sql"
SIGNALS = "public.ai_trading_signals"
DEFAULTS = {"stored_at": "clock_timestamp()", "stored_by": "SESSION_USER"}
TRIGGERS = tuple(f"ai_trading_signals_note_{what}" for what in ("deletion", "edit", "truncation"))


def noting(primary: Server, _: Given) -> Iterator[Finding]:
    """Defaults and triggers of stored signals, and whether modules store the bars."""
    if migrations.state(primary.connection).pending:
        return
    problems = [*_defaults(primary), *_triggers(primary)]
    yield from problems
    if problems:
        return
    told, note = "when and by whom signals are stored is noted, and what is changed", ""
    if scalar(
        primary.connection,
        "select has_table_privilege('ai_writer', to_regclass('public.market_bars'), 'insert')",
    ):
        told += "; AI modules may store the bars that their signals are judged by"
        note = (
            "where another login stores them: revoke insert on public.market_bars from ai_writer;"
        )
    yield ok(told, note)


def _defaults(primary: Server) -> Iterator[Finding]:
    rows = primary.connection.execute(
        "select a.attname::text, pg_get_expr(d.adbin, d.adrelid) from pg_attribute as a"
        " left join pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum"
        " where a.attrelid = to_regclass(%s) and a.attname = any(%s) order by 1",
        (SIGNALS, list(DEFAULTS)),
    )
    for column, default in rows:
        if default != DEFAULTS[column]:
            yield warning(
                f"the default of ai_trading_signals.{column} is {default or 'gone'}, so nobody "
                "can tell back-dated signals",
                f"alter table {SIGNALS} alter column {column} "
                f"set default {DEFAULTS[column].lower()};",
            )


def _triggers(primary: Server) -> Iterator[Finding]:
    rows = primary.connection.execute(
        "select name, t.oid is not null from unnest(%s::text[]) as names (name)"
        " left join pg_trigger as t on t.tgrelid = to_regclass(%s) and t.tgname = name"
        " where t.tgenabled is null or t.tgenabled not in ('O', 'A') order by name",
        (list(TRIGGERS), SIGNALS),
    )
    for name, is_there in rows:
        mend = (
            f"alter table {SIGNALS} enable trigger {name};"
            if is_there
            else f"run the statement of {MIGRATION} that makes it"
        )
        yield warning(
            f"the trigger {name} is {'switched off' if is_there else 'gone'}: changes of stored "
            "signals leave no trace",
            mend,
        )
