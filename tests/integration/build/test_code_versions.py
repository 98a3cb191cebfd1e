"""Rows match the present code: models that an edit or an upgrade changes are rebuilt."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from comparison import differing_models
from drills import read_project_for_builds, running, wait
from landscapes import Landscape
from random_market import RandomMarket

from runner.build import builds, transform
from runner.build.lineage import Lineage
from runner.settings import PROJECT

AFFECTED = "macros/affected/int_orders_matched_as_of.sql"
DEFINITION = "macros/changes/model_definition.sql"
SECONDS = "macros/seconds_between.sql"
SHARES = "macros/share_of_amount.sql"
SELECT = ("+trades", "+int_open_positions", "+rl_progress")

# As it was before a digest of what is rendered: of the model's own text.
OLD_DEFINITION = """\
{% macro model_definition() -%}
    {{ return(local_md5(model.raw_code)) }}
{%- endmacro %}
"""


class Project:
    """A copy of the dbt project that is edited and built."""

    def __init__(self, landscape: Landscape, folder: Path) -> None:
        self.landscape = landscape
        self.path = folder / "project"
        self.target = folder / "target"
        for name in ("models", "macros", "tests/dbt"):
            shutil.copytree(PROJECT / name, self.path / name)
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(PROJECT / name, self.path / name)

    def edit(self, name: str, *replaced: str) -> None:
        """Replace a text of a file by another, or all of it."""
        text = (self.path / name).read_text()
        *old, new = replaced
        assert all(part in text for part in old)
        (self.path / name).write_text(text.replace(old[0], new) if old else new)

    def restore(self, name: str) -> None:
        shutil.copy(PROJECT / name, self.path / name)

    def build(self, schema_prefix: str | None = None) -> set[str]:
        """Build the selection, and return the names of the models that were built in full."""
        built = self.run(SELECT, schema_prefix)
        assert built.failures == ()
        return self.full(built.id) if schema_prefix is None else set()

    def run(self, select: Sequence[str], schema_prefix: str | None = None) -> transform.Build:
        wait(self.landscape)
        with (
            pytest.MonkeyPatch.context() as patch,
            builds.frozen(self.landscape.replica, timeout=60) as environment,
        ):
            patch.setattr(transform, "PROJECT", self.path)
            return transform.build(
                environment,
                advance=lambda done, total, at: None,
                select=select,
                # dbt reads anew where another prefix was used in a folder.
                target=self.target / (schema_prefix or "ours"),
                tests=False,
                schema_prefix=schema_prefix,
                full_refresh=schema_prefix is not None,
            )

    def full(self, build_id: str) -> set[str]:
        rows = self.landscape.on_replica(
            "select relation from changes.build_results as results"
            " inner join changes.relations on node_name = split_part(relation, '.', 2)"
            f" where build_mode = 'full' and build_id = '{build_id}'"
        )
        return {str(name) for (name,) in rows}

    def lineage(self) -> Callable[..., set[str]]:
        """Tells of models that were built: these, and all that stand on them."""
        environment = self.landscape.replica.environment()
        lineage = Lineage(transform.parse(environment, target=self.target / "lineage"))
        built = self.built()

        def below(*names: str) -> set[str]:
            found = {*lineage.live_below(set(names)), *lineage.rest_below(set(names))}
            return {name for name in built if name.split(".")[1] in found}

        return below

    def built(self) -> set[str]:
        rows = self.landscape.on_replica("select relation from changes.relations")
        return {str(name) for (name,) in rows}

    def differing(self) -> dict[str, tuple[int, int]]:
        """What a full refresh by the same code has otherwise."""
        self.build(schema_prefix="full")
        with self.landscape.replica.connect() as replica:
            return differing_models(replica, "full")


@pytest.fixture
def project(landscape: Landscape, tmp_path: Path) -> Project:
    landscape.deploy()
    return Project(landscape, tmp_path)


def change(landscape: Landscape, seed: int) -> None:
    with landscape.primary.connect(autocommit=True) as connection:
        market = RandomMarket(connection, Random(seed))
        market.begin()
        for _ in range(40):
            market.change()


@pytest.mark.timeout(600)
def test_an_upgrade_leaves_no_row_of_the_older_code(project: Project) -> None:
    """An older release whose macros were wrong, one of them only about which rows are affected."""
    project.edit(DEFINITION, OLD_DEFINITION)
    project.edit(SHARES, "{%- endmacro %}", " + 1{%- endmacro %}")
    project.edit(AFFECTED, "{% endmacro %}", "limit 0{% endmacro %}")
    change(project.landscape, 1)
    project.build()
    change(project.landscape, 2)
    assert project.build() == set()
    fees = "select sum(fees) from performance.trades"
    older = project.landscape.on_replica(fees)

    for name in (DEFINITION, SHARES, AFFECTED):
        project.restore(name)
    assert project.build() == project.built()
    assert project.landscape.on_replica(fees) != older
    assert project.differing() == {}
    # dbt of another process comes to the same digests.
    folder = project.target / "again"
    read_project_for_builds(project.landscape.replica, folder)
    select = [f"--select={each}" for each in SELECT]
    models_alone = ("--exclude", "resource_type:test")
    with running(project.landscape, "build", *select, *models_alone, target=folder) as again:
        assert again.finish()[0] == 0
    newest = project.landscape.on_replica(
        "select build_id from changes.builds order by started_at desc limit 1"
    )
    assert project.full(str(newest[0][0])) == set()


@pytest.mark.timeout(600)
def test_an_edit_builds_anew_what_renders_otherwise(project: Project) -> None:
    change(project.landscape, 1)
    project.build()
    below = project.lineage()
    rounds: tuple[tuple[tuple[tuple[str, str, str], ...], set[str]], ...] = (
        # Written otherwise, and the same.
        (
            (
                (SHARES, "{#", "{# Said in other words. #}\n{#"),
                (SHARES, "{%- endmacro %}", "{{- '' }}{%- endmacro %}"),
            ),
            set(),
        ),
        # Which rows are affected, and a variable.
        (
            (
                (AFFECTED, "{% endmacro %}", "limit 9{% endmacro %}"),
                ("dbt_project.yml", "reward_window_episodes: 20", "reward_window_episodes: 21"),
            ),
            below("intermediate.int_orders_matched_as_of", "training.rl_progress"),
        ),
        # Models call it, and other macros that models call.
        (
            ((SECONDS, "{%- endmacro %}", " + 0{%- endmacro %}"),),
            below(
                *("staging.stg_ai__trading_signals", "intermediate.int_orders_matched_as_of"),
                *("intermediate.int_orders_attributed", "training.rl_progress"),
                "intermediate.int_timeframes",
            ),
        ),
        # What keeps the books.
        ((("macros/changes/hold_versions.sql", "'60s'", "'61s'"),), project.built()),
    )
    for edits, expected in rounds:
        for edit in edits:
            project.edit(*edit)
        assert project.build() == expected, edits


@pytest.mark.timeout(600)
def test_what_a_model_follows_is_told_where_it_is_wrong(project: Project) -> None:
    """In a full build already; what only the database knows, from changes."""

    def failure(*select: str) -> str:
        (failed,) = project.run(select).failures
        return f"{failed.name}: {failed.message}"

    lots, fills = (
        "models/intermediate/lots/int_lots_closed.sql",
        "models/intermediate/lots/int_fills.sql",
    )
    project.edit(lots, ", by='order_id', keys='buy_order_id'", "")
    project.edit(fills, "'follows':", "'follow':")
    assert "int_fills: say in its meta what it follows, or write a macro affected_int_fills" in (
        failure("+int_fills")
    )
    project.restore(fills)
    assert "int_lots_closed does not follow int_fills by columns alone" in failure(
        "+int_lots_closed"
    )
    project.restore(lots)

    # A column of the rows that refer to the changed one, which is none of its own. Beside it, the
    # guide's model.
    project.edit(
        "models/marts/training/rl_progress.sql",
        "'model_id', keys=",
        "'model_id', of='episode_number', keys=",
    )
    guide = (PROJECT / "docs/change-capture.md").read_text()
    (example,) = re.findall(r"^```sql\n(-- Grain: a closed lot, .*?)^```$", guide, re.M | re.S)
    added = project.path / "models/intermediate/lots/int_lot_statuses.sql"
    added.write_text(example)
    change(project.landscape, 1)
    project.build()
    assert project.run(["+int_lot_statuses"]).failures == ()
    change(project.landscape, 2)
    statuses = "update trading_orders set status = 'CANCELLED' where id % 2 = 0"
    project.landscape.on_primary(statuses)
    built = project.run(["+int_lot_statuses"])
    assert (built.failures, project.full(built.id)) == ((), set())
    assert project.landscape.on_replica(
        "select * from intermediate.int_lot_statuses order by 1, 2"
    ) == (
        project.landscape.on_replica(
            "select opening_order_id, closing_order_id, order_status"
            " from intermediate.int_lots_closed inner join staging.stg_platform__trading_orders"
            " on opening_order_id = order_id order by 1, 2"
        )
    )
    assert 'column "episode_number" does not exist' in failure("+rl_progress")
