"""Old stores of every format, and a desk that brings them to a deployed platform."""

from __future__ import annotations

import csv
import gzip
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import yaml
from ai_desk import AT, MODEL, empty
from command_line import BIN, clean_environment
from landscapes import Landscape
from pyarrow import parquet

from runner.client.pools import Pools
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


@contextmanager
def desk_in(folder: Path, landscape: Landscape) -> Iterator[Desk]:
    """A desk on a deployed platform, whose AI tables are empty."""
    forget(landscape)
    with Pools(landscape.primary) as pools:
        yield Desk(landscape, pools, folder)


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
