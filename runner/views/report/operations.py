"""The section about builds, replication and rows that cannot be used."""

from __future__ import annotations

from runner.views.dashboard.wording import count, moment, number
from runner.views.report.draft import Draft, text, yes


def operations(draft: Draft) -> None:
    """Builds, replication, rows that cannot be used."""
    with draft.section(
        "Operations",
        "operations.build_history",
        "operations.replication_health",
        "operations.rejected_rows",
    ) as made:
        builds = draft.ask("builds")
        draft.table(
            made,
            "operations.build_history",
            builds[:10],
            ("started_at", "Newest builds", moment),
            ("models_built", "Models", count),
            ("failures", "Failures", count),
            ("skipped", "Skipped", count),
            ("rows_written", "Rows written", lambda value: number(value, 0)),
            ("run_seconds", "Seconds of work", lambda value: number(value, 1)),
        )
        draft.table(
            made,
            "operations.replication_health",
            draft.ask("replication"),
            ("subscription_name", "Subscription", str),
            ("is_enabled", "Enabled", yes),
            ("is_applying", "Applying", yes),
            ("tables_ready", "Tables ready", count),
            ("tables", "of", count),
            ("apply_error_count", "Errors", count),
            ("last_message_received_at", "Last heard", moment),
        )
        rejected = draft.ask("rejected_rows")
        if rejected:
            every = count(rejected[0]["count"])
            draft.table(
                made,
                "operations.rejected_rows",
                rejected[:10],
                ("source_table", f"Rows that cannot be used, of {every}", str),
                ("row_key", "Row", str),
                ("column_name", "Column", str),
                ("value", "Value", text),
                ("reason", "What is wrong", str),
                ("first_seen_at", "First seen", moment),
            )
