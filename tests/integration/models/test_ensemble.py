"""The ensemble's marts against a brute-force reference, and against their own future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any

import ensemble as reference
import numpy as np
import pytest
from ensemble_history import (
    DEADBAND,
    HORIZON,
    HOUR,
    LIFETIME,
    SHARE,
    START,
    VARS,
    History,
    Row,
    noisy_history,
    random_history,
)
from landscapes import Landscape
from psycopg import sql
from psycopg.rows import dict_row
from scipy.stats import kstest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

from runner.build import builds
from runner.servers.role_logins import as_role
from runner.tuning.ensemble import Ensemble, Settings
from runner.tuning.past import read as read_past

# dbt leaves the log of a call open until the next one.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    # Several builds in a test, each of which takes long beside other tests.
    pytest.mark.timeout(900),
]

MARTS = (
    *("+ensemble_regret", "+ensemble_revisions", "+expert_weights"),
    *("+signal_validation", "+confirmation_lift"),
)
# Tests that compare a model of these with one that is not built here.
OTHERS = (
    "path:models/staging,resource_type:test",
    "signal_confluence",
    "path:models/marts/performance",
    "path:models/marts/training",
    "path:models/marts/operations",
)


def rows(landscape: Landscape, table: str) -> list[Row]:
    with landscape.replica.connect() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(
            sql.SQL("select * from {}").format(sql.Identifier(*table.split(".")))
        ).fetchall()


def built(
    landscape: Landscape, target: Path, *, full_refresh: bool = False, tests: bool = True
) -> None:
    result = builds.build(
        landscape.primary,
        landscape.replica,
        fence_timeout=60,
        advance=lambda done, total, at: None,
        select=MARTS,
        exclude=OTHERS if tests else ("resource_type:test",),
        full_refresh=full_refresh,
        target=target,
    )
    assert not result.failures, [(node.name, node.message) for node in result.failures]


def keyed(found: Sequence[Row], *names: str) -> dict[tuple[Any, ...], Row]:
    result = {tuple(row[name] for name in names): row for row in found}
    assert len(result) == len(found)
    return result


def assert_same(before: Mapping[Any, Row], after: Mapping[Any, Row]) -> None:
    assert before.keys() == after.keys()
    for key, row in before.items():
        for name, value in row.items():
            if isinstance(value, float):
                assert after[key][name] == pytest.approx(value, rel=1e-9, abs=1e-12), (key, name)
            else:
                assert after[key][name] == value, (key, name)


def assert_equals_reference(landscape: Landscape, history: History) -> None:
    decisions, weights, regrets = history.decided(HORIZON, LIFETIME, SHARE)
    found = keyed(rows(landscape, "ensemble.ensemble_decisions"), "symbol", "decided_at")
    assert found.keys() == {(d.symbol, d.decided_at) for d in decisions}
    for decision in decisions:
        row = found[decision.symbol, decision.decided_at]
        expected = decision.probability_up
        assert row["probability_up"] == pytest.approx(expected, rel=1e-9)
        assert row["score"] == pytest.approx(2 * expected - 1, rel=1e-9, abs=1e-12)
        assert row["equal_weights_probability_up"] == pytest.approx(decision.equal_weights)
        assert row["contributors"] == decision.contributors
        if abs(abs(expected - 0.5) - DEADBAND) > 1e-9:
            side = "BUY" if expected > 0.5 else "SELL"
            assert row["decision"] == (side if abs(expected - 0.5) > DEADBAND else "HOLD")
    found_weights = keyed(rows(landscape, "ensemble.expert_weights"), "weight_date", "expert_id")
    assert found_weights.keys() == {(date.fromordinal(d), e) for d, e in weights}
    for (day, expert), weight in weights.items():
        row = found_weights[date.fromordinal(day), expert]
        assert row["weight"] == pytest.approx(weight, rel=1e-9, abs=1e-120)
    assert_regrets_equal(landscape, regrets)
    assert_tune_computes_the_same(landscape, history)


def assert_tune_computes_the_same(landscape: Landscape, history: History) -> None:
    """Under the settings of the marts, and under others."""
    with as_role(landscape.replica, "transformer").connect(autocommit=True) as connection:
        known, _ = read_past(connection)
    for horizon, lifetime, share in ((HORIZON, LIFETIME, SHARE), (5, 7, 0.05)):
        decisions, _, _ = history.decided(horizon, lifetime, share)
        found = Ensemble(known).probabilities(Settings(horizon, lifetime, DEADBAND, share))
        expected = sorted(decisions, key=lambda decision: (decision.symbol, decision.decided_at))
        assert found[~np.isnan(found)] == pytest.approx([d.probability_up for d in expected])


def assert_regrets_equal(landscape: Landscape, regrets: Mapping[int, reference.Regret]) -> None:
    found = keyed(rows(landscape, "ensemble.ensemble_regret"), "decision_date")
    assert found.keys() == {(date.fromordinal(day),) for day in regrets}
    for day, expected in regrets.items():
        row = found[date.fromordinal(day),]
        losses = [expected.ensemble, expected.best_sequence, expected.most]
        silence = row["silence_loss"]
        assert [
            row["ensemble_loss"] - silence,
            row["best_sequence_loss"] - silence,
            row["best_sequence_loss"] + row["sequence_bound"] - silence,
        ] == pytest.approx(losses, rel=1e-9, abs=1e-9)
        assert row["best_sequence_switches"] == expected.switches
        assert row["sequence_regret"] <= row["sequence_bound"]
        if expected.best_expert is None:
            assert row["best_expert_loss"] is row["regret"] is row["regret_bound"] is None
        else:
            assert row["best_expert_loss"] - silence == pytest.approx(expected.best_expert)
            assert row["regret"] == pytest.approx(
                expected.ensemble - expected.best_expert, rel=1e-9, abs=1e-9
            )
            assert row["regret_bound"] == pytest.approx(
                expected.most - expected.best_expert, rel=1e-9
            )


def assert_validation_equals_reference(landscape: Landscape, history: History) -> None:
    cases = history.cases()
    least = VARS["validation_min_cases"]
    found = keyed(rows(landscape, "ensemble.signal_validation"), "signal_id")
    assert len(found) == len(history.signals)
    for case in cases:
        row = found[case.id,]
        level, number, wins = reference.similar(case, cases, least)
        assert (row["similarity_level"], row["similar_cases"], row["similar_wins"]) == (
            level,
            number,
            wins,
        )
        assert (row["relation"], row["confidence_bin"]) == (case.relation, case.bin)
        if not number:
            assert row["base_rate"] is None
            assert row["verdict"] == "unproven"
            continue
        lower, upper = proportion_confint(wins, number, method="wilson")
        assert row["base_rate"] == pytest.approx(wins / number)
        assert row["base_rate_lower"] == pytest.approx(lower, rel=1e-9, abs=1e-12)
        assert row["base_rate_upper"] == pytest.approx(upper, rel=1e-9)
        verdict = "supported" if lower > 0.5 else "unsupported" if upper < 0.5 else "unproven"
        assert row["verdict"] == (verdict if number >= least else "unproven")
    judged = {case.id for case in cases}
    assert all(
        row["verdict"] == "unproven" and row["similar_cases"] == 0 and row["base_rate"] is None
        for (signal_id,), row in found.items()
        if signal_id not in judged
    )


def assert_lift_equals_oracles(landscape: Landscape, history: History) -> list[Row]:
    cases = [case for case in history.cases() if case.won is not None]
    kinds = {p.id: p.expert.split(": ")[1] for p in history.patterns}
    names = {number: f"model: {name} v1" for number, (name, _) in enumerate(history.models, 1)}
    found = rows(landscape, "ensemble.confirmation_lift")
    expected_keys = {
        (case.model, kinds[history.pattern_of_signal[case.id]], case.relation)
        for case in cases
        if case.relation != "no_pattern"
    }
    assert expected_keys == {
        (names[row["model_id"]], row["pattern_type"], row["relation"]) for row in found
    }
    for row in found:
        of_model = [case for case in cases if case.model == names[row["model_id"]]]
        given = [
            case
            for case in of_model
            if case.relation == row["relation"]
            and kinds[history.pattern_of_signal[case.id]] == row["pattern_type"]
        ]
        counts = np.array([len(given), len(of_model) - len(given)])
        wins = np.array([sum(bool(c.won) for c in given), sum(bool(c.won) for c in of_model)])
        wins[1] -= wins[0]
        assert (row["cases_given"], row["cases_not"]) == tuple(counts)
        assert (row["wins_given"], row["wins_not"]) == tuple(wins)
        if not counts[1]:
            assert row["difference"] is None
            continue
        lower, upper = confint_proportions_2indep(
            wins[0], counts[0], wins[1], counts[1], method="newcomb", compare="diff"
        )
        assert row["difference_lower"] == pytest.approx(lower, rel=1e-9, abs=1e-12)
        assert row["difference_upper"] == pytest.approx(upper, rel=1e-9, abs=1e-12)
        if wins[1]:
            assert row["lift"] == pytest.approx(wins[0] / counts[0] * counts[1] / wins[1])
        if counts.min() < VARS["confirmation_min_cases"]:
            assert row["p_value"] is None
            assert row["q_value"] is None
        else:
            z_score, p_value = proportions_ztest(wins, counts)
            assert row["z_score"] == pytest.approx(z_score, rel=1e-9, abs=1e-12)
            assert row["p_value"] == pytest.approx(p_value, rel=1e-9)
    tested = [row for row in found if row["p_value"] is not None]
    if tested:
        q_values = multipletests([row["p_value"] for row in tested], method="fdr_bh")[1]
        assert [row["q_value"] for row in tested] == pytest.approx(list(q_values), rel=1e-9)
        assert {row["tests"] for row in found} == {len(tested)}
    return tested


PAST = {
    "ensemble.ensemble_decisions": ("decided_at", ("symbol", "decided_at")),
    "ensemble.expert_weights": ("available_at", ("weight_date", "expert_id")),
    "ensemble.signal_validation": ("created_at", ("signal_id",)),
}


def past(landscape: Landscape, at: datetime) -> dict[str, dict[tuple[Any, ...], Row]]:
    """The marts' rows of what was known at a time."""
    return {
        table: keyed([row for row in rows(landscape, table) if row[moment] <= at], *key)
        for table, (moment, key) in PAST.items()
    }


def cut(landscape: Landscape, at: datetime) -> None:
    """Delete from the primary everything that was not known at a time."""
    moment = f"timestamptz '{at.isoformat()}'"
    for statement in (
        f"delete from ai_trading_signals where created_at > {moment}",
        f"delete from micro_patterns where created_at > {moment}",
        f"delete from ai_model_stages where since > {moment} and reason <> 'registered'",
        "delete from ai_models as m where not exists"
        " (select from ai_trading_signals as s where s.model_id = m.id)"
        f" and created_at > {moment}",
        "delete from market_bars where opened_at"
        " + left(timeframe, -1)::int * (case right(timeframe, 1) when 'm' then interval '1 minute'"
        f" when 'h' then interval '1 hour' else interval '24 hours' end) > {moment}",
    ):
        landscape.on_primary(statement)


def test_marts_equal_the_reference_and_the_future_changes_nothing(
    landscape: Landscape, tmp_path: Path
) -> None:
    history = random_history(11)
    random = Random(12)
    landscape.deploy()
    # Some rows arrive after the first build, long after they were written.
    late = frozenset(
        (table, number)
        for table, count in (("bars", len(history.bars)), ("patterns", 180), ("signals", 600))
        for number in range(1, count + 1)
        if random.random() < 0.03
    )
    waiting = frozenset(late) | {
        ("signals", number)
        for number, pattern in history.pattern_of_signal.items()
        if ("patterns", pattern) in late
    }
    history.insert(landscape, waiting)
    built(landscape, tmp_path, tests=False)
    first = keyed(rows(landscape, "ensemble.ensemble_publications"), "symbol", "decided_at")
    assert len(first) == len(rows(landscape, "ensemble.ensemble_decisions"))
    assert not rows(landscape, "ensemble.ensemble_revisions")

    history.insert(landscape)
    built(landscape, tmp_path)
    assert_equals_reference(landscape, history)
    assert_validation_equals_reference(landscape, history)
    assert_lift_equals_oracles(landscape, history)

    # What was published stays as it was, whatever is computed now.
    second = keyed(rows(landscape, "ensemble.ensemble_publications"), "symbol", "decided_at")
    assert_same(first, {key: row for key, row in second.items() if key in first})
    computed = keyed(rows(landscape, "ensemble.ensemble_decisions"), "symbol", "decided_at")
    assert second.keys() == first.keys() | computed.keys()
    revisions = keyed(rows(landscape, "ensemble.ensemble_revisions"), "symbol", "decided_at")
    assert revisions
    for key, row in second.items():
        now = computed.get(key)
        is_revised = now is None or abs(now["probability_up"] - row["probability_up"]) > 1e-9
        assert (key in revisions) == is_revised

    # Cut at any moment, the past stays: also where a timeframe, a model or a type of pattern
    # begins only later. A full refresh does not touch what was published.
    for moment, is_last in (
        (START + 9.2 * 24 * HOUR, False),
        (START + random.uniform(5.5, 8) * 24 * HOUR, False),
        (START + 4 * 24 * HOUR, True),
    ):
        before = past(landscape, moment)
        cut(landscape, moment)
        built(landscape, tmp_path, full_refresh=True, tests=is_last)
        after = past(landscape, moment)
        assert all(before[table] for table in PAST)
        for table in PAST:
            assert_same(before[table], after[table])
        assert len(rows(landscape, "ensemble.ensemble_decisions")) == len(
            after["ensemble.ensemble_decisions"]
        )
    third = keyed(rows(landscape, "ensemble.ensemble_publications"), "symbol", "decided_at")
    assert_same(second, third)
    gone = keyed(rows(landscape, "ensemble.ensemble_revisions"), "symbol", "decided_at")
    assert any(row["computed_decision"] is None for row in gone.values())


def assert_equals_averages(landscape: Landscape, history: History) -> None:
    """For noisy_history, whose signals live for one bar and whose patterns have no confidence."""
    heard_of = history.heard_of()
    experts = sorted(heard_of)
    joined = np.array([reference.day_number(heard_of[expert]) + 1 for expert in experts])
    closes: dict[str, list[reference.Bar]] = {}
    for bar in history.bars:
        closes.setdefault(bar.symbol, []).append(bar)
    said: dict[tuple[datetime, str], Row] = {}
    for signal in history.signals:
        said.setdefault((signal.at, signal.symbol), {})[signal.expert] = signal.probability_up
    places = sorted(said)

    def pool(day: int) -> reference.Booleans:
        return joined <= day

    forecasts = np.array([[said[place].get(e, 0.5) for e in experts] for place in places])
    outcomes, resolved = np.full(len(places), np.nan), np.full(len(places), 10**9)
    for number, (at, symbol) in enumerate(places):
        hour = round((at - START) / HOUR)
        if hour + HORIZON < len(closes[symbol]):
            start, end = closes[symbol][hour], closes[symbol][hour + HORIZON]
            outcomes[number] = float(end.close > start.close)
            resolved[number] = reference.day_number(end.closed_at)
    decided = np.array([reference.day_number(at) for at, _ in places])
    made = reference.Rounds(forecasts, outcomes, decided, resolved, pool)
    first = max(int(joined.min()), reference.day_number(history.bars[0].closed_at))
    last = max(reference.day_number(bar.closed_at) for bar in history.bars)
    days = reference.walk(made, first, last, SHARE)
    probabilities = reference.averages(made, days)
    found = keyed(rows(landscape, "ensemble.ensemble_decisions"), "decided_at", "symbol")
    assert sorted(found) == places
    for place, probability in zip(places, probabilities, strict=True):
        assert found[place]["probability_up"] == pytest.approx(probability, rel=1e-9)
    first_round = int(decided[made.scored].min())
    assert_regrets_equal(
        landscape,
        {day: reference.regret(made, days, day) for day in days if day >= first_round},
    )


def test_skill_gets_the_weight_and_noise_finds_nothing(
    landscape: Landscape, tmp_path: Path
) -> None:
    history = noisy_history(5, coins=90, signals_each=240)
    landscape.deploy()
    history.insert(landscape)
    built(landscape, tmp_path)
    weights = rows(landscape, "ensemble.expert_weights")
    last_day = max(row["weight_date"] for row in weights)
    at_last = {row["expert_name"]: row for row in weights if row["weight_date"] == last_day}
    assert at_last["knows v1"]["weight_rank"] == 1
    assert at_last["knows v1"]["weight"] > 0.5
    coins = [row["weight"] for name, row in at_last.items() if name.startswith("coin")]
    assert max(coins) < 0.1
    # The coins claim an edge of 0.4 and have none: silence would have lost less.
    assert np.mean(coins) < min(r["weight"] for n, r in at_last.items() if n in ("flag", "wedge"))

    assert_equals_averages(landscape, history)
    lifts = assert_lift_equals_oracles(landscape, history)
    p_values = [row["p_value"] for row in lifts if row["model_name"] != "knows"]
    assert len(p_values) > 400
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert not [row for row in lifts if row["q_value"] < 0.05]
    verdicts = [
        row["verdict"]
        for row in rows(landscape, "ensemble.signal_validation")
        if row["model_id"] > 1
    ]
    assert verdicts.count("supported") < 0.1 * len(verdicts)
    known = [
        row["verdict"]
        for row in rows(landscape, "ensemble.signal_validation")
        if row["model_id"] == 1 and row["created_at"] > START + 400 * HOUR
    ]
    assert known.count("supported") > 0.5 * len(known)
