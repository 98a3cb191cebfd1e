"""Keeps a search among the training records, as a retired version that never decides."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from runner.client import AITradingIntegration
from runner.client.records import Generation, Model
from runner.servers.database import Connection, scalar
from runner.tuning.search import Tuning

MODEL = "ensemble_settings"


def record(primary: Connection, tuning: Tuning, evidence: dict[str, Any]) -> str:
    """Store the generations and the evidence in one transaction; return the version's name.

    The version is retired before a day begins, so it is never an expert that decides.
    """
    with primary.transaction():
        integration = AITradingIntegration.inside(primary)
        at: datetime = scalar(primary, "select clock_timestamp()").astimezone(UTC)
        version = at.isoformat(timespec="microseconds")
        model_id = integration.register_model(
            Model("genetic_optimization", MODEL, version, {"found": asdict(tuning.found)}), at=at
        )
        integration.store_generations(
            model_id,
            [
                Generation(generation_number=number, created_at=at, **generation)
                for number, generation in enumerate(tuning.generations, start=1)
            ],
        )
        primary.execute(
            "select public.set_ai_model_stage(%s, 'retired', %s, %s)",
            (model_id, "a search of settings: it gives no signals", Jsonb(evidence)),
        )
    return version
