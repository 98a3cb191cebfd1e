"""The checks of ``make docs-check`` work: each planted fault is found, by its rule, on its
model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import pytest

from runner.settings import PROJECT

Manifest = dict[str, Any]
PROGRAMS = Path(sys.executable).parent


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return children.run(
        [str(PROGRAMS / program), *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """dbt's manifest of the project; no database is needed for it."""
    target = tmp_path_factory.mktemp("target")
    done = run("dbt", "parse", "--quiet", "--target-path", target, "--log-path", target)
    assert done.returncode == 0, done.stdout + done.stderr
    found: Manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    return found


def model(manifest: Manifest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest["nodes"][f"model.signal_marts.{name}"]
    return found


def without_tests(manifest: Manifest, name: str, *kinds: str) -> None:
    for key, node in [*manifest["nodes"].items()]:
        is_on = node.get("attached_node") == f"model.signal_marts.{name}"
        if is_on and node["test_metadata"]["name"] in kinds:
            del manifest["nodes"][key]


def without_unit_tests(manifest: Manifest, name: str) -> None:
    for key, test in [*manifest["unit_tests"].items()]:
        if test["model"] == name:
            del manifest["unit_tests"][key]


def without_exposures(manifest: Manifest, name: str) -> None:
    for exposure in manifest["exposures"].values():
        nodes = exposure["depends_on"]["nodes"]
        exposure["depends_on"]["nodes"] = [node for node in nodes if not node.endswith(f".{name}")]


def reads_a_source(manifest: Manifest, name: str) -> None:
    nodes = model(manifest, name)["depends_on"]["nodes"]
    nodes.append("source.signal_marts.platform.trading_orders")


def reads_a_mart(manifest: Manifest, name: str) -> None:
    model(manifest, name)["depends_on"]["nodes"].append("model.signal_marts.rl_progress")


def grants(manifest: Manifest, name: str) -> None:
    model(manifest, name)["config"]["grants"] = {"select": ["bi_reader"]}


def setting(*keys: str, to: object) -> Callable[[Manifest, str], None]:
    """Sets the value under the keys in a model, or in one of its columns."""

    def plant(manifest: Manifest, name: str) -> None:
        place = model(manifest, name)
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return plant


PATTERNS: dict[str, tuple[str, Callable[[Manifest, str], None]]] = {
    "check_model_description_contains_regexp_pattern": (
        "trades",
        setting("description", to="All the trades."),
    ),
    "check_model_column_description_populated": (
        "int_fills",
        setting("columns", "order_id", "description", to=""),
    ),
    "check_model_has_unique_test": (
        "rl_progress",
        lambda manifest, name: without_tests(manifest, name, "unique", "unique_combination"),
    ),
    "check_model_has_unit_tests": ("daily_performance", without_unit_tests),
    "check_model_has_contracts_enforced": (
        "model_skill",
        setting("contract", "enforced", to=False),
    ),
    "check_model_access": ("expert_weights", setting("access", to="protected")),
    "check_model_grant_privilege_required": (
        "ensemble_regret",
        setting("config", "grants", to={}),
    ),
    "check_model_grant_privilege": ("int_calendar", grants),
    "check_lineage_source_cannot_be_used": ("int_lots_closed", reads_a_source),
    "check_lineage_permitted_upstream_models": ("stg_ai__models", reads_a_mart),
    "check_model_names": ("int_windows", setting("name", to="windows")),
    "check_model_column_name_complies_to_column_type": (
        "signal_outcomes",
        setting("columns", "resolved_at", "data_type", to="text"),
    ),
    "check_model_has_exposure": ("training_runs", without_exposures),
}

SCORES: dict[str, tuple[str, Callable[[Manifest, str], None]]] = {
    "mart_has_a_group": ("genetic_progress", setting("group", to=None)),
    "mart_states_its_time_zone": (
        "spectrum_findings",
        setting("description", to="One row an analysis."),
    ),
    "column_says_when_it_is_null": (
        "signal_validation",
        lambda manifest, name: without_tests(manifest, name, "never_null"),
    ),
    # It has no macro of affected rows either.
    "model_follows_all_that_it_reads": ("int_fills", setting("meta", to={})),
    "model_follows_columns_that_are_there": (
        "trades",
        setting("meta", "follows", "int_lots_closed", to="opening_order_id, no_order"),
    ),
}


@pytest.fixture(scope="module")
def planted(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest that has every fault at once, each on a model of its own."""
    for name, plant in (*PATTERNS.values(), *SCORES.values()):
        plant(manifest, name)
    folder = tmp_path_factory.mktemp("planted")
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


def test_every_pattern_bites(planted: Path) -> None:
    config = (PROJECT / "dbt-bouncer.yml").read_text("utf-8")
    mine, results = planted / "dbt-bouncer.yml", planted / "results.json"
    mine.write_text(config.replace("target/docs-check", str(planted)), "utf-8")
    done = run("dbt-bouncer", "run", "--config-file", mine, "--output-file", results)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = {
        (each["check_run_id"].split(":")[0], (each["unique_id"] or "").split(".")[-1])
        for each in json.loads(results.read_text("utf-8"))
        if each["outcome"] == "failed"
    }
    assert {(check, name) for check, (name, _) in PATTERNS.items()} - failed == set()


def test_every_score_bites(planted: Path) -> None:
    done = run("dbt-score", "lint", "--manifest", planted / "manifest.json", "--format", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    failed = {
        (rule.split(".")[-1], item.split(".")[-1])
        for item, found in json.loads(done.stdout)["evaluables"].items()
        for rule, result in found["results"].items()
        if result["result"] == "WARN"
    }
    assert {(rule, name) for rule, (name, _) in SCORES.items()} - failed == set()
