"""The demo's summary: a trader's first questions, answered from the marts."""

from __future__ import annotations

from importlib import resources
from typing import Any

from rich.console import Console
from rich.table import Table

from runner.servers.database import Connection
from runner.settings import IS_CHECKOUT
from runner.views.dashboard.wording import UNDEFINED, money, share

Row = dict[str, Any]


def print_summary(connection: Connection) -> None:
    """Print the answers to stdout, and on which mart to look next."""
    statement = resources.files("runner.demo").joinpath("summary.sql").read_text()
    topics: dict[str, list[Row]] = {
        topic: rows or [] for topic, rows in connection.execute(statement).fetchall()
    }
    out = Console(highlight=False, soft_wrap=True)
    account = topics["account"][0]
    out.print(f"\nSignal Marts, {account['first_date']} to {account['last_date']}")

    _print(
        out,
        "AI vs. rule-based (performance.trades)",
        ("source", "trades", "win rate", "fees", "net profit"),
        [
            (row["source_type"], *_counts(row), money(row["fees"]), money(row["net_profit"]))
            for row in topics["sources"]
        ],
    )
    _print(
        out,
        "Who earned it, best first",
        ("model or strategy", "trades", "win rate", "net profit"),
        [
            (
                f"{row['source_type']}: {row['source_name']}",
                *_counts(row),
                money(row["net_profit"]),
            )
            for row in topics["names"]
        ],
    )
    models = [row for row in topics["names"] if row["source_type"] == "ai"]
    if models:
        best, worst = models[0], models[-1]
        out.print(
            f"best model: {best['source_name']} ({money(best['net_profit'])}); "
            f"worst: {worst['source_name']} ({money(worst['net_profit'])})"
        )
    _print(
        out,
        "Signal–pattern confluence (ensemble.signal_confluence)",
        ("relation", "signals", "traded", "trades", "win rate", "net profit"),
        [
            (
                row["relation"],
                f"{row['signals']:,}",
                f"{row['traded']:,}",
                *_counts(row),
                money(row["net_profit"]),
            )
            for row in topics["relations"]
        ],
    )
    out.print(
        "\nP&L reconciliation (performance.daily_performance)\n"
        f"the platform reports {money(account['reported_net_profit'])}; "
        f"AI {money(account['ai_net_profit'])} and "
        f"rule-based {money(account['traditional_net_profit'])} leave "
        f"{money(account['unreconciled_profit'])} unexplained, "
        f"on {account['unreconciled_days']} days"
    )
    for row in topics["retrained"]:
        out.print(
            f"\nIs a model getting worse? ({row['model_name']} in operations.model_trials)\n"
            f"{row['former_version']}: {row['reason'].removeprefix('retrained: ')}\n"
            f"{row['version']}: retrained, in shadow since {row['started_at']:.10};"
            f" e-value that it is better: {row['evidence']:.1f} on {row['outcomes']:,} outcomes\n"
            + (
                f"{row['version']}: champion since {row['champion_at']:.10}"
                if row["champion_at"]
                else f"its trial: {row['verdict']}"
            )
        )
    folder, make = (".venv/bin/", "make") if IS_CHECKOUT else ("", "signal-marts")
    query = "select * from performance.daily_performance order by unreconciled_profit"
    out.print("\nNext:")
    for command, what in (
        (f"{make} dashboard", "the marts in a browser, at http://127.0.0.1:8501"),
        (f"{make} docs", "lineage and every column, in one page"),
        (f"{folder}signal-marts status", "migrations, replication, freshness"),
        (f"{folder}signal-marts models", "versions of models, their stages, and why"),
        (f'eval "$({folder}signal-marts env)"', "then psql, yoyo and dbt find both databases"),
        (f"psql -c '{query}'", ""),
        (f"{folder}dbt build", "the marts again, from the shell"),
        (f"{make} down", "stop the servers; their data stays"),
    ):
        out.print(f"  {command:38} # {what}" if what else f"  {command}", markup=False)


def _print(
    out: Console, title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    table = Table(*headings, title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _counts(row: Row) -> tuple[str, str]:
    """Trades and win rate; trades without profit or loss are left out of the rate."""
    decided = row["wins"] + row["losses"]
    return f"{row['trades']:,}", share(row["wins"] / decided) if decided else UNDEFINED
