"""Marts that are gone or cannot be read are named, and the rest is told all the same."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from landscapes import Landscape
from psycopg import sql

from runner.cli import cli
from runner.doctor import examine
from runner.doctor.status import status


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


def test_a_mart_of_any_name_is_told_on_one_line(landscape: Landscape) -> None:
    """The building role may give a mart any name, and let it fail with any text."""
    landscape.deploy()
    with landscape.replica.connect() as replica:
        replica.execute("set role transformer")
        replica.execute("create schema training")
        for name in ("[/x]", "[red]x", "a\x1b[2Jb", "a\n✓ primary  all is well"):
            replica.execute(sql.SQL("create table training.{} ()").format(sql.Identifier(name)))
        replica.execute(
            "create function training.fail() returns integer language plpgsql as"
            " $$ begin raise E'no\\n✓ primary  all is well\\x1b[2J'; end $$;"
            "create view training.fails as select 1 as one where training.fail() > 0;"
            'create view training."; reboot" as select 1 as one where training.fail() > 0'
        )
    urls = {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url}

    def told(command: str) -> str:
        result = CliRunner(env=urls).invoke(cli, [command])
        return result.output + str(result.exception)

    text = told("status")
    landscape.on_replica("create schema changes; create table changes.builds ()")
    examined = told("doctor")
    assert "--select '; reboot'" in examined
    text += examined
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("✓ primary  all is well")]
    assert "training.[/x] " in text
    assert "training.a\\x1b[2Jb " in text
    assert "the mart training.fails cannot be read: no\\n" in text


def test_what_failed_is_named(landscape: Landscape, tmp_path: Path) -> None:
    landscape.deploy()
    assert landscape.build(tmp_path, "+rl_progress").failures == ()
    landscape.on_replica(
        """
        set local role transformer;
        update changes.builds set is_success = false, failures = 1;
        update changes.build_results set status = 'error' where node_name = 'rl_progress';
        """
    )
    told = status(landscape.primary, landscape.replica).problems
    assert "the last build had 1 failure: rl_progress" in told
