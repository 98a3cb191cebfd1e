"""The Superset dashboards know the marts: their columns exist and are in dbt's lineage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from runner.settings import PROJECT

EXPORT = PROJECT / "bi/superset/export"


def documents(folder: Path, pattern: str) -> list[dict[str, Any]]:
    found = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.rglob(pattern))]
    assert found
    return found


DATASETS = {each["uuid"]: each for each in documents(EXPORT / "datasets", "*.yaml")}
CHARTS = {each["uuid"]: each for each in documents(EXPORT / "charts", "*.yaml")}


def test_datasets_are_the_marts_as_their_contracts_say() -> None:
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
    decimals = str(variables["money_decimals"])
    marts = {
        model["name"]: {
            each["name"]: re.sub(
                r"{{ env_var\('\w+', '(\w+)'\) }}",
                r"\1",
                each["data_type"].replace("{{ var('money_decimals') }}", decimals),
            )
            for each in model["columns"]
        }
        for file in documents(PROJECT / "models/marts", "*.yml")
        for model in file.get("models", ())
    }
    for dataset in DATASETS.values():
        name = dataset["table_name"]
        columns = {each["column_name"]: each["type"].lower() for each in dataset["columns"]}
        assert columns == marts[name], name


def test_charts_read_columns_of_their_dataset() -> None:
    for chart in CHARTS.values():
        columns = {each["column_name"] for each in DATASETS[chart["dataset_uuid"]]["columns"]}
        params = chart["params"]
        metrics = [*params.get("metrics", []), *([params["metric"]] if "metric" in params else [])]
        expressions = [each["sqlExpression"] for each in (*metrics, *params["adhoc_filters"])]
        words = {
            word
            for each in expressions
            for word in re.findall(r"[a-z_]+(?!\()\b", re.sub(r"'[^']*'", "", each))
        }
        named = {*params.get("groupby", []), *params.get("all_columns", []), params.get("x_axis")}
        assert (words | named) - {None} <= columns, chart["slice_name"]


def test_filters_read_columns_of_their_dataset() -> None:
    filters = [
        each
        for board in documents(EXPORT / "dashboards", "*.yaml")
        for each in board["metadata"].get("native_filter_configuration", ())
    ]
    assert {each["name"] for each in filters} >= {"Currency", "Account"}
    for each in filters:
        for target in each["targets"]:
            columns = DATASETS[target["datasetUuid"]]["columns"]
            names = {column["column_name"] for column in columns}
            assert target["column"]["name"] in names, each["name"]


def test_dashboards_show_every_chart_once() -> None:
    shown = [
        each["meta"]["uuid"]
        for board in documents(EXPORT / "dashboards", "*.yaml")
        for each in board["position"].values()
        if isinstance(each, dict) and each["type"] == "CHART"
    ]
    assert sorted(shown) == sorted(CHARTS)


def test_the_lineage_knows_what_the_dashboards_read() -> None:
    (exposure,) = [
        each
        for each in yaml.safe_load((PROJECT / "models/exposures.yml").read_text("utf-8"))[
            "exposures"
        ]
        if each["name"] == "superset"
    ]
    read = {f"ref('{dataset['table_name']}')" for dataset in DATASETS.values()}
    assert set(exposure["depends_on"]) == read
