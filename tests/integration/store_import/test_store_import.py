"""Old stores brought in on a real server: each row once, exactly, or rejected with the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from landscapes import Landscape
from old_store_desk import (
    CONTENT,
    FORMATS,
    SIDES,
    SIGNALS,
    TRAINING,
    Desk,
    desk_in,
    forget,
    old_signal,
)
from pyarrow import parquet

from runner.client import (
    AITradingIntegration,
    AsyncAITradingIntegration,
    ModelConflictError,
    RowsRefusedError,
)
from runner.client.pools import AsyncPools, Pools
from runner.store_import import Report


@pytest.fixture
def desk(shared: Landscape, tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path, shared) as desk:
        yield desk


# --- what is stored -----------------------------------------------------------------------------


def test_an_old_signal_keeps_its_past(desk: Desk) -> None:
    source = desk.write([old_signal(1)])
    assert desk.bring(source, SIGNALS) == Report(1, 1, 0, 0)
    at = AT + timedelta(minutes=1)
    assert desk.look(CONTENT) == [
        (
            "listener", "BTCUSD", "BUY", 0.75, None, Decimal("99.5"), Decimal("103.25"),
            {"edge": 0.5}, "EXPIRED", None, "import/old-listener/1", at + timedelta(hours=4),
            at, at,
        )
    ]  # fmt: skip
    assert desk.look(
        "select table_name, source_name, record_key from ai_imported_records"
        " join ai_trading_signals as s on s.id = record_id"
    ) == [("ai_trading_signals", "old-listener", "1")]


LANDED = {
    "ai_trading_signals": ("stg_ai__trading_signals", "signal_id"),
    "rl_training_episodes": ("stg_ai__rl_training_episodes", "episode_id"),
    "genetic_generations": ("stg_ai__genetic_generations", "generation_id"),
    "spectrum_analysis": ("stg_ai__spectrum_analyses", "analysis_id"),
}


def test_nobody_here_knew_it_before_it_came(desk: Desk) -> None:
    module = AITradingIntegration(desk.pools)
    own = module.store_ai_signal(replace(SIGNAL, model_id=module.register_model(MODEL)))
    (before,) = desk.look("select clock_timestamp()")
    desk.bring(desk.write([old_signal(1)]), SIGNALS)
    old = {"n": 1, "reward": 0.5, "at": 1_700_000_000, "worth": None, "list": "[]"}
    for mapping in TRAINING:
        assert desk.bring(desk.write([old]), mapping).stored == 1
    (after,) = desk.look("select clock_timestamp()")
    models = [model for model, _ in LANDED.values()]
    assert desk.landscape.build(desk.folder / "target", *models).failures == ()
    for table, (staged, id_) in LANDED.items():
        known = desk.landscape.on_replica(
            f"select {id_}, created_at, available_at from staging.{staged} order by 1"
        )
        if table == "ai_trading_signals":
            assert known.pop(0) == (own, SIGNAL.created_at, SIGNAL.created_at)
        assert desk.look(f"select id, created_at, imported_at from {table} where id <> {own}") == (
            known
        )
        assert [before < (row[2],) < after for row in known] == [True]


values = st.fixed_dictionaries(
    {
        "ticker": st.sampled_from(["BTCUSD", "", "Ü€𝄞", 'a,"b"\nc', "x" * 101]),
        "side": st.sampled_from(["long", "short", "flat", "up", ""]),
        "score": st.floats(-0.25, 1.25) | st.sampled_from([0.0, 1.0, 5e-324, float("nan")]),
        "at": st.datetimes(datetime(1970, 6, 1), datetime(2200, 6, 1)),
        "until": st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
        "stop": st.none() | st.floats(0, 1e12) | st.decimals(0, 100, places=8).map(float),
        "take": st.none() | st.floats(0, 1e12),
        "notes": st.none()
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
            st.none() | st.booleans() | st.integers(-(2**70), 2**70)
            | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
            max_size=2,
        ).map(json.dumps) | st.sampled_from(["[]", "{", "", "null", '{"a": NaN}']),
    }
)  # fmt: skip


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(values, min_size=1, max_size=20))
def test_any_rows_are_the_same_from_every_format(
    shared: Landscape, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    rows = [{"id": n, **row} for n, row in enumerate(rows)]
    # Parquet tells the type of a column from its values.
    rows.append(old_signal(len(rows), at=datetime(2024, 1, 1), until=datetime(2024, 1, 2)))
    found = []
    # A pool of its own: its threads draw at random, which hypothesis would take for its own.
    with Pools(shared.primary) as pools:
        desk = Desk(shared, pools, tmp_path)
        for format_ in FORMATS:
            forget(shared)
            report = desk.bring(desk.write(rows, format_), SIGNALS)
            assert report.read == len(rows)
            found.append((report, [each["row"] for each in desk.rejects()], desk.look(CONTENT)))
    assert found[0] == found[1] == found[2] == found[3]
    # The stored rows equal the store's rows.
    for _, symbol, kind, confidence, _, stop, _, _, _, _, key, _, at, _ in found[0][2]:
        row = rows[int(key.rpartition("/")[2])]
        assert (symbol, kind) == (row["ticker"], SIDES[row["side"]])
        assert confidence == row["score"]
        assert at == row["at"].replace(tzinfo=UTC)
        assert (None if stop is None else float(stop)) == row["stop"]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_destination(desk: Desk, format_: str) -> None:
    rows: list[dict[str, Any]] = [
        {"n": n, "reward": n / 2, "at": 1_700_000_000 + n, "worth": 100.5, "list": "[]"}
        for n in range(3)
    ]
    rows.append(rows[0] | {"n": 3, "list": '[{"period": 12.5}]', "at": -1})
    source = desk.write(rows, format_)
    for mapping in TRAINING:
        # The last one is of 1969.
        assert desk.bring(source, mapping) == Report(4, 3, 0, 1)
        assert desk.bring(source, mapping) == Report(4, 0, 3, 1)
    assert desk.look("select episode_number, total_reward, portfolio_value, extract(epoch from "
        "created_at)::bigint from rl_training_episodes order by 1") == [
        (n, n / 2, Decimal("100.5"), 1_700_000_000 + n) for n in range(3)
    ]  # fmt: skip
    assert desk.look(
        "select count(*), min(best_individual ->> 'gene') from genetic_generations"
    ) == [(3, "1")]
    assert desk.look("select count(distinct created_at) from spectrum_analysis") == [(3,)]
    assert desk.look("select model_name, version, count(*) over () from ai_models") == [
        ("listener", "1", 1)
    ]


def test_bars(desk: Desk) -> None:
    names = ("symbol", "timeframe", "opened_at", "open", "high", "low", "close", "volume")
    bars = [replace(BAR, opened_at=AT + timedelta(hours=n)) for n in (0, 1, 2, 2)]
    rows = [{name: getattr(bar, name) for name in names} for bar in bars]
    rows.append(rows[0] | {"low": Decimal(200)})
    mapping = {
        "source": "old", "destination": "market_bars", "columns": {name: name for name in names},
    }  # fmt: skip
    assert desk.bring(desk.write(rows), mapping) == Report(5, 3, 1, 1)
    assert desk.bring(desk.write(rows), mapping) == Report(5, 0, 4, 1)
    assert desk.look("select count(*) from market_bars") == [(3,)]


def test_values_that_parquet_alone_can_hold(desk: Desk) -> None:
    nanoseconds = pyarrow.array([AT.timestamp() * 1e9, 1], pyarrow.int64())
    table = pyarrow.table(
        {
            "id": pyarrow.array([1, 2]),
            "ticker": pyarrow.array(["X", "Y"]).dictionary_encode(),
            "side": ["long", "flat"],
            "score": pyarrow.array([0.5, 0.25], pyarrow.float32()),
            "at": nanoseconds.cast(pyarrow.timestamp("ns", "Asia/Tokyo")),
            "until": pyarrow.array([None, None], pyarrow.date32()),
            "stop": pyarrow.array([Decimal("99.12345678"), None], pyarrow.decimal128(20, 8)),
            "take": [None, None],
            "notes": [{"edge": 0.5, "tags": ["a"]}, None],
        }
    )
    path = desk.folder / "store.parquet"
    parquet.write_table(table, path, coerce_timestamps=None)
    assert desk.bring(path, SIGNALS) == Report(2, 1, 0, 1)
    assert "finer than microseconds" in desk.rejects()[0]["values"]["at"]
    assert desk.look("select created_at, stop_loss, metadata from ai_trading_signals") == [
        (AT, Decimal("99.12345678"), {"edge": 0.5, "tags": ["a"]})
    ]


# --- with asyncio -------------------------------------------------------------------------------


def test_asyncio_imports_as_well(desk: Desk) -> None:
    asyncio.run(import_with_asyncio(desk))
    assert desk.look(
        "select generation_number, imported_at > created_at from genetic_generations order by 1"
    ) == [(1, True), (2, True)]


async def import_with_asyncio(desk: Desk) -> None:
    async with AsyncPools(desk.landscape.primary) as pools:
        module = AsyncAITradingIntegration(pools)
        model_id = await module.import_model(MODEL)
        assert await module.import_model(MODEL) == model_id

        def entry(number: int, model_id: int = model_id) -> str:
            row = {
                "model_id": model_id, "generation_number": number, "best_fitness": 2,
                "average_fitness": 1, "best_individual": {}, "created_at": AT.isoformat(),
            }  # fmt: skip
            return json.dumps({"key": f"{number}", "row": row})

        def bring(*entries: str) -> Awaitable[dict[str, str]]:
            return module.import_rows("genetic_generations", "old", entries)

        told = await asyncio.gather(*(bring(entry(1)) for _ in range(5)))
        assert sorted(each["1"] for each in told) == ["already there"] * 4 + ["stored"]
        # All of a call, or none.
        with pytest.raises(RowsRefusedError, match="import 2 rows of old: "):
            await bring(entry(2), entry(3, model_id=999_999))
        assert await bring(entry(2), entry(1)) == {"2": "stored", "1": "already there"}
        with pytest.raises(ModelConflictError, match="is registered as"):
            await module.import_model(replace(MODEL, model_type="genetic_optimization"))
