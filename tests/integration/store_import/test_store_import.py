"""Old stores brought in on a real server: each row once, exactly, or rejected with the reason."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import gzip
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import children
import pyarrow
import pytest
import yaml
from ai_desk import AT, BAR, MODEL, SIGNAL, empty
from command_line import BIN, clean_environment
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from landscapes import Landscape, drop_landscape, make_landscape
from pyarrow import parquet

from runner.client import (
    AITradingIntegration,
    AsyncAITradingIntegration,
    ModelConflictError,
    RowsRefusedError,
)
from runner.client.pools import AsyncPools, Pools
from runner.client.records import Episode
from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT
from runner.store_import import Report, import_store

FORMATS = ("csv", "csv.gz", "sqlite", "parquet")
OLD = {"model_type": MODEL.model_type, "model_name": MODEL.model_name, "version": MODEL.version}
SIDES = {"long": "BUY", "short": "SELL", "flat": "HOLD"}
SIGNALS: dict[str, Any] = {
    "source": "old-listener",
    "destination": "ai_trading_signals",
    "key": "id",
    "timezone": "UTC",
    "nulls": ["nan"],
    "model": OLD,
    "columns": {
        "symbol": "ticker",
        "signal_type": {"column": "side", "values": SIDES},
        "confidence": "score",
        "created_at": "at",
        "expires_at": "until",
        "stop_loss": "stop",
        "take_profit": {"column": "take", "decimals": 8},
        "metadata": "notes",
    },
}  # fmt: skip
UNIX_AT = {"column": "at", "format": "unix"}
EPISODES: dict[str, Any] = {
    "source": "old-listener",
    "destination": "rl_training_episodes",
    "model": OLD,
    "timezone": "UTC",
    "columns": {
        "episode_number": "n",
        "total_reward": "reward",
        "episode_length": {"value": 10},
        "created_at": UNIX_AT,
        "portfolio_value": "worth",
    },
}
TRAINING: list[dict[str, Any]] = [
    EPISODES,
    EPISODES | {"destination": "genetic_generations", "columns": {
        "generation_number": "n", "best_fitness": "reward", "average_fitness": {"value": 0.5},
        "best_individual": {"value": {"gene": 1}}, "created_at": UNIX_AT,
    }},
    EPISODES | {"destination": "spectrum_analysis", "key": ["n", "at"], "columns": {
        "symbol": {"value": "X"}, "analysis_type": {"value": "wavelet"},
        "dominant_frequencies": "list", "created_at": UNIX_AT, "anomaly_score": "reward",
    }},
]  # fmt: skip


@pytest.fixture(scope="module")
def shared(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform that the tests of this file share; each begins with its tables empty."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    yield made
    drop_landscape(made)


@dataclass
class Desk:
    """A folder with an old store, and the primary that it is brought to."""

    landscape: Landscape
    pools: Pools
    folder: Path

    def write(self, rows: Sequence[Mapping[str, Any]], format_: str = "csv") -> Path:
        path = self.folder / f"store.{format_}"
        path.unlink(missing_ok=True)
        write_store(path, rows, format_)
        return path

    def bring(self, source: Path, mapping: Mapping[str, Any]) -> Report:
        if source.suffix == ".sqlite":
            mapping = {**mapping, "table": "old"}
        (self.folder / "m.yml").write_text(yaml.safe_dump(mapping))
        report = import_store(
            source, self.folder / "m.yml", self.pools,
            rejects=self.folder / "rejects", advance=lambda *_: None,
        )  # fmt: skip
        assert report.read == report.stored + report.already_there + report.rejected
        assert report.rejected == len(self.rejects())
        return report

    def rejects(self) -> list[dict[str, Any]]:
        path = self.folder / "rejects"
        return [json.loads(x) for x in path.read_text().splitlines()] if path.exists() else []

    def look(self, statement: str) -> list[tuple[Any, ...]]:
        return self.landscape.on_primary(statement)


def write_store(path: Path, rows: Sequence[Mapping[str, Any]], format_: str) -> None:
    """The same rows in one of the formats; all of them have the same columns."""
    columns = list(rows[0])
    if format_.startswith("csv"):
        opened = gzip.open if format_ == "csv.gz" else open
        with opened(path, "wt", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
    elif format_ == "sqlite":
        connection = sqlite3.connect(path)
        connection.execute(f"create table old ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        with connection:
            connection.executemany(
                f"insert into old values ({marks})",
                [[_plain(row[name]) for name in columns] for row in rows],
            )
        connection.close()
    else:
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, row_group_size=7)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, datetime | Decimal) else value


@pytest.fixture
def desk(shared: Landscape, tmp_path: Path) -> Iterator[Desk]:
    forget(shared)
    with Pools(shared.primary) as pools:
        yield Desk(shared, pools, tmp_path)


def forget(landscape: Landscape) -> None:
    landscape.on_primary("delete from ai_imported_records")
    empty(landscape)


def old_signal(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "ticker": "BTCUSD",
        "side": "long",
        "score": 0.75,
        "at": AT + timedelta(minutes=number),
        "until": AT + timedelta(hours=4, minutes=number),
        "stop": 99.5,
        "take": 103.25,
        "notes": '{"edge": 0.5}',
    } | changes


CONTENT = (
    "select model_name, symbol, signal_type, confidence, price_target, stop_loss, take_profit,"
    " metadata, status, trade_plan_id, idempotency_key, expires_at, s.created_at, s.updated_at"
    " from ai_trading_signals as s join ai_models as m on m.id = s.model_id"
    " order by idempotency_key"
)


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


# --- once ---------------------------------------------------------------------------------------


def test_what_was_imported_is_not_imported_again(desk: Desk) -> None:
    rows = [old_signal(n) for n in range(5)]
    assert desk.bring(desk.write(rows), SIGNALS) == Report(5, 5, 0, 0)
    before = desk.look("select * from ai_trading_signals order by id")
    # The store went on; it holds a row twice, and one that was changed in it.
    rows += [old_signal(5), old_signal(5), old_signal(6), old_signal(6, score=0.5)]
    rows[2] = old_signal(2, score=0.125)
    assert desk.bring(desk.write(rows), SIGNALS) == Report(9, 2, 5, 2)
    assert {each["reason"] for each in desk.rejects()} == {
        "the row was imported before with other values, which stay"
    }
    assert sorted(each["row"] for each in desk.rejects()) == [3, 9]
    assert desk.look("select * from ai_trading_signals order by id limit 5") == before
    # A deleted row is imported again; a row of another source is another row.
    desk.look("delete from ai_trading_signals where idempotency_key = 'import/old-listener/4'")
    assert desk.bring(desk.write(rows), SIGNALS) == Report(9, 1, 6, 2)
    assert desk.bring(desk.write(rows), SIGNALS | {"source": "other"}).stored == 7


def test_what_the_module_wrote_itself_stays(desk: Desk) -> None:
    module = AITradingIntegration(desk.pools)
    model_id = module.register_model(MODEL)
    module.store_episode(model_id, Episode(1, 2.5, 100, None, None, None, AT))
    key = "import/old-listener/1"
    module.store_ai_signal(replace(SIGNAL, model_id=model_id, idempotency_key=key))
    rows = [{"n": n, "reward": 0.5, "at": 1_700_000_000, "worth": None} for n in (1, 2)]
    for _ in range(2):
        desk.bring(desk.write(rows), EPISODES)
        assert [each["row"] for each in desk.rejects()] == [1]
        assert "the table holds one that is not of this source" in desk.rejects()[0]["reason"]
    assert desk.look("select total_reward from rl_training_episodes order by 1") == [(0.5,), (2.5,)]
    assert desk.bring(desk.write([old_signal(1), old_signal(2)]), SIGNALS) == Report(2, 1, 0, 1)
    assert desk.look("select count(*) from ai_imported_records") == [(2,)]


def test_rows_that_refer_to_nothing(desk: Desk) -> None:
    desk.look(
        "insert into micro_patterns (id, symbol, timeframe, pattern_type, signal, confidence,"
        " strength, created_at) values (7, 'X', '1h', 'flag', 'BUY', 0.5, 0.5, now())"
    )
    rows = [old_signal(n, pattern=7 if n % 10 else 8, state="EXECUTED") for n in range(40)]
    rows[5]["state"] = "DONE"
    rows[6]["pattern"] = -1
    columns = SIGNALS["columns"] | {"pattern_id": "pattern", "status": "state"}
    report = desk.bring(desk.write(rows), SIGNALS | {"columns": columns})
    assert report == Report(40, 34, 0, 6)
    reasons = {each["row"]: each["reason"] for each in desk.rejects()}
    assert reasons.keys() == {1, 6, 7, 11, 21, 31}
    assert "pattern_id" in reasons[11]
    assert reasons[6] == "signal: status 'DONE' is not one of ACTIVE, EXECUTED, EXPIRED"
    assert reasons[7] == "signal: pattern_id -1 is not an id"
    assert desk.look("select distinct pattern_id, status from ai_trading_signals") == [
        (7, "EXECUTED")
    ]


def test_models_of_rows(desk: Desk) -> None:
    AITradingIntegration(desk.pools).register_model(replace(MODEL, version="3"))
    rows = [old_signal(n, algo=algo) for n, algo in enumerate(["1", "2", "3", "", "1"])]
    model = {
        "model_type": {"value": "genetic_optimization"}, "model_name": MODEL.model_name,
        "version": {"column": "algo"}, "config": {"note": "retired"},
    }  # fmt: skip
    report = desk.bring(desk.write(rows), SIGNALS | {"model": model})
    assert report == Report(5, 3, 0, 2)
    found = desk.look("select version, config from ai_models where config ? 'note' order by 1")
    assert found == [("1", {"note": "retired"}), ("2", {"note": "retired"})]
    reasons = [each["reason"] for each in desk.rejects()]
    assert "is registered as sparse_spectrum" in reasons[0]
    assert "version None is missing in column algo" in reasons[1]


def test_an_import_makes_no_model_active_again(desk: Desk) -> None:
    module = AITradingIntegration(desk.pools)
    id_ = module.register_model(MODEL)
    found = "select id, is_active, config, updated_at from ai_models"
    desk.look("update ai_models set is_active = false")
    retired = desk.look(found)
    model = OLD | {"config": {"note": "of the import"}}
    assert desk.bring(desk.write([old_signal(1)]), SIGNALS | {"model": model}).stored == 1
    assert desk.look(found) == retired
    # A module that starts again does.
    assert module.register_model(MODEL) == id_
    assert desk.look("select is_active from ai_models") == [(True,)]


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


# --- killed, and together -----------------------------------------------------------------------


def command(desk: Desk, *arguments: str) -> list[str]:
    return [str(BIN / "signal-marts"), "import", *arguments, "--rejects", str(desk.folder / "r")]


def environment(desk: Desk) -> dict[str, str]:
    return clean_environment(
        PRIMARY_URL=desk.landscape.primary.url,
        REPLICA_URL=desk.landscape.replica.url,
        PGPASSFILE=os.environ["PGPASSFILE"],
    )


def stored(desk: Desk) -> int:
    count: int = desk.look("select count(*) from ai_trading_signals")[0][0]
    return count


def test_killed_anywhere_it_goes_on(desk: Desk) -> None:
    total = 12_000
    rows = [old_signal(n) for n in range(total)]
    for number in (10, 5_000, total - 1):
        rows[number]["side"] = "?"
    source = desk.write(rows)
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    arguments = (str(source), "--mapping", str(desk.folder / "m.yml"), "--json")
    for share in (1, 4_000, 8_000):
        process = children.Popen(
            command(desk, *arguments), env=environment(desk), stderr=subprocess.DEVNULL
        )
        while process.poll() is None and stored(desk) < share:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert share <= stored(desk) < total - 3
        assert not (desk.folder / "r").exists()
    there = stored(desk)
    done = children.run(command(desk, *arguments), env=environment(desk), capture_output=True)
    assert done.returncode == 6
    assert json.loads(done.stdout) == {
        "read": total, "stored": total - 3 - there, "already_there": there, "rejected": 3,
        "rejects": str(desk.folder / "r"),
    }  # fmt: skip
    assert desk.look(
        "select count(*), count(distinct created_at), max(created_at) from ai_trading_signals"
    ) == [(total - 3, total - 3, AT + timedelta(minutes=total - 2))]
    assert len((desk.folder / "r").read_text().splitlines()) == 3


def test_two_imports_of_one_store_at_once(desk: Desk) -> None:
    source = desk.write([old_signal(n) for n in range(6_000)])
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    both = [
        children.Popen(
            [
                *command(desk, str(source), "--mapping", str(desk.folder / "m.yml"), "--json")[:-1],
                str(desk.folder / f"r{number}"),
            ],
            env=environment(desk),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    reports = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(report["stored"] for report in reports) == stored(desk) == 6_000
    assert sum(report["already_there"] for report in reports) == 6_000


def test_the_command_says_what_is_wrong(desk: Desk) -> None:
    source = desk.write([old_signal(1)])

    def told(**env: str) -> tuple[int, str]:
        done = children.run(
            command(desk, str(source), "--mapping", str(desk.folder / "m.yml")),
            env=environment(desk) | env, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stderr

    assert told()[0] == 2
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    code, text = told(PRIMARY_URL="postgresql://127.0.0.1:1/x")
    assert (code, stored(desk)) == (3, 0)
    assert "cannot connect to the primary at 127.0.0.1:1/x" in text
    assert "Traceback" not in text
    with (desk.folder / "r.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        code, text = told()
    assert (code, stored(desk)) == (5, 0)
    assert "another import is writing" in text
    assert told()[0] == 0


# --- the guide ----------------------------------------------------------------------------------


def test_the_example_of_the_guide(desk: Desk) -> None:
    text = (PROJECT / "docs" / "import.md").read_text()
    blocks = dict(re.findall(r"`([\w.-]+)`[^\n]*:\n\n```\w*\n(.*?)```", text, re.S))
    for name, body in blocks.items():
        (desk.folder / name).write_text(body)
    done = children.run(
        [str(BIN / "signal-marts"), "import", "old.csv", "--mapping", "old-signals.yml"],
        env=environment(desk), cwd=desk.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    shown = re.search(r"prints:\n\n```\n(.*?)```", text, re.S)
    assert shown is not None
    assert done.stdout == shown[1]
    assert stored(desk) == 3
    assert (desk.folder / "old.csv.rejects.jsonl").read_text() in text
