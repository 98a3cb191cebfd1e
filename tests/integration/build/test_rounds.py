"""Rounds without dbt: the same rows, only changed ones, and models left to dbt."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from drills import read_project, wait
from full_builds import FullBuild
from landscapes import Landscape
from mortal_servers import landscape_on
from random_market import RandomMarket

from runner.build import builds, transform
from runner.build.rounds import Rounds
from runner.demo.embedded import EmbeddedPair
from runner.servers import role_logins

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

pytestmark = pytest.mark.timeout(1200)  # builds in full, which another worker may record first


class Built:
    """A landscape whose models dbt has built once, and rounds on it."""

    def __init__(self, landscape: Landscape, project: Manifest, target: Path) -> None:
        self.landscape = landscape
        self.project = project
        self.target = target
        self.full_build = FullBuild(of="landscape_on")
        self.names = [n.name for id_, n in project.nodes.items() if id_.startswith("model.")]

    def change(self, seed: int, number: int = 40) -> None:
        with self.landscape.primary.connect(autocommit=True) as connection:
            market = RandomMarket(connection, Random(seed))
            if seed == 1:
                market.begin()
            for _ in range(number):
                market.change()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[dict[str, str]]:
        wait(self.landscape)
        with builds.frozen(self.landscape.replica, timeout=60) as environment:
            yield {**environment, "SIGNAL_MARTS_KEEP_STATEMENTS": "1"}

    def dbt(self, *select: str, schema_prefix: str | None = None) -> transform.Build:
        with self.frozen() as environment:
            built = transform.build(
                environment,
                advance=lambda done, total, at: None,
                select=select,
                tests=False,
                target=self.target,
                schema_prefix=schema_prefix,
                full_refresh=schema_prefix is not None,
                project=self.project if schema_prefix is None else None,
            )
        assert not built.failures, built.failures
        return built

    def round(self, *names: str) -> tuple[dict[str, str], list[str]]:
        """The status of each model that was built, and those that were left to dbt."""
        builder = role_logins.as_role(self.landscape.replica, "transformer")
        with (
            self.frozen() as environment,
            builder.connect(autocommit=True) as book,
            Rounds(builder, self.project) as rounds,
        ):
            moment = environment["SIGNAL_MARTS_MOMENT"]
            built, left = rounds.build(names or self.names, moment=moment, book=book)
        return {node.name: node.status for node in built.nodes}, left

    def differing(self) -> dict[str, tuple[int, int]]:
        wait(self.landscape)
        return self.full_build.differing(
            self.landscape.replica, lambda: self.dbt(schema_prefix="full")
        )


@pytest.fixture(scope="module")
def built(own_pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    target = tmp_path_factory.mktemp("target")
    with landscape_on(own_pair) as landscape:
        landscape.deploy()
        read_project(landscape.replica, target)
        project = transform.parse(landscape.replica.environment(), target=target)
        made = Built(landscape, project, target)
        made.change(1)
        made.dbt()
        yield made


def test_rounds_equal_a_full_build_and_do_only_what_is_needed(built: Built) -> None:
    for seed in (2, 3):
        built.change(seed)
        statuses, left = built.round()
        assert set(statuses.values()) == {"success"}
        assert left == []
    # Staging is built whenever it is selected; nothing else is, as nothing changed.
    statuses, left = built.round()
    assert all(name.startswith("stg_") for name in statuses)
    assert left == []
    history = built.landscape.on_replica(
        "select distinct command, build_mode from operations.build_history where command = 'watch'"
    )
    assert history == [("watch", "changes")]
    built.landscape.on_primary("update ai_models set is_active = not is_active where id = 1")
    wait(built.landscape)
    statuses, _ = built.round()
    assert "int_fills" not in statuses
    assert built.differing() == {}


def test_what_is_kept_is_of_no_single_build(built: Built) -> None:
    """Rows of the future are judged by the newest token, and no text has what it was made with."""
    builds_so_far = {
        str(build_id)
        for (build_id,) in built.landscape.on_replica("select build_id from changes.builds")
    }
    kept = [
        "".join(node["statements"].values())
        for node in built.project.flat_graph["nodes"].values()
        if "statements" in node
    ]
    for text in kept:
        assert "transaction snapshot" not in text
        assert not [build_id for build_id in builds_so_far if build_id in text]
        assert not re.search(r"\b20[2-9]\d-\d\d-\d\d \d\d:\d\d", text)
    built.landscape.on_primary(
        "insert into micro_patterns"
        " (symbol, timeframe, pattern_type, confidence, signal, created_at)"
        " values ('BTCUSD', '1h', 'of the future', 0.5, 'BUY', now() + interval '3 days')"
    )
    built.round()
    assert built.landscape.on_replica(
        "select count(*) from changes.rejected_rows where usable_from > now()"
    ) == [(1,)]
    assert built.landscape.on_replica(
        "select count(*) from staging.stg_platform__micro_patterns"
        " where pattern_type = 'of the future'"
    ) == [(0,)]


def test_what_is_to_be_built_in_full_is_left_to_dbt(built: Built) -> None:
    built.change(4)
    built.landscape.on_primary("update genetic_generations set best_fitness = best_fitness + 1")
    wait(built.landscape)
    built.landscape.on_replica("drop table intermediate.int_fills_matched_in_plan")
    built.landscape.on_replica(
        "update changes.relations set definition = 'older'"
        " where relation = 'training.genetic_progress'"
    )
    statuses, left = built.round()
    assert set(statuses.values()) == {"success"}
    assert {"int_fills_matched_in_plan", "genetic_progress"} <= set(left)
    assert not statuses.keys() & set(left)
    # Models that read such a model are left as well.
    assert "trades" in left
    built.dbt(*left)
    assert built.round()[1] == []
    assert built.differing() == {}


def test_a_model_that_fails_takes_only_what_stands_on_it(built: Built) -> None:
    built.change(5)
    built.landscape.on_replica(
        "alter table intermediate.int_fills add constraint never check (false) not valid"
    )
    built.landscape.on_primary(
        "update trading_orders set quantity = quantity + 1, filled_quantity = filled_quantity + 1"
    )
    statuses, left = built.round()
    assert statuses["int_fills"] == "error"
    assert statuses["int_fills_matched_in_plan"] == statuses["trades"] == "skipped"
    assert statuses["stg_platform__trading_orders"] == "success"
    assert left == []
    told = built.landscape.on_replica(
        "select message like '%never%' from operations.build_history"
        " where node_name = 'int_fills' and status = 'error'"
    )
    assert told == [(True,)]
    built.landscape.on_replica("alter table intermediate.int_fills drop constraint never")
    assert set(built.round()[0].values()) == {"success"}
    assert built.differing() == {}


def test_a_model_that_is_wrong_is_told_alone(built: Built) -> None:
    """Models below it differ as well, and follow their parents."""
    node = built.project.flat_graph["nodes"]["model.signal_marts.int_fills"]
    statements = node["statements"]
    wrong = statements["apply"].replace(
        "filled_quantity as quantity", "cast(1 as numeric(38, 18)) as quantity"
    )
    assert wrong != statements["apply"]
    node["statements"] = {**statements, "apply": wrong}
    built.landscape.on_primary(
        "update trading_orders set quantity = quantity + 2, filled_quantity = filled_quantity + 2"
        " where filled_quantity > 0"
    )
    statuses, left = built.round()
    assert set(statuses.values()) == {"success"}
    assert left == []
    node["statements"] = statements
    assert built.differing().keys() == {"intermediate.int_fills"}
