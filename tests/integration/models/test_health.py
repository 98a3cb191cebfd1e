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
from landscapes import Landscape
from psycopg.rows import dict_row

from runner.settings import PROJECT

# dbt leaves the log of a call open until the next one.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(900),
]

VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 75
PROMOTED = START + 50 * 24 * HOUR + 5 * HOUR
MARTS = ("+model_health",)
TYPES = ("BUY", "SELL", "HOLD", "BUY", "SELL")


def insert(landscape: Landscape, random: Random) -> None:
    """Three versions: one champion at once, one from shadow, and one of one symbol, rarely heard.

    All change after the 45th day: surer, and with more BUY.
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
        for symbol in ("X", "Y", "Z"):
            price = 100.0
            for hour in range(24 * DAYS):
                price = max(1.0, round(price + random.choice((-1, -0.5, 0, 0.5, 1)), 2))
                cursor.execute(
                    "insert into market_bars values (%s, '1h', %s, %s, %s, %s, %s, 1)",
                    (symbol, START + hour * HOUR, *[price] * 4),
                )
        rows = []
        for hour in range(24 * DAYS - 30):
            is_late = hour > 24 * 45
            for model, often in ((1, 0.5), (2, 0.55), (3, 0.08)):
                # A pause of a week, in which nothing is known anew.
                if random.random() < often and not (model == 3 and 500 < hour < 700):
                    confidence = random.random() ** (0.3 if is_late else 1)
                    rows.append(
                        (
                            model,
                            "X" if model == 3 else random.choice("XYZ"),
                            random.choice(("BUY", *TYPES) if is_late else TYPES),
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
    # The second version is compared with what it was when it became champion.
    by_key = {(row["model_id"], row["health_date"]): row for row in found}
    assert by_key[2, last]["reference_last_date"] == PROMOTED.date()
    assert by_key[1, last]["psi_confidence"] > 0.2 > by_key[1, date(2025, 4, 10)]["psi_confidence"]
    assert by_key[1, date(2025, 3, 7)]["days_since_training"] == 0

    for moment in (START + 60 * 24 * HOUR + 7 * HOUR, START + 44 * 24 * HOUR):
        cut(landscape, moment)
        assert not landscape.build(tmp_path, *MARTS).failures
        before = [row for row in found if row["available_at"] <= moment]
        after = rows(
            landscape, "select * from operations.model_health order by model_id, health_date"
        )
        assert before == [row for row in after if row["available_at"] <= moment]
        assert before
