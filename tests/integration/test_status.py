"""Marts that are gone or cannot be read are named, and the rest is told all the same."""

from __future__ import annotations

from pathlib import Path

from conftest import Landscape

from runner.doctor import examine
from runner.status import status


def test_marts_that_are_gone_or_cannot_be_read(landscape: Landscape, tmp_path: Path) -> None:
    landscape.deploy()
    built = landscape.build(tmp_path, "+rl_progress", "+trades")
    assert built.failures == ()
    landscape.on_replica(
        """
        set local role transformer;
        drop table performance.trades;
        create schema if not exists ensemble;

        create table ensemble.expert_weights as
        select timestamptz '294276-12-31' as available_at;

        create table ensemble.ensemble_regret as select timestamptz '-infinity' as available_at;

        create view ensemble.signal_confluence as
        select now() + n / (n - 1) * interval '1 hour' as available_at
        from generate_series(1, 2) as n;

        create table ensemble.signal_validation as
        select timestamptz '2025-01-01Z' as available_at;
        """
    )
    found = status(landscape.primary, landscape.replica)
    (missing,) = (each for each in found.problems if each.startswith("marts that are not there"))
    assert "performance.trades" in missing
    assert "training.rl_progress" not in missing
    troubles = {f"{mart.schema}.{mart.name}": mart.trouble for mart in found.marts if mart.trouble}
    assert set(troubles) == {
        "ensemble.expert_weights",
        "ensemble.ensemble_regret",
        "ensemble.signal_confluence",
    }
    assert "timestamp too large" in str(troubles["ensemble.expert_weights"])
    assert "division by zero" in str(troubles["ensemble.signal_confluence"])
    for name in troubles:
        assert any(f"the mart {name} cannot be read" in each for each in found.problems)
    (fine,) = (mart for mart in found.marts if mart.name == "signal_validation")
    assert (fine.rows, fine.trouble) == (1, None)

    doctor = examine(landscape.primary, landscape.replica)
    told = " ".join(each.text for each in doctor if each.check == "marts")
    assert "performance.trades" in told
    assert all(name in told for name in troubles)
