"""The views of the platform on the replica: made once, made anew where they differ, and ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from landscapes import Landscape

from runner.platform.roles import ROLES
from runner.replication.mapped import ForeignSchemaError
from runner.settings import PROJECT


def test_a_second_deploy_makes_no_view(landscape: Landscape) -> None:
    made = [line for line in landscape.deploy() if "view mapped." in line]
    assert len(made) == len(ROLES)
    assert landscape.deploy() == []


def test_a_view_that_is_gone_or_another_is_made_again(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_replica("drop view mapped.trade_plans cascade")
    landscape.on_replica("drop view mapped.trading_stats_changes")
    landscape.on_replica("comment on view mapped.micro_patterns is 'mine'")
    expected = {
        f"replica: view mapped.{name} made as platform.yml says"
        for name in ("trade_plans", "trading_stats", "micro_patterns")
    }
    assert set(landscape.deploy()) == expected


def test_another_file_makes_the_views_that_differ(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape.deploy()
    text = (PROJECT / "platform.yml").read_text("utf-8")
    file = tmp_path / "other.yml"
    file.write_text(text.replace("    fee: fee\n", "    fee: 2 * fee\n"), "utf-8")
    monkeypatch.setenv("SIGNAL_MARTS_PLATFORM", str(file))
    assert landscape.deploy() == ["replica: view mapped.trading_orders made as other.yml says"]
    copies = "select table_name from signal_marts.copies order by id desc limit 1"
    assert landscape.on_replica(copies) == [("mapped.trading_orders",)]


def test_a_readers_rights_count(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_replica("create role nosy; grant usage on schema mapped to nosy")
    landscape.on_replica("grant select on mapped.trading_orders to nosy")
    try:
        with pytest.raises(Exception, match="permission denied for table trading_orders"):
            landscape.on_replica("set role nosy; select count(*) from mapped.trading_orders")
    finally:
        landscape.on_replica("drop owned by nosy; drop role nosy")


def test_a_schema_of_somebody_elses_is_refused(landscape: Landscape) -> None:
    landscape.on_replica("create role squatter; create schema mapped authorization squatter")
    try:
        with pytest.raises(ForeignSchemaError, match="schema mapped belongs to squatter"):
            landscape.deploy()
    finally:
        landscape.on_replica("drop schema mapped cascade; drop role squatter")
