"""Sections about replication, builds and rows that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

from runner.replication import faults
from runner.replication.faults import Fault
from runner.views import charts, evidence_tables, tables
from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import UNDEFINED, count, duration, moment, number
from runner.views.surface import Figure, Section, Surface
from runner.words import plural

_OF = "operations.replication_health"


def _replication(to: Surface, asked: Asked) -> None:
    found = to.ask("replication", asked)
    if not found:
        to.empty(str(faults.NOT_SET_UP))
    for row in found:
        for fault in _faults(row):
            to.warn(f"{row['subscription_name']}: {fault}")
        heard, fenced = row["last_message_received_at"], row["last_fenced_at"]
        to.figures(
            [
                Figure(
                    "Applying",
                    "yes" if row["is_applying"] else "no",
                    "enabled" if row["is_enabled"] else "disabled",
                    of=f"{_OF}.is_applying",
                ),
                Figure(
                    "Tables ready",
                    f"{row['tables_ready']} of {row['tables']}",
                    of=f"{_OF}.tables_ready",
                ),
                Figure(
                    "Last heard",
                    f"{duration(row['now'] - heard)} ago" if heard else UNDEFINED,
                    moment(heard),
                    of=f"{_OF}.last_message_received_at",
                ),
                Figure("On the way", _travel(row), of=f"{_OF}.last_message_sent_at"),
                Figure(
                    "Last fenced build",
                    f"{duration(row['now'] - fenced)} ago" if fenced else UNDEFINED,
                    moment(fenced),
                    of=f"{_OF}.last_fenced_at",
                ),
            ]
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


def builds(to: Surface, asked: Asked) -> list[Row]:
    """The newest builds, each with its result."""
    found = to.ask("builds", asked)
    for row in found:
        row["result"] = "failed" if row["failures"] else "success"
    return found


def tested(build: Row) -> str:
    """Whether the build ran the tests of the marts, too."""
    return "with its tests" if build["command"] == "build" else "without tests"


def _builds(to: Surface, asked: Asked) -> None:
    found = builds(to, asked)
    if not found:
        to.empty("No build yet. Run signal-marts build.")
        return
    newest = found[0]
    failed = sum(row["result"] == "failed" for row in found)
    to.figures(
        [
            Figure(
                "Newest build",
                "failed" if newest["failures"] else "succeeded",
                f"{tested(newest)}, {moment(newest['started_at'])}",
            ),
            Figure(
                "Models built",
                count(newest["models_built"]),
                f"{plural(newest['failures'], 'failure')}, {count(newest['skipped'])} skipped",
            ),
            Figure(
                "Total run time",
                f"{number(newest['run_seconds'], 1)} s",
                about="Seconds of all models of the newest build together; they run side by side.",
            ),
            Figure(
                "Failed builds",
                f"{failed} of {len(found)}",
                about="Of the builds in the last 30 days of the history.",
            ),
        ]
    )
    to.charts([(charts.build_times(found), "Total run time of each build, and which failed")],
              [], "")  # fmt: skip
    to.table(tables.BUILDS, found)


_MEASURES = {"all_statements": "all, times as long as usual", "lock_waits": "sessions that wait"}


def _impact(to: Surface, asked: Asked) -> None:
    found = to.ask("trading_impact", asked)
    if not found:
        to.empty(
            "Not measured yet. signal-marts watch samples the primary every ten minutes, "
            "signal-marts observe when it is run; trading is compared from two samples on."
        )
        return
    for row in found:
        row["subject"] = _MEASURES.get(row["measure"], row["subject"])
        ends = row["difference_lower"], row["difference_upper"]
        row["difference_95"] = None if ends[0] is None else ends
        row["reading"] = {True: "slower with builds", False: "may be luck", None: None}[
            row["is_slower"]
        ]
    slower = [row for row in found if row["is_slower"]]
    judged = sum(row["is_slower"] is not None for row in found)
    first, last = min(row["first_at"] for row in found), max(row["last_at"] for row in found)
    to.say(
        f"{moment(first)} to {moment(last)}: "
        + (
            f"{len(slower)} of {plural(judged, 'figure')} slower while builds run, beyond luck."
            if judged
            else "too few samples with builds and without to say whether builds slow trading."
        )
        + " Of a statement: milliseconds a call."
    )
    to.table(evidence_tables.IMPACT, found)


def _rejected(to: Surface, asked: Asked) -> None:
    found = to.ask("rejected_rows", asked)
    if not found:
        to.empty("None. Every row is in the marts.")
        return
    if found[0]["count"] > len(found):
        to.say(f"The newest {len(found)} of {count(found[0]['count'])}.")
    to.table(tables.REJECTED, found)


SECTIONS = (
    Section("Replication", (_OF,), ("replication",), _replication),
    Section("Builds", ("operations.build_history",), ("builds",), _builds),
    Section(
        "Rows that cannot be used", ("operations.rejected_rows",), ("rejected_rows",), _rejected
    ),
    Section("Cost to trading", ("operations.trading_impact",), ("trading_impact",), _impact),
)
