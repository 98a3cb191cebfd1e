"""No model is built from parents of different builds: a selection is widened, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drills import wait, waits_for_lock
from histories import Histories, build, place_order, plain_build

from runner.build import builds, transform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from landscapes import Landscape

pytestmark = pytest.mark.timeout(600)

ORDERS, FILLS = "stg_platform__trading_orders", "int_fills"
LOTS = (
    "int_fills_left_by_plans",
    "int_fills_matched_in_plan",
    "int_fills_matched_in_symbol",
    "int_lots_closed",
)
MATCHES = (
    "int_orders_matched_as_of",
    "int_orders_matched_by_key",
    "int_orders_matched_in_plan",
)


def add_order(history: Histories) -> None:
    place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
    wait(history.landscape)


def test_a_selection_is_widened(history: Histories) -> None:
    """By the models above it that are older than what they read, and by no others."""

    def added(*select: str, exclude: Sequence[str] = ()) -> set[str]:
        history.told.clear()
        build(history, *select, exclude=exclude)
        if not history.told:
            return set()
        (line,) = history.told
        told, _, names = line.partition(" that they read: ")
        models = names.split(", ")
        number = "1 model" if len(models) == 1 else f"{len(models)} models"
        assert told == f"also builds {number}"
        return set(models)

    # Nothing was built yet, then one thing, then all.
    assert added("int_fills_matched_in_plan") == {ORDERS, FILLS}
    assert added(FILLS) == set()
    assert added("int_fills_left_by_plans") == set()
    build(history)
    assert added("source_performance") == set()

    add_order(history)
    # A model of staging reads what is new of itself, and what nobody selected stays as it was.
    assert added(ORDERS) == set()
    assert added("int_fills_matched_in_symbol") == {FILLS, *LOTS[:2]}
    assert added("int_lots_closed") == {"int_orders_attributed", *MATCHES}
    assert added("trades") == set()

    # Landing rows that came, and models that a selected one may change.
    add_order(history)
    assert added("order_attribution") == {ORDERS, *MATCHES, "int_orders_attributed"}
    add_order(history)
    assert added(ORDERS, "int_orders_attributed") == set(MATCHES)
    assert added(ORDERS, "int_orders_attributed") == set(MATCHES)

    # What is left out, and needed; what is lost.
    add_order(history)
    assert added(exclude=[FILLS, "order_attribution"]) == {FILLS}
    history.landscape.on_replica("drop table intermediate.int_fills cascade")
    assert added("int_open_positions") == {
        *(FILLS, *LOTS),
        # Their parents were built in full.
    }
    # Copied anew, and on a server that counts other transactions.
    history.landscape.on_replica(
        "update changes.relations set landing_system = 1"
        " where relation = 'staging.stg_ai__genetic_generations'"
    )
    assert added("genetic_progress") == {"stg_ai__genetic_generations"}
    assert added("genetic_progress") == set()
    history.compare()


def test_what_is_added_is_tested(landscape: Landscape, tmp_path: Path) -> None:
    """As what is selected is, but for excluded tests."""

    def tested(select: str, *exclude: str) -> str:
        built = builds.build(
            landscape.primary,
            landscape.replica,
            fence_timeout=60,
            advance=lambda done, total, at: None,
            select=[select],
            exclude=exclude,
            target=tmp_path,
        )
        assert built.failures == ()
        return " ".join(node.id for node in built.nodes if node.kind == "test")

    landscape.deploy()
    assert tested("order_attribution", "test_type:data") == ""
    found = tested("rl_progress")
    assert "_stg_ai__rl_training_episodes_" in found
    assert "_rl_progress_" in found


def test_a_plain_dbt_refuses_older_parents(history: Histories) -> None:
    """Asked behind the locks: what a model waited for may have made its other parents older."""

    def run(*select: str) -> str:
        """What dbt without the runner's moment says of models that fail, in this process."""
        built = transform.build(
            history.landscape.replica.environment(),
            advance=lambda done, total, at: None,
            select=select,
            target=history.folder,
            tests=False,
            project=history.project(),
        )
        return " ".join(" ".join(node.message.split()) for node in built.failures)

    add_order(history)
    build(history)
    before = attributed(history)
    add_order(history)
    refused = [run(ORDERS, "int_orders_attributed"), run("daily_performance")]
    assert all(refused)
    told = " ".join(refused)
    for needed in (
        "int_orders_attributed needs intermediate.int_orders_matched_as_of,"
        " intermediate.int_orders_matched_by_key, intermediate.int_orders_matched_in_plan,"
        " not built since what it reads changed",
        "signal-marts build --select int_orders_attributed builds that too,"
        " and so does dbt build --select +int_orders_attributed",
        # A mart that is built whole, from models far above it.
        "daily_performance needs intermediate.int_fills, intermediate.int_orders_attributed,",
    ):
        assert needed in told
    assert attributed(history) == before
    # All that it reads is of one build, though others below that are older.
    assert run(FILLS) == ""
    assert run("+int_orders_attributed") == ""
    assert attributed(history) == before + 1
    # A model that changed nothing makes none older.
    assert run(ORDERS, "int_orders_attributed") == ""

    add_order(history)
    with history.landscape.replica.connect() as blocker:
        blocker.execute(f"lock table staging.{ORDERS}")
        both = [plain_build(history, blocker, model) for model in (ORDERS, "int_orders_attributed")]
        assert waits_for_lock(blocker, '"model.signal_marts.int_orders_attributed"')
    assert [each.wait() for each in both] == [0, 1]
    assert attributed(history) == before + 1
    history.compare()


def attributed(history: Histories) -> int:
    ((count,),) = history.landscape.on_replica(
        "select count(*)::integer from intermediate.int_orders_attributed"
    )
    assert isinstance(count, int)
    return count
