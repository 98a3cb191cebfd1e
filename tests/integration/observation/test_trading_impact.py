"""Whether builds slow trading down: on planted samples, whose figures scipy gives as well, and
where sessions really wait."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from costed import FIRST, START, build, plant_builds, plant_samples, plant_statements, rows, take
from drills import eventually
from landscapes import Landscape
from scipy import stats

from runner.servers.database import Connection

MINUTE = timedelta(minutes=1)


def is_build(number: int) -> bool | None:
    """Whether a build fills a planted stretch; None if it only touches it."""
    return None if number % 10 == 5 else number % 2 == 0


def measured(counts: list[tuple[int, float]]) -> dict[bool, list[float]]:
    """Milliseconds a call of each run of stretches, with builds and without."""
    figures: dict[bool, list[float]] = {True: [], False: []}
    kept = [n for n in range(1, len(counts)) if is_build(n) is not None]
    for state, numbers in groupby(kept, key=is_build):
        run = [counts[n] for n in numbers]
        figures[state is True].append(1000 * sum(s for _, s in run) / sum(c for c, _ in run))
    return figures


def test_builds_that_slow_down_trading_are_found(costs: Landscape, tmp_path: Path) -> None:
    """Welch's interval as scipy's, of a statement that is slower and of one that is not."""
    random = Random(6)
    count = 60
    moments = [START + n * MINUTE for n in range(count)]
    plant_samples(costs, moments)
    lengths = {True: 40, None: 10}
    plant_builds(
        costs,
        [
            (
                moments[n] - MINUTE + 5 * MINUTE / 60,
                moments[n] - MINUTE + (5 + length) * MINUTE / 60,
            )
            for n in range(1, count)
            if (length := lengths.get(is_build(n)))
        ],
    )
    counts: dict[int, list[tuple[int, float]]] = {}
    for query_id, extra in ((11, 0.004), (12, 0.0)):
        means = [
            0.010 + random.gauss(0, 0.002) + extra * (is_build(n) is True) for n in range(count)
        ]
        calls = [random.randint(5, 20) for _ in range(count)]
        counts[query_id] = [(c, c * m) for c, m in zip(calls, means, strict=True)]
        plant_statements(costs, "platform", query_id, counts[query_id])
    plant_statements(costs, "robot", 13, counts[11])
    found = {
        (row["measure"], row["subject"]): row
        for row in rows(costs, "select * from operations.trading_impact")
    }
    assert found.keys() == {
        *(("statement", "11"), ("statement", "12")),
        *(("all_statements", "all"), ("lock_waits", "all")),
    }
    for query_id in (11, 12):
        row = found["statement", str(query_id)]
        figures = measured(counts[query_id])
        groups = [figures[True], figures[False]]
        oracle = stats.ttest_ind(*groups, equal_var=False)
        interval = oracle.confidence_interval(0.95)
        assert (row["build_windows"], row["quiet_windows"]) == tuple(map(len, groups))
        assert row["difference"] == pytest.approx(
            sum(groups[0]) / len(groups[0]) - sum(groups[1]) / len(groups[1])
        )
        assert row["degrees_of_freedom"] == pytest.approx(oracle.df)
        assert row["difference_lower"] == pytest.approx(interval.low, rel=1e-6)
        assert row["difference_upper"] == pytest.approx(interval.high, rel=1e-6)
    assert found["statement", "11"]["is_slower"] is True
    assert found["statement", "12"]["is_slower"] is False
    assert (
        found["statement", "12"]["difference_lower"]
        < 0
        < found["statement", "12"]["difference_upper"]
    )
    assert found["all_statements", "all"]["is_slower"] is True
    # No sample was taken while a build was at work.
    waits = found["lock_waits", "all"]
    assert (waits["build_windows"], waits["quiet_mean"], waits["difference"]) == (0, 0, None)
    costs_of = {
        (row["role_group"], row["query_id"]): row
        for row in rows(costs, "select * from operations.query_costs")
    }
    assert costs_of.keys() == {("trading", 11), ("trading", 12), ("ai", 13)}
    assert costs_of["trading", 12]["calls"] == sum(calls for calls, _ in counts[12][1:])
    assert costs_of["trading", 12]["mean_milliseconds"] == pytest.approx(
        1000 * sum(seconds for _, seconds in counts[12][1:]) / costs_of["trading", 12]["calls"]
    )
    # dbt's tests hold on planted samples and a real one.
    take(costs)
    build(costs, tmp_path)


def test_a_statement_that_came_again_has_not_grown(costs: Landscape) -> None:
    """Others put it out of pg_stat_statements, and it has since been run more often than before."""
    plant_samples(costs, [START + n * MINUTE for n in range(4)])
    plant_statements(costs, "platform", 11, [(10, 1)] * 4)
    plant_statements(costs, "platform", 12, [(10, 1)] * 4)

    def calls() -> dict[int, int | None]:
        found = rows(costs, "select query_id, calls from operations.query_costs")
        return {row["query_id"]: row["calls"] for row in found}

    assert calls() == {11: 30, 12: 30}
    statements = "signal_marts.observed_statements"
    costs.on_replica(f"delete from {statements} where query_id = 12 and sample_id = {FIRST + 1}")
    assert calls() == {11: 30, 12: 10}
    # Since PostgreSQL 17 it says that it was only passed over, or that it is another one.
    costs.on_replica(f"update {statements} set is_own_since = true")
    assert calls() == {11: 30, 12: 30}
    costs.on_replica(
        f"update {statements} set counted_since = '{START + MINUTE}'"
        f" where query_id = 12 and sample_id > {FIRST}"
    )
    assert calls() == {11: 30, 12: 10}


@pytest.mark.parametrize("is_own_since", [True, False])
def test_stretches_in_a_row_are_one_measurement(costs: Landscape, is_own_since: bool) -> None:
    """One that is left out does not end a run, and does not count."""
    states = "bbqqq.qqbbb.bqb"  # stretches with a build, quiet, or with too little of one
    moments = [START + n * MINUTE for n in range(len(states) + 1)]
    plant_samples(costs, moments)
    lengths = {"b": 40, ".": 10}
    plant_builds(
        costs,
        [
            (moments[n], moments[n] + lengths[state] * MINUTE / 60)
            for n, state in enumerate(states)
            if state in lengths
        ],
    )
    counts = [(5 + n % 3, (5 + n % 3) * (0.01 + 0.001 * (n % 4))) for n in range(len(moments))]
    plant_statements(costs, "platform", 11, counts)
    costs.on_replica(
        f"update signal_marts.observed_statements set is_own_since = {is_own_since};"
        "insert into signal_marts.observed_lock_waits"
        " (sample_id, side, waiting_pid, waiting_role, lock_type, mode, blocking_pid)"
        f" values ({FIRST}, 'primary', 1, 'platform', 'tuple', 'ExclusiveLock', 2)"
    )
    row, waits = rows(
        costs,
        "select * from operations.trading_impact where measure in ('statement', 'lock_waits')"
        " order by measure desc",
    )
    means: dict[str, list[float]] = {"b": [], "q": []}
    calls = {"b": 0, "q": 0}
    for run in re.finditer(r"b[b.]*|q[q.]*", states):
        state = run.group()[0]
        grown = [counts[run.start() + n + 1] for n, each in enumerate(run.group()) if each == state]
        calls[state] += sum(c for c, _ in grown)
        means[state].append(1000 * sum(s for _, s in grown) / sum(c for c, _ in grown))
    assert (row["build_windows"], row["quiet_windows"]) == (3, 2)
    assert (row["build_calls"], row["quiet_calls"]) == (calls["b"], calls["q"])
    assert row["build_mean"] == pytest.approx(sum(means["b"]) / 3)
    assert row["quiet_mean"] == pytest.approx(sum(means["q"]) / 2)
    # Of 16 samples, in four runs of either kind: one waits at the first of the first two.
    assert (waits["build_windows"], waits["quiet_windows"]) == (4, 4)
    assert (waits["build_mean"], waits["quiet_mean"]) == (0.5 / 4, 0)
    assert (waits["build_calls"], waits["quiet_calls"]) == (None, None)


def test_with_few_stretches_there_is_no_interval(costs: Landscape) -> None:
    moments = [START + n * MINUTE for n in range(19)]
    plant_samples(costs, moments)
    plant_builds(costs, [(moments[n] - MINUTE, moments[n]) for n in range(2, 19, 2)])
    plant_statements(costs, "platform", 11, [(10, 0.1 + 0.01 * (n % 5)) for n in range(19)])
    (row,) = rows(costs, "select * from operations.trading_impact where measure = 'statement'")
    assert row["build_windows"] == 9
    assert row["difference"] is not None
    assert (row["difference_lower"], row["is_slower"]) == (None, None)


def test_builds_in_no_book_are_not_quiet(costs: Landscape) -> None:
    """They were killed, or have not ended."""
    plant_samples(costs, [START + n * MINUTE for n in range(6)])
    plant_builds(costs, [(START + 3.2 * MINUTE, START + 4 * MINUTE)])
    plant_statements(costs, "platform", 11, [(10, 1)] * 6)

    def told(column: str) -> dict[str, tuple[int, int]]:
        return {
            row["measure"]: (row[f"build_{column}"], row[f"quiet_{column}"])
            for row in rows(costs, "select * from operations.trading_impact")
        }

    def plant_session(application: str, number: int) -> None:
        costs.on_replica(
            "insert into signal_marts.observed_sessions"
            " (sample_id, side, application_name, sessions)"
            f" values ({FIRST + number}, 'replica', '{application}', 1)"
        )

    for number in range(6):
        plant_session("signal-marts watch", number)
    plant_session("dbt", 4)
    windows = {"statement": (1, 1), "all_statements": (1, 1), "lock_waits": (1, 2)}
    assert told("windows") == windows
    assert told("calls")["statement"] == (10, 30)
    plant_session("dbt", 1)
    assert told("windows") == windows
    assert told("calls")["statement"] == (10, 10)
    plant_session("dbt", 5)
    assert told("windows") == windows | {"lock_waits": (1, 1)}


def all_wait(connection: Connection, sessions: int) -> bool:
    """Whether so many sessions wait for an advisory lock."""
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    return connection.execute(waiting).fetchone() == (sessions,)


def test_sessions_that_really_wait_are_found(costs: Landscape) -> None:
    spans = []
    with costs.primary.connect() as keeper:
        for number in range(20):
            begun = datetime.now(UTC)
            waiting = [
                costs.primary.connect() for _ in range((number % 4 + 2) // 2 if number % 2 else 0)
            ]
            keeper.execute("select pg_advisory_xact_lock(7)")
            sessions = [each.__enter__() for each in waiting]
            for session in sessions:
                session.pgconn.send_query(b"select pg_advisory_xact_lock(7)")
            eventually(partial(all_wait, keeper, len(sessions)))
            take(costs)
            keeper.rollback()
            for session in sessions:
                session.close()
            if number % 2:
                spans.append((begun, datetime.now(UTC)))
    plant_builds(costs, spans)
    (row,) = rows(costs, "select * from operations.trading_impact where measure = 'lock_waits'")
    assert (row["build_windows"], row["quiet_windows"]) == (10, 10)
    assert (row["build_mean"], row["quiet_mean"]) == (1.5, 0)
    assert row["is_slower"] is True
