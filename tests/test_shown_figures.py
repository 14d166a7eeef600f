"""Figures have one table: the code's. The documentation, the alert rules and the dashboard name no other ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from position_monitor.core.publication.alerts import AlertKind
from position_monitor.core.publication.metrics import METRICS, PREFIX, Kind

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "position-monitor.rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "position-monitor.json"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
NAMES = {one.full_name for one in METRICS if one.kind is not Kind.HISTOGRAM} | {
    one.full_name + part for one in METRICS if one.kind is Kind.HISTOGRAM for part in ("_bucket", "_sum", "_count")
}
LABELS = {one.full_name: {"account", *one.labels} for one in METRICS}


def named(expression: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}\w+", expression))


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    return [
        target["expr"] for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] for target in panel["targets"]
    ]


def test_the_table_of_the_documentation_is_the_one_of_the_code() -> None:
    table = re.findall(rf"^\| `({PREFIX}\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", OPERATIONS, re.MULTILINE)
    wanted = [(m.full_name, str(m.kind), ", ".join(f"`{label}`" for label in m.labels), m.meaning) for m in METRICS]
    assert table == wanted


def test_every_kind_of_alert_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (?:yes|no) \|$", OPERATIONS, re.MULTILINE)
    assert rows == [str(kind) for kind in AlertKind]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_rule_names_figures_and_labels_that_exist(rule: dict[str, Any]) -> None:
    assert named(rule["expr"]) and named(rule["expr"]) <= NAMES
    for name, selector in re.findall(rf"\b({PREFIX}\w+)\{{(.*?)\}}", rule["expr"]):
        assert set(re.findall(r"(\w+)\s*=", selector)) <= LABELS[name]
    assert rule["labels"]["severity"] in ("page", "ticket") and set(rule["annotations"]) == {"summary", "description"}


def test_promtool_takes_the_rules() -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed")
    assert subprocess.run([promtool, "check", "rules", str(RULES)], check=False, capture_output=True).returncode == 0


def test_the_dashboard_has_what_grafana_needs_and_shows_every_figure() -> None:
    document = json.loads(DASHBOARD.read_text("utf-8"))
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(document)
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))
    for panel in document["panels"]:
        assert panel["title"] and panel["type"] and {"x", "y", "w", "h"} == set(panel["gridPos"]) and panel["targets"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    used = {name for expression in expressions() for name in named(expression)}
    assert used <= NAMES
    shown = {name.removesuffix("_bucket") for name in used}
    assert {one.full_name for one in METRICS} - shown == {f"{PREFIX}last_cycle_timestamp_seconds"}


def test_the_check_of_names_sees() -> None:
    assert named("rate(position_monitor_nosuch_total[5m]) > 0") - NAMES == {"position_monitor_nosuch_total"}
