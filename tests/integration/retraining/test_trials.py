"""Trials on real servers: the evidence is the reference's, and a shadow leaves no trace."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import trials as reference
import yaml
from click.testing import CliRunner
from landscapes import Landscape

from runner.cli import cli
from runner.settings import PROJECT

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(900),
]

VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
HORIZON = VARS["ensemble_horizon_bars"]
START = datetime(2025, 3, 3, tzinfo=UTC)
HOURS = 24 * 70
HOUR = timedelta(hours=1)
CONFIDENCE = 0.8
MARTS = tuple(
    f"+{mart}"
    for mart in ("model_trials", "model_history", "ensemble_regret", "ensemble_decisions")
)


def market(seed: int) -> tuple[list[float], dict[int, dict[int, str]]]:
    """Closes by hour, and what two versions say at each: one tosses coins, one mostly knows."""
    random = Random(seed)
    closes = [100.0]
    for _ in range(HOURS):
        closes.append(round(closes[-1] + random.choice((-0.5, -0.25, 0.25, 0.5)), 2))
    said: dict[int, dict[int, str]] = {1: {}, 2: {}}
    for hour in range(HOURS - HORIZON):
        up = closes[hour + HORIZON] > closes[hour]
        for version, skill in ((1, 0.5), (2, 0.9)):
            if random.random() < 0.8:
                said[version][hour] = "BUY" if (random.random() < skill) == up else "SELL"
    return closes, said


def insert(landscape: Landscape, closes: list[float], said: dict[int, dict[int, str]]) -> None:
    with landscape.primary.connect() as connection, connection.cursor() as cursor:
        cursor.execute("delete from micro_patterns")
        for version in (1, 2):
            cursor.execute(
                "insert into ai_models (id, model_type, model_name, version, created_at)"
                " values (%s, 'supervised', 'coin', %s, %s)",
                (version, str(version), START - HOUR),
            )
        # As if it had been deployed then: a registration is known from the server's clock on.
        cursor.execute("update ai_model_stages set created_at = since")
        cursor.executemany(
            "insert into market_bars values ('X', '1h', %s, %s, %s, %s, %s, 1)",
            [(START + (n - 1) * HOUR, *[close] * 4) for n, close in enumerate(closes)],
        )
        cursor.executemany(
            "insert into ai_trading_signals"
            " (model_id, symbol, signal_type, confidence, created_at, expires_at)"
            " values (%s, 'X', %s, %s, %s, %s)",
            [
                (version, side, CONFIDENCE, START + hour * HOUR, START + (hour + 1) * HOUR)
                for version, sides in said.items()
                for hour, side in sides.items()
            ],
        )


def expected(
    closes: list[float], said: dict[int, dict[int, str]], first: date, last: date
) -> list[tuple[date, int, float]]:
    """Per stretch: its end, the challenger's outcomes, and the evidence."""
    block, counted = VARS["trial_block_days"], VARS["trial_block_days"] - VARS["trial_gap_days"]
    stretches: dict[int, list[tuple[float, float]]] = {}
    spoken: dict[int, int] = {}
    for hour in range(HOURS - HORIZON + 1):
        day = (START + hour * HOUR).date()
        number = (day - first).days
        end = first + timedelta(days=(number // block + 1) * block)
        known = (START + (hour + HORIZON) * HOUR).date()
        sides = [said[version].get(hour) for version in (2, 1)]
        outcome = closes[hour + HORIZON] - closes[hour] if hour + HORIZON < len(closes) else 0
        if not outcome or not any(sides) or number < 0:
            continue
        if number % block >= counted or known >= end or end > last:
            continue
        p, q = (0.5 + {"BUY": 0.5, "SELL": -0.5, None: 0.0}[s] * CONFIDENCE for s in sides)
        y = float(outcome > 0)
        spoke = int(sides[0] is not None)
        margin = VARS["trial_margin"] * spoke
        spoken[number // block] = spoken.get(number // block, 0) + spoke
        stretches.setdefault(number // block, []).append(
            ((q - y) ** 2 - (p - y) ** 2 - margin, abs(p - q) * (1 + abs(p + q - 1)) + margin)
        )
    numbers = sorted(stretches)
    ends = [first + timedelta(days=(number + 1) * block) for number in numbers]
    evidence = reference.e_values([stretches[number] for number in numbers])
    return list(zip(ends, (spoken[number] for number in numbers), evidence, strict=True))


def decisions(landscape: Landscape, until: datetime) -> list[tuple[object, ...]]:
    return landscape.on_replica(
        "select symbol, decided_at, decision, probability_up, contributors, experts"
        f" from ensemble.ensemble_decisions where decided_at < '{until.isoformat()}' order by 1, 2"
    )


def test_a_better_version_is_promoted_and_leaves_no_earlier_trace(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    landscape.deploy()
    closes, said = market(3)
    insert(landscape, closes, said)
    build = landscape.build(tmp_path, *MARTS)
    assert not build.failures

    last_close = (START + HOURS * HOUR).date()
    clusters = landscape.on_replica(
        "select end_date, challenger_forecasts, e_value"
        " from intermediate.int_trial_clusters order by block_number"
    )
    evidence = expected(closes, said, START.date(), last_close)
    assert len(clusters) == len(evidence) > 30
    for (end, outcomes, value), found in zip(evidence, clusters, strict=True):
        assert found[:2] == (end, outcomes)
        assert found[2] == pytest.approx(value, rel=1e-9)
    proven = next(
        end
        for n, (end, _, value) in enumerate(evidence)
        if value >= 1 / VARS["trial_level"]
        and sum(count for _, count, _ in evidence[: n + 1]) >= VARS["trial_min_outcomes"]
    )

    # The shadow was judged, and weighed nothing.
    assert landscape.on_replica(
        "select distinct is_deciding, weight from intermediate.int_ensemble_weights order by 1"
    ) == [(False, 0.0), (True, 1.0)]
    before = decisions(landscape, START + HOURS * HOUR)

    def judge(*options: str) -> tuple[list[dict[str, object]], str]:
        done = CliRunner().invoke(cli, ["judge", "--json", *options], catch_exceptions=False)
        return json.loads(done.stdout), done.stderr

    shown, told = judge("--dry-run")
    assert [(each["challenger_version"], each["verdict"]) for each in shown] == [("2", "better")]
    assert told == ""
    shown, told = judge()
    assert [each["is_decided"] for each in shown] == [True]
    assert "coin 2 is champion: better than version 1 on " in told
    assert f"proven on {proven}" in told
    # The marts are as they were: what was decided is not decided again.
    shown, told = judge()
    assert [each["is_decided"] for each in shown] == [False]
    assert "no trial is decided" in told
    assert landscape.on_primary("select version, stage from ai_models order by 1") == [
        ("1", "shadow"),
        ("2", "champion"),
    ]

    # Stages of now change no decision of the past, and neither does a shadow that was never there.
    build = landscape.build(tmp_path, *MARTS)
    assert not build.failures
    assert decisions(landscape, START + HOURS * HOUR) == before
    history = landscape.on_replica(
        "select model_version, stage, reason, evidence ->> 'e_value', data_cut_at is not null"
        " from operations.model_history order by stage_id"
    )
    assert [row[:2] for row in history] == [
        ("1", "champion"),
        ("2", "shadow"),
        ("1", "shadow"),
        ("2", "champion"),
    ]
    assert float(str(history[3][3])) == pytest.approx(evidence[-1][2])
    assert history[3][4] is True
    verdicts = landscape.on_replica(
        "select challenger_version, verdict from operations.model_trials order by 1"
    )
    assert verdicts == [("1", "running"), ("2", "ended")]
    landscape.on_primary(
        "delete from ai_trading_signals where model_id = 2; delete from ai_models where id = 2"
    )
    build = landscape.build(tmp_path, *MARTS)
    assert not build.failures
    assert decisions(landscape, START + HOURS * HOUR) == before
