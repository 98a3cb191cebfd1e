"""Operations: whether builds run and replication applies."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from runner.replication import faults
from runner.replication.faults import Fault
from runner.views import charts
from runner.views.dashboard import data, parts
from runner.views.dashboard.marts import Row
from runner.views.dashboard.parts import Column
from runner.views.dashboard.wording import UNDEFINED, count, duration, escaped, moment, number
from runner.words import plural

NODES = {
    "node_name": Column("Model or test"),
    "node_type": Column("Kind"),
    "status": Column("Status"),
    "rows_written": Column("Rows written", "number"),
    "run_seconds": Column("Seconds", "number", "%,.2f"),
    "message": Column("Message"),
}

REJECTED = {
    "source_table": Column("Table"),
    "row_key": Column("Row"),
    "column_name": Column("Column"),
    "value": Column("Value"),
    "reason": Column("What is wrong"),
    "first_seen_at": Column("First seen", "time"),
}


def page() -> None:
    """Draw the page."""
    st.title("Operations", anchor=False)
    with parts.section("Replication", "operations.replication_health"):
        _replication(data.rows("replication"))
    with parts.section("Builds", "operations.build_history"):
        _builds(data.rows("builds"))
    with parts.section("Rows that cannot be used", "operations.rejected_rows"):
        _rejected(data.rows("rejected_rows"))


def _replication(found: list[Row]) -> None:
    if not found:
        st.info(escaped(str(faults.NOT_SET_UP)))
    for row in found:
        for fault in _faults(row):
            st.warning(f"**{escaped(row['subscription_name'])}** {escaped(str(fault))}")
        heard = row["last_message_received_at"]
        with parts.row_of_cards():
            parts.figure(
                "Applying",
                "yes" if row["is_applying"] else "no",
                beside="enabled" if row["is_enabled"] else "disabled",
                column="operations.replication_health.is_applying",
            )
            parts.figure(
                "Tables ready",
                f"{row['tables_ready']} of {row['tables']}",
                column="operations.replication_health.tables_ready",
            )
            parts.figure(
                "Last heard",
                f"{duration(row['now'] - heard)} ago" if heard else UNDEFINED,
                beside=moment(heard),
                column="operations.replication_health.last_message_received_at",
            )
            parts.figure(
                "On the way",
                _travel(row),
                column="operations.replication_health.last_message_sent_at",
            )
            parts.figure(
                "Last fenced build",
                f"{duration(row['now'] - row['last_fenced_at'])} ago"
                if row["last_fenced_at"]
                else UNDEFINED,
                beside=moment(row["last_fenced_at"]),
                column="operations.replication_health.last_fenced_at",
            )


def _faults(row: Row) -> Iterator[Fault]:
    if not row["is_enabled"]:
        yield faults.DISABLED
    elif not row["is_applying"]:
        yield faults.APPLIES_NOTHING
    if row["tables_ready"] < row["tables"]:
        yield faults.still_copying([plural(row["tables"] - row["tables_ready"], "table")])
    if failures := (row["apply_error_count"] or 0) + (row["sync_error_count"] or 0):
        yield faults.failed(plural(failures, "time"))


def _travel(row: Row) -> str:
    sent, received = row["last_message_sent_at"], row["last_message_received_at"]
    if sent is None or received is None:
        return UNDEFINED
    return f"{max(0.0, (received - sent).total_seconds()):.3f} s"


def _builds(found: list[Row]) -> None:
    if not found:
        st.info("**No build yet.** Run signal\\-marts build.")
        return
    for row in found:
        row["result"] = "failed" if row["failures"] else "success"
    newest = found[0]
    failed = sum(row["result"] == "failed" for row in found)
    with parts.row_of_cards():
        parts.figure(
            "Newest build",
            "failed" if newest["failures"] else "succeeded",
            beside=moment(newest["started_at"]),
        )
        parts.figure(
            "Its models",
            count(newest["models_built"]),
            beside=f"{plural(newest['failures'], 'failure')}, {count(newest['skipped'])} skipped",
        )
        parts.figure("Its work", f"{number(newest['run_seconds'], 1)} s",
                     about="Seconds of all models together; they run side by side.")  # fmt: skip
        parts.figure("Failed builds", f"{failed} of {len(found)}",
                     about="Of the builds in the last 30 days of the history.")  # fmt: skip
    parts.chart(charts.build_times(found), "Seconds of work of each build, and whether it failed")
    builds = [row["build_id"] for row in found]
    times = {row["build_id"]: row for row in found}
    chosen = st.selectbox(
        "Build",
        builds,
        format_func=lambda build: f"{moment(times[build]['started_at'])}, {times[build]['result']}",
        key="build",
        bind="query-params",
        width=340,
    )
    if chosen is None:
        return
    parts.table(
        data.rows("build_nodes", build_id=chosen), NODES, mart="operations.build_history",
        name="build", alt="Models of the build, and tests that failed or warned, failures first",
    )  # fmt: skip


def _rejected(found: list[Row]) -> None:
    if not found:
        st.info("**None.** Every row is in the marts.")
        return
    if found[0]["count"] > len(found):
        st.info(f"The newest {len(found)} of {count(found[0]['count'])}.")
    parts.table(
        found, REJECTED, mart="operations.rejected_rows",
        name="rejected_rows", alt="Rows that no mart holds, and why, the newest first",
    )  # fmt: skip
