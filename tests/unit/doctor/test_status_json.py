"""The output of ``status --json`` is JSON for any content of the databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.doctor.status import LastBuild, Mart, Replication, Status, as_json, missing_marts

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.timedeltas(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=5,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@settings(deadline=None)
@given(anything, anything, anything)
def test_status_is_json_whatever_rows_hold(one: Any, other: Any, third: Any) -> None:
    found = Status(
        migrations_on_disk=("0001",),
        migrations_pending=(),
        replication=Replication(None, None, other, (), (), ()),
        marts=(Mart("performance", "trades", one, other, third),),
        last_builds=(LastBuild(datetime(2025, 1, 1, tzinfo=UTC), other, True, 1, 0, ()),),
        rejected_rows={"public.trading_orders": 1},
        audit_findings={"high": 1},
        retrainings=(),
        problems=(third,),
    )
    told = json.loads(as_json(found), parse_constant=refuse)
    assert told["last_builds"][0]["started_at"] == "2025-01-01T00:00:00+00:00"


def test_marts_that_are_not_there_are_named() -> None:
    everything = missing_marts(())
    assert {"performance.trades", "operations.build_history"} <= set(everything)
    some = [
        Mart(schema, name, 0, None)
        for schema, _, name in (each.partition(".") for each in everything)
        if name != "trades"
    ]
    assert missing_marts(some) == ["performance.trades"]
