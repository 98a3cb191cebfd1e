"""A mapping of an old store, its rows, and the check of a file by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from runner.store_import import Report, import_store

MAPPING: dict[str, Any] = {
    "source": "old",
    "destination": "ai_trading_signals",
    "key": "id",
    "model": {"model_type": "sparse_spectrum", "model_name": "m", "version": "1"},
    "columns": {
        "symbol": "symbol",
        "signal_type": {"column": "side", "values": {"long": "BUY", "1": "SELL"}},
        "confidence": {"column": "score", "default": "0.5"},
        "created_at": {"column": "at", "timezone": "UTC"},
    },
}
HEADER = "id,symbol,side,score,at\n"
ROW = "1,BTCUSD,long,0.25,2024-01-01 10:00\n"


def changed(place: str, value: object) -> dict[str, Any]:
    """The mapping with another value at a dotted place; None takes it out."""
    made: dict[str, Any] = json.loads(json.dumps(MAPPING))
    *parents, last = place.split(".")
    section = made
    for name in parents:
        section = section[name]
    if value is None:
        del section[last]
    else:
        section[last] = value
    return made


def check(folder: Path, content: str | bytes, mapping: object = MAPPING) -> Report:
    """Check a CSV store's rows without a database."""
    source = folder / "store.csv"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "m.yml").write_text(yaml.safe_dump(mapping))
    return import_store(
        source, folder / "m.yml", None, rejects=folder / "rejects", advance=lambda *_: None
    )


def rejects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rejects").read_text().splitlines()]
