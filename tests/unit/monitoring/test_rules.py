"""Alert rules, the dashboard and the guides name metrics that exist, and all of them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import children
import pytest
import yaml

from runner.monitoring.catalogue import METRICS, NAMED, PARTS, PREFIX
from runner.settings import PROJECT

RULES = PROJECT / "deploy/prometheus/rules.yml"
TESTS = PROJECT / "deploy/prometheus/rules_test.yml"
DASHBOARD = json.loads((PROJECT / "deploy/grafana/signal-marts.json").read_text("utf-8"))
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool here; apt-get install prometheus"
)


def promtool(*arguments: str | Path) -> None:
    told = children.run(["promtool", *arguments], capture_output=True, text=True, seconds=120)
    assert told.returncode == 0, told.stdout + told.stderr


def metrics_in(expression: str) -> set[str]:
    """Names of metrics in an expression, as the catalogue has them."""
    found = re.findall(rf"\b{PREFIX}(\w+)", expression)
    return {re.sub(r"(?<=y_seconds|d_seconds)_(bucket|sum|count)$", "", name) for name in found}


def expressions() -> Iterator[tuple[str, str]]:
    """Expressions of the dashboard, as Prometheus gets them, with their panels."""
    for panel in PANELS:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            yield panel["title"], text


def test_alerts_are_on_metrics_that_exist() -> None:
    for name, rule in ALERTS.items():
        named = metrics_in(rule["expr"])
        assert named, name
        assert named <= NAMED.keys(), name
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        told = rule["annotations"]["summary"] + rule["annotations"]["description"]
        known = {label for metric in named for label in NAMED[metric].labels} | {"instance", "job"}
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= known, name
        assert rule["for"], name


def test_each_alert_is_tested_and_in_the_runbook() -> None:
    page = (PROJECT / "docs/runbook.md").read_text("utf-8")
    sections = dict(re.findall(r"^### (SignalMarts\w+)\n(.*?)(?=^##|\Z)", page, re.M | re.S))
    assert sections.keys() == ALERTS.keys()
    for name, section in sections.items():
        assert re.findall(r"^\*\*(.*?)\*\*:", section, re.M) == ["Symptom", "Cause and command"]
        assert "`" in section.split("Cause and command")[1], name
        url = f"docs/runbook.md#{name.lower()}"
        assert ALERTS[name]["annotations"]["runbook_url"] == url
    # Each fires in a test of its own, and is silent in it before; none fires in the first test.
    fired: set[str] = set()
    healthy, *others = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    assert all("exp_samples" not in check for check in healthy["promql_expr_test"])
    for test in others:
        first, *later = test["promql_expr_test"]
        assert "exp_samples" not in first
        fired |= set(re.findall(r'alertname="(\w+)"', str(later)))
    assert fired == ALERTS.keys()
    healthy_metrics = metrics_in(str(healthy["input_series"]))
    for name, rule in ALERTS.items():
        wanted = metrics_in(rule["expr"]) - {"advice_findings"}  # healthy: there is no series
        assert wanted <= healthy_metrics, name


def test_panels_show_metrics_that_exist() -> None:
    for title, expression in expressions():
        assert metrics_in(expression), title
        assert metrics_in(expression) <= NAMED.keys(), title
    for panel in PANELS:
        for target in panel["targets"]:
            (first, *_) = (NAMED[name] for name in sorted(metrics_in(target["expr"])))
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert legend <= {*first.labels, "instance"}, panel["title"]
    # All that is measured is shown.
    assert {name for _, text in expressions() for name in metrics_in(text)} == NAMED.keys()
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Trading", "Freshness", "Replication", "Money", "Models", "Storage"]
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {
        "${datasource}"
    }


def test_names_follow_the_conventions() -> None:
    for name, metric in NAMED.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert (metric.kind == "counter") == name.endswith("_total")
        assert not re.search(r"(percent|days|hours|minutes|milliseconds|kilobytes|count)$", name)
        assert metric.help.endswith(".")
        assert set(metric.labels) <= {
            *("part", "side", "result", "marts", "slot", "finding"),
            *("account", "currency", "model", "state"),
        }


def table() -> str:
    """The guide's table of metrics."""
    lines = ["| metric | labels | unit | says |", "|---|---|---|---|"]
    for source in ("reading", "watch", *PARTS):
        lines += [f"| **{source}** | | | |"]
        lines += [
            f"| `{each.full_name}` | {', '.join(each.labels)} | {each.unit} | {each.help} |"
            for each in METRICS[source]
        ]
    return "\n".join(lines)


def test_each_metric_is_in_the_guide() -> None:
    page = (PROJECT / "docs/monitoring.md").read_text("utf-8")
    assert table() in page, f"docs/monitoring.md: write this\n{table()}"


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", RULES)


@needs_promtool
def test_alerts_fire_and_are_silent() -> None:
    promtool("test", "rules", TESTS)


@needs_promtool
def test_promtool_parses_the_dashboards_queries(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"record": f"panel:{number}", "expr": text}
        for number, (_, text) in enumerate(expressions())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)
