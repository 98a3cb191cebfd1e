"""Metrics of a deployed pair whose marts were built, as Prometheus reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

import command_line
from drills import eventually
from landscapes import Landscape
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import make_conninfo

from runner.monitoring.catalogue import METRICS, PARTS
from runner.monitoring.collector import Collector
from runner.observation.sample import observe
from runner.retraining import queue
from runner.servers.database import Database
from runner.settings import PROJECT

ACTIVE = "select active from pg_replication_slots where not temporary"

PROMTOOL = shutil.which("promtool")

# Rows in the place of marts that have none without days of samples, models and bars.
PLANTED = {
    "operations.storage_forecast": {
        "side": "'primary'",
        "kind": "'database'",
        "bytes": "900",
        "limit_bytes": "1000",
        "days_until_limit": "20",
        "days_until_limit_lower": "10",
    },
    "operations.trading_impact": {
        "measure": "'all_statements'",
        "subject": "'all'",
        "build_mean": "1.5",
        "quiet_mean": "1",
        "difference_lower": "0.2",
        "is_slower": "true",
    },
    "operations.model_history": {"model_id": "1", "model_name": "'m'", "stage": "'champion'"},
    "operations.retraining_triggers": {"model_id": "1"},
    "performance.price_bars": {
        "opened_at": "date_trunc('hour', now()) - interval '1 hour'",
        "closed_at": "date_trunc('hour', now())",
        "available_at": "date_trunc('hour', now())",
    },
    "intermediate.int_timeframes": {"symbol": "'BTC'"},
    "intermediate.int_ensemble_bars": {
        "symbol": "'BTC'",
        "decided_at": "date_trunc('hour', now())",
        "bar_seconds": "1800",
    },
    "ensemble.ensemble_decisions": {"symbol": "'BTC'", "decided_at": "now()"},
    "performance.daily_performance": {
        "trading_date": "current_date - 1",
        "account": "'main'",
        "currency": "'USD'",
        "is_reconciled": "false",
        "unreconciled_profit": "-7.5",
        "reported_net_profit": "100",
        "ai_net_profit": "60",
        "traditional_net_profit": "47.5",
    },
}
VALUES = {
    'storage_until_limit_seconds{side="primary"}': 864000,
    "trading_latency_ratio": 1.5,
    "trading_latency_lower_ratio": 1.2,
    'model_alarms{model="m"}': 1,
    'audit_findings{finding="high"}': 0,
    "bar_seconds": 3600,
    "decision_bar_seconds": 1800,
    'unreconciled_reports{account="main",currency="USD"}': 1,
    'unreconciled_profit{account="main",currency="USD"}': 7.5,
    'traditional_net_profit{account="main",currency="USD"}': 47.5,
    'advice_findings{finding="storage_limit",side="primary"}': 1,
    'advice_findings{finding="slower_while_building",side="primary"}': 1,
    'retraining_jobs{state="waiting"}': 1,
    'retraining_jobs{state="dead"}': 0,
    'slot_lost{slot="%"}': 0,
    'slot_active{slot="%"}': 1,
    "subscription_applying": 1,
    "subscription_enabled": 1,
    "last_build_failures": 0,
    'seen{part="money",side="replica"}': 1,
}


def names(text: str) -> set[str]:
    """Names of metrics in an exposition, each with its type as the catalogue has it."""
    found = set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert family.documentation
        assert family.samples
        found.add(name)
    return found


def of(*sources: str) -> set[str]:
    """Names of the catalogue's metrics from these sources."""
    return {metric.full_name for source in sources for metric in METRICS[source]}


def accepted(text: str) -> None:
    """promtool finds nothing against an exposition, where there is one."""
    if PROMTOOL is not None:
        told = subprocess.run(
            [PROMTOOL, "check", "metrics"],
            input=text,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr


def scraped(landscape: Landscape, primary: Database | None = None) -> str:
    """What one scrape tells."""
    registry = CollectorRegistry()
    reports: list[str] = []
    primary = primary or landscape.primary
    registry.register(Collector(primary, landscape.replica, reports.append, 60))
    return generate_latest(registry).decode()


def values(text: str) -> dict[str, float]:
    """Values by name, without the prefix, and labels."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("signal_marts_"): float(value) for name, value in lines}


def not_seen(text: str) -> set[str]:
    """Parts that could not be read."""
    return {
        name.split('"')[1]
        for name, value in values(text).items()
        if name[:5] == "seen{" and not value
    }


def check_all(landscape: Landscape) -> None:
    """Every metric is there once there is something to tell, and is not where it cannot be seen."""
    observe(landscape.primary, landscape.replica, keep_days=14)
    with landscape.primary.connect(autocommit=True) as primary:
        primary.execute("alter system set max_slot_wal_keep_size = '64GB'")
        primary.execute("select pg_reload_conf()")
        assert queue.ask(primary, "m", "because")
    for mart, row in PLANTED.items():
        plant(landscape, mart, row)
    told = command_line.marts(
        "metrics",
        env=os.environ
        | {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url},
    )
    text = told.stdout
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    assert not_seen(text) == set()
    differing = names(text) ^ of("reading", *PARTS)
    assert differing == set(), differing
    slot = landscape.on_replica("select subslotname::text from pg_subscription")[0][0]
    found = values(text)
    wanted = {name.replace("%", str(slot)): value for name, value in VALUES.items()}
    wrong = {name: found.get(name) for name in wanted if found.get(name) != wanted[name]}
    assert wrong == {}, wrong
    accepted(text)
    hidden(landscape, text)
    hidden_from_a_stranger(landscape)
    run_the_runbook(landscape)


def plant(landscape: Landscape, mart: str, row: Mapping[str, str]) -> None:
    """Put a table with this row in the place of a mart."""
    name = mart.split(".")[1]
    landscape.on_replica(
        f"alter table {mart} rename to {name}_before;"
        f"create table {mart} as select * from {mart}_before with no data;"
        f"insert into {mart} ({', '.join(row)}) values ({', '.join(row.values())});"
        f"grant select on {mart} to transformer"
    )


def hidden(landscape: Landscape, before: str) -> None:
    """A lock is not waited for, and no value stands for what cannot be read."""
    with landscape.replica.connect() as blocker:
        for mart in PLANTED:
            blocker.execute(f"lock table {mart} in access exclusive mode".encode())
        blocked = scraped(landscape)
    parts = not_seen(blocked)
    assert parts == {"advice", "decisions", "models", "money", "storage", "trading_impact"}
    assert names(blocked) == names(before) - of(*parts)


def hidden_from_a_stranger(landscape: Landscape) -> None:
    """What a login may not see has no value; what it may see has one."""
    landscape.on_primary("create role stranger login password 'stranger'")
    try:
        url = make_conninfo(landscape.primary.url, user="stranger", password="stranger")  # noqa: S106
        text = scraped(landscape, Database("primary", url))
    finally:
        landscape.on_primary("drop role stranger")
    assert not_seen(text) == {"retraining"}, not_seen(text)
    absent = of(*PARTS) - names(text)
    assert absent == of("retraining") | {"signal_marts_oldest_transaction_seconds"}, absent


def run_the_runbook(landscape: Landscape) -> None:
    """Its statements run, on the side that has what they read; what drops the slot is the last."""
    ((slot,),) = landscape.on_replica("select subslotname::text from pg_subscription")
    page = (PROJECT / "docs/runbook.md").read_text("utf-8")
    page = page.replace("signal_marts_analytics", str(slot))
    statements = re.findall(r"^```sql\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    assert len(statements) > 11
    drops = [each for each in statements if "pg_drop_replication_slot" in each]
    assert len(drops) == 2
    for statement in statements:
        if statement not in drops:
            is_replicas = re.search(r"from (operations|performance)\.|subscription", statement)
            landscape.execute("replica" if is_replicas else "primary", statement)
    # While it is read: the subscription may have been disabled, and its worker not have ended yet.
    landscape.on_replica("alter subscription signal_marts enable")
    eventually(lambda: landscape.on_primary(ACTIVE) == [(True,)], seconds=60)
    landscape.on_primary(max(drops, key=len))
    assert landscape.on_primary(ACTIVE) == []
