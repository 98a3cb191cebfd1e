"""The health of model versions against its reference, and against its own future."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import health as reference
import oracle_skill as skill
import pytest
import yaml
from full_builds import FullBuild
from landscapes import Landscape
from psycopg.rows import dict_row

from runner.build import builds, transform
from runner.settings import PROJECT

# dbt leaves the log of a call open until the next one.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(900),
]

VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 110
PROMOTED = START + 50 * 24 * HOUR + 5 * HOUR
MARTS = ("+model_health", "+retraining_triggers")
TRIGGERS = "select * from operations.retraining_triggers order by model_id, reason, alarm_date"
LATER = ("BUY", "BUY", "BUY", "BUY", "SELL")
TYPES = ("BUY", "SELL", "HOLD", "BUY", "SELL")


def insert(landscape: Landscape, random: Random) -> None:
    """Three versions: one champion at once, one from shadow, one of a symbol that falls silent.

    All change after the 45th day: they are surer, and buy more; the first is then mostly wrong.
    """
    with landscape.primary.connect() as connection, connection.cursor() as cursor:
        cursor.execute("delete from micro_patterns")
        for number, (name, version) in enumerate((("a", "1"), ("a", "2"), ("b", "1")), 1):
            cursor.execute(
                "insert into ai_models (id, model_type, model_name, version, created_at)"
                " values (%s, 'supervised', %s, %s, %s)",
                (number, name, version, START - HOUR),
            )
        cursor.executemany(
            "insert into ai_model_stages (model_id, stage, since, reason) values (%s, %s, %s, 'x')",
            [(1, "shadow", PROMOTED), (2, "champion", PROMOTED)],
        )
        cursor.execute("delete from ai_model_stages where reason not in ('x', 'registered')")
        closes: dict[str, list[float]] = {}
        for symbol in ("X", "Y", "Z"):
            closes[symbol] = [500.0]
            for _ in range(24 * DAYS):
                closes[symbol].append(closes[symbol][-1] + random.choice((-1, -0.5, 0, 0.5, 1)))
            cursor.executemany(
                "insert into market_bars values (%s, '1h', %s, %s, %s, %s, %s, 1)",
                [
                    (symbol, START + hour * HOUR, *[close] * 4)
                    for hour, close in enumerate(closes[symbol][1:])
                ],
            )
        rows = []
        for hour in range(24 * DAYS - 30):
            is_late = hour > 24 * 45
            for model, often in ((1, 0.5), (2, 0.55), (3, 0.08)):
                if random.random() < often and not (model == 3 and hour > 24 * 85):
                    symbol = "X" if model == 3 else random.choice("XYZ")
                    confidence = random.random() ** (0.3 if is_late else 1)
                    side = random.choice(LATER if is_late else TYPES)
                    if model == 1 and side != "HOLD":
                        # It knows what comes, and later the opposite.
                        rises = closes[symbol][hour + 12] > closes[symbol][hour]
                        side = (
                            "BUY"
                            if rises == (random.random() < (0.1 if is_late else 0.8))
                            else "SELL"
                        )
                    rows.append(
                        (
                            model,
                            symbol,
                            side,
                            round(confidence, random.choice((1, 6))),
                            START + hour * HOUR + random.choice((0, 17)) * timedelta(minutes=1),
                            START + (hour + random.choice((3, 9, 30))) * HOUR,
                        )
                    )
        cursor.executemany(
            "insert into ai_trading_signals"
            " (model_id, symbol, signal_type, confidence, created_at, expires_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            rows,
        )
        cursor.execute(
            "insert into rl_training_episodes (model_id, episode_number, total_reward,"
            " episode_length, portfolio_value, created_at) values (1, 1, 1, 1, 1, %s)",
            (START + 100 * HOUR,),
        )


def rows(landscape: Landscape, query: str) -> list[dict[str, Any]]:
    with landscape.replica.connect() as connection:
        return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


def facts_of(landscape: Landscape, model: int) -> reference.Facts:
    """By day on which they were known, from what marts with oracles of their own say."""
    facts: reference.Facts = {}
    for row in rows(
        landscape,
        "select confidence, signal_type, (available_at at time zone 'UTC')::date as day"
        f" from staging.stg_ai__trading_signals where model_id = {model}",
    ):
        day = facts.setdefault(row["day"], reference.Day())
        day.signals.append((row["confidence"], row["signal_type"]))
    for row in rows(
        landscape,
        "select confidence, is_win, (resolved_at at time zone 'UTC')::date as day"
        f" from intermediate.int_signal_outcomes where model_id = {model}",
    ):
        day = facts.setdefault(row["day"], reference.Day())
        day.outcomes.append((row["confidence"], row["is_win"]))
    for row in rows(
        landscape,
        "select probability_up, went_up, resolved_date from"
        f" intermediate.int_ensemble_forecasts_live where expert_number = {2 * model}"
        " and went_up is not null",
    ):
        day = facts.setdefault(row["resolved_date"], reference.Day())
        day.losses.append((row["probability_up"] - row["went_up"]) ** 2 - 0.25)
    return facts


def assert_triggers_are_the_reference_s(
    landscape: Landscape, model: int, facts: reference.Facts, champion_from: list[date]
) -> set[str]:
    of_model = f"where model_id = {model}"
    health = rows(
        landscape, f"select * from operations.model_health {of_model} order by health_date"
    )
    block = timedelta(days=VARS["trial_block_days"] - 1)
    clusters = {
        row["health_date"]: reference.Cluster(
            row["health_date"] - block,
            row["forecasts"],
            float(row["excess_loss"]),
            float(row["most_excess_loss"]),
        )
        for row in rows(
            landscape, f"select * from intermediate.int_health_loss_clusters {of_model}"
        )
    }
    ics = {
        row["health_date"]: (
            row["rank_ic"],
            (row["rank_ic_upper"] - row["rank_ic_lower"]) / (2 * 1.959963984540054),
            row["rank_ic_days"],
        )
        for row in health
        if row["rank_ic_lower"] is not None
    }
    alarms, cleared = reference.triggers(
        facts,
        [row["health_date"] for row in health],
        clusters,
        ics,
        VARS,
        champion_from=champion_from,
    )
    found = rows(
        landscape, f"select * from operations.retraining_triggers {of_model} order by alarm_date"
    )
    assert {
        (row["reason"], row["first_breach_date"], row["alarm_date"], row["cleared_date"])
        for row in found
    } == {(a.reason, a.first_breach, a.at, cleared.get(a)) for a in alarms}
    figures = {(alarm.reason, alarm.at): alarm.figure for alarm in alarms}
    for row in found:
        assert_same(row["figure"], float(figures[row["reason"], row["alarm_date"]]), row)
    return {row["reason"] for row in found} | {
        f"{row['reason']} cleared" for row in found if row["cleared_date"]
    }


def rank_ics(landscape: Landscape, model: int, today: date) -> list[list[float]]:
    first = today - timedelta(days=VARS["health_window_days"] - 1)
    observations = [
        # Returns of a day that are known on different days are samples of their own.
        skill.Observation(row["symbol"], row["sample"], row["score"], (row["forward_return"],))
        for row in rows(
            landscape,
            "select *, signal_date + make_interval(hours => extract(day from"
            " known_at - signal_date::timestamp at time zone 'UTC')::int) as sample"
            " from intermediate.int_signal_forward_returns where horizon_number = 0"
            f" and model_id = {model} and (known_at at time zone 'UTC')::date"
            f" between '{first}' and '{today}'",
        )
    ]
    return skill.rank_ics(observations)


def assert_same(found: object, expected: object, of: object) -> None:
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), of
    else:
        assert found == expected, of


def cut(landscape: Landscape, at: datetime) -> None:
    """Delete from the primary everything that was not known at a time."""
    moment = f"timestamptz '{at.isoformat()}'"
    for statement in (
        f"delete from ai_trading_signals where created_at > {moment}",
        f"delete from rl_training_episodes where created_at > {moment}",
        f"delete from ai_model_stages where since > {moment}",
        f"delete from market_bars where opened_at + interval '1 hour' > {moment}",
    ):
        landscape.on_primary(statement)


def test_health_equals_the_reference_and_the_future_changes_nothing(
    landscape: Landscape, tmp_path: Path
) -> None:
    landscape.deploy()
    insert(landscape, Random(4))
    assert not landscape.build(tmp_path, *MARTS).failures
    found = rows(landscape, "select * from operations.model_health order by model_id, health_date")
    alarms = rows(landscape, TRIGGERS)
    last = (START + DAYS * 24 * HOUR).date() - timedelta(days=1)
    assert len(found) == 3 * (DAYS + 1)
    assert all(
        b["health_date"] - a["health_date"] == timedelta(days=1)
        for a, b in pairwise(found)
        if a["model_id"] == b["model_id"]
    )
    assert found[-1]["health_date"] == last

    seen = set()
    for model, champion_from in ((1, []), (2, [PROMOTED.date() + timedelta(days=1)]), (3, [])):
        facts = facts_of(landscape, model)
        seen |= assert_triggers_are_the_reference_s(landscape, model, facts, champion_from)
        heard: date | None = None
        for row in found:
            if row["model_id"] != model:
                continue
            today = row["health_date"]
            expected = reference.figures(
                facts,
                today,
                champion_from,
                window=VARS["health_window_days"],
                signals=VARS["health_reference_signals"],
                days=VARS["health_reference_days"],
                brier=skill.brier_score,
                calibration=skill.expected_calibration_error,
            )
            for name, value in expected.items():
                assert_same(row[name], value, (model, today, name))
                if value is not None:
                    seen.add(name)
            heard = today if row["signals"] else heard
            assert row["days_since_signal"] == (heard and (today - heard).days)
            if today.day % 7 == 0:
                (ics, *_) = rank_ics(landscape, model, today) or [[]]
                if ics:
                    assert_same(row["rank_ic"], math.fsum(ics) / len(ics), (model, today))
                    seen.add(row["rank_ic_over"])
                else:
                    assert row["rank_ic"] is None
                if row["rank_ic_lower"] is not None:
                    assert row["rank_ic_lower"] <= row["rank_ic"] <= row["rank_ic_upper"]
    assert {"psi_confidence", "reference_excess_loss", "symbols", "time"} <= seen
    assert set(reference.REASONS) <= seen
    assert "confidence_shift cleared" in seen
    # The second version is compared with what it was when it became champion.
    by_key = {(row["model_id"], row["health_date"]): row for row in found}
    assert by_key[2, last]["reference_last_date"] == PROMOTED.date()
    assert by_key[1, last]["psi_confidence"] > 0.2 > by_key[1, date(2025, 4, 10)]["psi_confidence"]
    assert by_key[1, date(2025, 3, 7)]["days_since_training"] == 0

    for moment in (START + 80 * 24 * HOUR + 7 * HOUR, START + 44 * 24 * HOUR):
        cut(landscape, moment)
        assert not landscape.build(tmp_path, *MARTS).failures
        before = [row for row in found if row["available_at"] <= moment]
        after = rows(
            landscape, "select * from operations.model_health order by model_id, health_date"
        )
        assert before == [row for row in after if row["available_at"] <= moment]
        assert before
        later = rows(landscape, TRIGGERS)
        assert later == [
            row
            | {
                "cleared_date": None
                if (row["cleared_date"] or last) > after[-1]["health_date"]
                else row["cleared_date"]
            }
            for row in alarms
            if row["available_at"] <= moment
        ]


def test_health_from_changes_equals_health_in_full(landscape: Landscape, tmp_path: Path) -> None:
    """Days that come one by one, rows that come late, change and go, and a stage in the past."""
    landscape.deploy()
    insert(landscape, Random(5))
    day_70 = (START + 70 * 24 * HOUR).isoformat()
    late = {
        "ai_trading_signals": "hashint8(id) % 30 = 0",
        "market_bars": "extract(epoch from opened_at)::bigint / 3600 % 97 = 0",
        "rl_training_episodes": "true",
    }
    times = {"market_bars": "opened_at + interval '1 hour'"}
    for table, is_late in late.items():
        at = times.get(table, "created_at")
        landscape.on_primary(
            f"create table held_{table} as select *, {at} as known_at,"
            f" {is_late} and {at} < '{day_70}' as is_late from {table};"
            f" delete from {table} where {at} >= '{day_70}' or {is_late}"
        )

    def release(condition: str) -> None:
        for table in late:
            landscape.on_primary(
                f"with gone as (delete from held_{table} where {condition} returning *)"
                f" insert into {table} overriding system value"
                f" select (jsonb_populate_record(null::{table}, to_jsonb(gone))).* from gone"
                " on conflict do nothing"
            )

    def build() -> None:
        assert not landscape.build(tmp_path, *MARTS, "build_history").failures

    def in_full() -> transform.Build:
        with builds.frozen(landscape.replica, timeout=60) as environment:
            return transform.build(
                environment,
                advance=lambda done, total, at: None,
                target=tmp_path / "full",
                tests=False,
                select=MARTS,
                schema_prefix="full",
                full_refresh=True,
            )

    def rows_written() -> dict[str, int]:
        """By the last build, of the models that hold a row a version and day."""
        return {
            str(name): int(str(written))
            for name, written in landscape.on_replica(
                "select distinct on (node_name) node_name, rows_written"
                " from operations.build_history"
                " where node_name ~ 'int_(health|model_health|trigger)'"
                " order by node_name, started_at desc"
            )
        }

    build()
    release(f"not is_late and known_at < timestamptz '{day_70}' + interval '24 hours'")
    build()
    # A day more is a row more of each version, and six in int_trigger_days.
    assert max(rows_written().values()) == 3 * len(reference.REASONS)
    full = FullBuild()
    release("is_late")
    landscape.on_primary(
        "update ai_trading_signals set confidence = 0.99 where id % 50 = 7;"
        " delete from ai_trading_signals where id % 61 = 3"
    )
    build()
    assert full.differing(landscape.replica, in_full) == {}
    landscape.on_primary(
        "update ai_model_stages set since = since - interval '8 days' where reason = 'x';"
        " insert into ai_model_stages (model_id, stage, since, reason)"
        f" values (3, 'retired', timestamptz '{day_70}' - interval '3 days', 'y')"
    )
    release("true")
    build()
    assert full.differing(landscape.replica, in_full) == {}
    assert landscape.on_replica("select count(*) > 5 from operations.retraining_triggers") == [
        (True,)
    ]
