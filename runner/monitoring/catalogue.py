"""Every metric, once: its name, labels and meaning, below where it comes from.

A metric of a part is a column of that part's rows, with the labels as further columns; NULL is no
value. Those of ``watch`` are counted while it runs, those of ``reading`` are of the reading itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "signal_marts_"

_HISTOGRAMS = ("round_seconds", "decision_delivery_seconds")


@dataclass(frozen=True)
class Metric:
    """A metric, by its name without the prefix; the name says the unit and, if one, the counter."""

    name: str
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """The name as Prometheus knows it."""
        return PREFIX + self.name

    @property
    def kind(self) -> str:
        """``counter``, ``histogram`` or ``gauge``."""
        if self.name.endswith("_total"):
            return "counter"
        return "histogram" if self.name in _HISTOGRAMS else "gauge"

    @property
    def unit(self) -> str:
        """``seconds``, ``bytes``, ``ratio``; empty for money and for a number of things."""
        found = re.search(r"_(seconds|bytes|ratio)$", self.name)
        return found[1] if found else ""


@dataclass(frozen=True)
class Part:
    """Rows that are read together, by a query in ``sql/`` or a function of ``reading``.

    ``sides`` are the databases that are asked. Rows are kept for ``every`` seconds: those of marts
    change with builds, those of samples with samples. A slow part reads all samples there are.
    """

    name: str
    sides: tuple[str, ...]
    every: float = 0

    @property
    def is_slow(self) -> bool:
        return self.every >= 600


PARTS = {
    part.name: part
    for part in (
        Part("slots", ("primary",)),
        Part("sessions", ("primary", "replica")),
        Part("retraining", ("primary",)),
        Part("replication", ("replica",)),
        Part("builds", ("replica",)),
        Part("rejected_rows", ("replica",)),
        Part("samples", ("replica",)),
        Part("servers", ("replica",)),
        Part("xmin_holders", ("replica",)),
        Part("sequences", ("replica",)),
        Part("tables", ("replica",)),
        Part("money", ("replica",), every=60),
        Part("decisions", ("replica",), every=60),
        Part("models", ("replica",), every=60),
        Part("audit", ("replica",), every=60),
        Part("storage", ("replica",), every=600),
        Part("trading_impact", ("replica",), every=600),
        Part("advice", ("replica",), every=1800),
    )
}

_CATALOGUE = {
    "reading": {
        "seen (part side)": "Whether a part could be read: 1, or 0.",
        "read_timestamp_seconds": "When the parts were read.",
    },
    "watch": {
        "rounds_total (result)": "Builds that ended.",
        "models_built_total": "Models that were built.",
        "round_seconds": "From before a build's fence until its models were visible.",
        "troubles_total": "Times that a server could not be used, the replica not catch up, or a"
        " model failed.",
        "samples_failed_total": "Samples of the servers' statistics that could not be taken.",
        "fresh_as_of_timestamp_seconds (marts)": "What the primary had committed by then is in the"
        " marts, the live ones or all.",
        "tested_round_failures": "Models and tests that failed in the last round with all tests;"
        " no value before one.",
        "decision_delivery_seconds": "From when a decision was published until the primary had it.",
        "decisions_waiting": "Whether published decisions wait to be delivered to the primary: 1,"
        " or 0; no value without --deliver-decisions.",
    },
    "builds": {
        "build_succeeded_timestamp_seconds": "End of the last build without a failure.",
        "last_build_seconds": "Time that the last build took.",
        "last_build_failures": "Models and tests that failed in the last build.",
    },
    "rejected_rows": {"rejected_rows": "Rows that cannot be used."},
    "replication": {
        "subscription_enabled": "Whether there is a subscription, and it is enabled.",
        "subscription_applying": "Whether its worker runs.",
        "subscription_tables_not_ready": "Tables whose first copy is not done.",
        "subscription_apply_errors_total": "Changes that could not be applied.",
        "subscription_sync_errors_total": "First copies that failed.",
        "replication_received_timestamp_seconds": "When the replica last heard from the primary.",
        "replication_fenced_timestamp_seconds": "When the newest token that has arrived was"
        " written: all rows committed before are there.",
    },
    "slots": {
        "slot_active (slot)": "Whether a slot of the primary is read.",
        "slot_lost (slot)": "Whether log that its reader needs is gone.",
        "slot_retained_bytes (slot)": "Log that the primary keeps for it.",
        "slot_unconfirmed_bytes (slot)": "Log that its reader has not confirmed; of logical slots.",
        "slot_safe_bytes (slot)": "Log that may still be written before the slot is lost; no value"
        " without max_slot_wal_keep_size.",
    },
    "sessions": {
        "sessions (side)": "Sessions in the database.",
        "sessions_used_ratio (side)": "Sessions of the server, as a share of max_connections.",
        "oldest_transaction_seconds (side)": "Age of the oldest open transaction; no value without"
        " pg_read_all_stats.",
        "lock_waits (side)": "Sessions that wait for a lock.",
        "lock_wait_seconds (side)": "For how long the longest of them waits.",
    },
    "trading_impact": {
        "trading_latency_ratio": "Time of trading's statements while builds run, as a share of"
        " that while none does.",
        "trading_latency_lower_ratio": "The lower end of its 95% interval.",
    },
    "samples": {
        "sample_timestamp_seconds (side)": "When the newest sample was taken.",
        "sample_parts_not_seen (side)": "Parts of samples that were not seen, or in part, when"
        " they were last looked for.",
        "sample_part_timestamp_seconds (part side)": "When the newest sample was taken that saw"
        " this part, of those that metrics are read from.",
    },
    "servers": {
        "database_bytes (side)": "Size of the database.",
        "transaction_ids_used_ratio (side)": "Transaction ids or multixacts in use, as a share of"
        " 2,147,483,648: at 1 all writes stop.",
        "deadlocks_total (side)": "Deadlocks since the statistics began.",
    },
    "xmin_holders": {
        "xmin_age_transactions (side)": "Transactions whose dead rows no vacuum removes yet.",
    },
    "sequences": {
        "sequence_used_ratio (side)": "Share of its numbers that the sequence nearest to its end"
        " has given.",
    },
    "tables": {
        "live_rows (side)": "Live rows of users' tables, as the server estimates.",
        "dead_rows (side)": "Their dead rows.",
    },
    "storage": {
        "storage_limit_bytes (side)": "The limit that the variable storage_limits sets.",
        "storage_until_limit_seconds (side)": "Time until the database may be at its limit, by the"
        " lower end of the forecast.",
    },
    "advice": {"advice_findings (finding side)": "Findings of signal-marts advise, where any."},
    "money": {
        "unreconciled_reports (account currency)": "The platform's reports of the last seven days"
        " whose profit trades do not explain.",
        "unreconciled_profit (account currency)": "Money that these reports leave unexplained, of"
        " either sign.",
        "reported_net_profit (account currency)": "Net profit that the platform reported, ever.",
        "ai_net_profit (account currency)": "Net profit of AI modules' trades.",
        "traditional_net_profit (account currency)": "Net profit of rule-based trades.",
    },
    "decisions": {
        "decision_timestamp_seconds": "When the ensemble's last decision was made.",
        "bar_timestamp_seconds": "When the newest bar closed.",
        "bar_seconds": "Length of the shortest bar that closed then.",
        "decision_bar_timestamp_seconds": "When the newest bar closed on which the ensemble may"
        " decide: of the last decision's symbol, in its own timeframe.",
        "decision_bar_seconds": "Length of that bar.",
    },
    "models": {
        "model_alarms (model)": "Alarms that are not cleared, of versions that are not retired.",
    },
    "audit": {
        "audit_findings (finding)": "Findings on signals: stored late, changed afterwards, or with"
        " prices that no bar has.",
    },
    "retraining": {
        "retraining_jobs (state)": "Retrainings: waiting, running, dead, or failed as the last one"
        " of their model.",
        "retraining_since_timestamp_seconds (state)": "Since when the first of them is in that"
        " state.",
    },
}


def _metric(heading: str, told: str) -> Metric:
    name, _, labels = heading.rstrip(")").partition(" (")
    return Metric(name, tuple(labels.split()), told)


METRICS: dict[str, tuple[Metric, ...]] = {
    source: tuple(_metric(heading, told) for heading, told in metrics.items())
    for source, metrics in _CATALOGUE.items()
}
"""The metrics of each source: of each part, of ``watch`` and of ``reading``."""

NAMED = {metric.name: metric for metrics in METRICS.values() for metric in metrics}
