"""Ids of rows are drawn: a module inserts none of its own, and none is given out twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from ai_desk import AT, MODEL, SIGNAL
from landscapes import Landscape
from limited_rows import insertion

from runner.client import AITradingIntegration, StoreError
from runner.client.records import Episode, Generation, SpectrumResult
from runner.deploy import id_sequences
from runner.doctor import examine
from runner.doctor.status import status
from runner.servers.database import Connection


def test_a_module_inserts_no_id_that_was_not_drawn(primary: Connection) -> None:
    # Nobody may give a stage or an edit an id.
    nobodys = ("ai_model_stages", "ai_signal_edits")
    tables = [name for name in id_sequences.tables(primary) if name not in nobodys]
    primary.execute("set local role ai_writer")
    for table in tables:
        changes = {"model_id": "1"} if table != "ai_models" else {}
        for id_ in ("(9e18)::bigint", "0", "-1"):
            with (
                pytest.raises(psycopg.errors.GeneratedAlways, match="was not drawn"),
                primary.transaction(),
            ):
                primary.execute(insertion(primary, table, changes | {"id": id_}))
    (row,) = primary.execute("select reserve_ai_ids('spectrum_analysis', 1)").fetchall()
    (model,) = primary.execute("select register_ai_model('sparse_spectrum', 'm', '1')").fetchall()
    primary.execute(
        insertion(primary, "spectrum_analysis", {"id": str(row[0]), "model_id": str(model[0])})
    )


STORES: Mapping[str, Callable[[AITradingIntegration, int], int]] = {
    "rl_training_episodes": lambda module, model_id: module.store_episode(
        model_id, Episode(7, 2.5, 1, 0.1, Decimal("1.5"), None, AT, {"a": 1e-7})
    ),
    "genetic_generations": lambda module, model_id: module.store_generation(
        model_id, Generation(7, 2.5, 1.0, None, {"a": [1]}, AT)
    ),
    "spectrum_analysis": lambda module, model_id: module.store_spectrum_result(
        model_id, SpectrumResult("X", "fourier", ({"a": 1.0},), None, None, AT)
    ),
    "ai_trading_signals": lambda module, model_id: module.store_ai_signals(
        [replace(SIGNAL, model_id=model_id)]
    )[0],
}


@pytest.mark.parametrize("table", STORES)
def test_an_id_that_somebody_else_has_is_drawn_anew(
    shared: Landscape, module: AITradingIntegration, table: str
) -> None:
    mine = module.register_model(MODEL)
    other = module.register_model(replace(MODEL, model_name="other"))
    in_the_way(shared, table, other, 2)
    id_ = STORES[table](module, mine)
    assert shared.on_primary(f"select model_id from {table} where id = {id_}") == [(mine,)]
    assert shared.on_primary(f"select count(*) from {table}") == [(3,)]


def test_a_sequence_that_lags_is_noticed_and_mended(
    shared: Landscape, module: AITradingIntegration
) -> None:
    mine = module.register_model(MODEL)
    other = module.register_model(replace(MODEL, model_name="other"))
    for table, store in STORES.items():
        in_the_way(shared, table, other, 20)
        with pytest.raises(StoreError, match="run signal-marts deploy"):
            store(module, mine)
    with pytest.raises(StoreError, match="run signal-marts deploy"):
        module.store_ai_signal(replace(SIGNAL, model_id=mine))
    lagging = [f for f in examine(shared.primary, shared.replica) if f.check == "ids"]
    assert {f.level for f in lagging} == {"wrong"}
    assert len(lagging) == len(STORES)
    problems = status(shared.primary, shared.replica).problems
    assert sum("will give out again" in problem for problem in problems) == len(STORES)
    assert sum("set past id" in change for change in shared.deploy()) == len(STORES)
    for store in STORES.values():
        store(module, mine)
    assert shared.deploy() == []


def in_the_way(landscape: Landscape, table: str, model_id: int, count: int) -> None:
    """Rows of another model under the ids that come next, as only an owner can insert them."""
    last: Any
    ((sequence,),) = landscape.on_primary(f"select pg_get_serial_sequence('{table}', 'id')")
    ((last,),) = landscape.on_primary(
        f"select coalesce(pg_sequence_last_value('{sequence}'::regclass), 0)"
    )
    for number in range(1, count + 1):
        changes = {"id": str(last + number), "model_id": str(model_id)}
        numbered = {"rl_training_episodes": "episode_number"} | {
            "genetic_generations": "generation_number"
        }
        if table in numbered:
            changes[numbered[table]] = str(number)
        with landscape.primary.connect() as connection:
            connection.execute(insertion(connection, table, changes))
