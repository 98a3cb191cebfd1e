"""Training sets on real servers: what was known at a moment, and nothing that came later."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from landscapes import Landscape
from market_rows import BEGIN
from pyarrow import parquet
from random_market import RandomMarket

from runner.cli import cli
from runner.errors import UsageError

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(900),
]

MARTS = ("+signal_outcomes", "+price_bars", "path:models/staging")
MODEL = "model 0"


def cut(landscape: Landscape, at: datetime) -> None:
    """Delete from the primary what was not known at a moment."""
    moment = f"timestamptz '{at.isoformat()}'"
    for statement in (
        "delete from ai_trading_signals"
        f" where greatest(created_at, coalesce(imported_at, created_at)) > {moment}",
        f"delete from trading_orders where created_at > {moment}",
        "update trading_orders set filled_at = null, filled_quantity = null, filled_price = null"
        f" where filled_at > {moment}",
        "update trading_orders set trade_plan_id = null where trade_plan_id in"
        f" (select id from trade_plans where created_at > {moment})",
        f"delete from trade_plans where created_at > {moment}",
        f"delete from micro_patterns where created_at > {moment}",
        "delete from market_bars where opened_at + case timeframe when '30m' then interval '30"
        " minutes' when '4h' then interval '4 hours' when '1d' then interval '24 hours'"
        f" else interval '1 hour' end > {moment}",
    ):
        landscape.on_primary(statement)


def written(path: Path, at: datetime, model: str = MODEL) -> dict[str, Any]:
    done = CliRunner().invoke(
        cli,
        [
            *("training-set", "--model", model, "--output", str(path)),
            *("--as-of", at.isoformat()),
        ],
    )
    if done.exception is not None:
        raise done.exception
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def contents(path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


def test_later_rows_change_no_earlier_set(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    landscape.deploy()
    with pytest.raises(UsageError, match="no marts to read yet"):
        written(tmp_path / "none.parquet", BEGIN)
    with landscape.primary.connect(autocommit=True) as connection:
        market = RandomMarket(connection, Random(8))
        market.begin()
        for _ in range(400):
            market.change()
    landscape.build(tmp_path / "target", *MARTS)
    with pytest.raises(UsageError, match="there is no model nobody"):
        written(tmp_path / "none.parquet", BEGIN, "nobody")
    with pytest.raises(UsageError, match="cannot write"):
        written(tmp_path / "no" / "folder.parquet", BEGIN)

    moments = [BEGIN.replace(day=day, hour=9, tzinfo=UTC) for day in (4, 3, 2)]
    before = [written(tmp_path / f"{at:%d}.parquet", at) for at in moments]
    assert {"signal", "plan", "pattern", "bar"} == before[0]["rows"].keys()
    for at, told in zip(moments, before, strict=True):
        file = parquet.ParquetFile(told["file"])
        rows = file.read().to_pylist()
        assert len(rows) == sum(told["rows"].values())
        assert file.metadata.metadata[b"sha256"].decode() == told["sha256"]
        assert all(row["available_at"] <= at for row in rows)
        assert all(row["resolved_at"] is None or row["resolved_at"] <= at for row in rows)
        assert all(row["outcome"] is None or row["resolved_at"] is not None for row in rows)
    assert len({told["sha256"] for told in before}) == 3
    assert written(tmp_path / "again.parquet", moments[0])["sha256"] == before[0]["sha256"]

    for at, told in zip(moments, before, strict=True):
        cut(landscape, at)
        landscape.build(tmp_path / "target", *MARTS)
        after = written(tmp_path / "cut.parquet", at)
        assert contents(after["file"]) == contents(told["file"])
        assert after["sha256"] == told["sha256"]
    assert not list(tmp_path.glob(".*.partial"))
