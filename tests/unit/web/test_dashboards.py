"""deploy/: dashboards and rules ask only for what is told, and every alert is tried and documented."""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from promql import grouped_labels, matched_labels, metric_names
from ruamel.yaml import YAML

from rulebot.narrate.snapshot import BotActivity
from rulebot.web.metrics.samples import LIVE, METRICS, OVER, Kind, series

ROOT = Path(__file__).parents[3]
DEPLOY, PAGE = ROOT / "deploy", ROOT / "docs" / "metrics.md"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
OF_PROMETHEUS = frozenset(("up", "ALERTS"))
OF_SCRAPES = frozenset(("job", "instance", "le", "alertname", "alertstate"))


@cache
def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml(DEPLOY / "prometheus" / "rules.yml")["groups"] for rule in group["rules"]]


class Query(NamedTuple):
    where: str
    text: str


def queries() -> Iterator[Query]:
    for path in DASHBOARDS:
        for panel in panels(path):
            yield from (Query(f"{path.name}: {panel['title']}", each["expr"]) for each in panel.get("targets", ()))
        for variable in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", "")):
                yield Query(f"{path.name}: {variable['name']}", found[1])
    yield from (Query(rule["alert"], rule["expr"]) for rule in alerts())
    for test in yaml(DEPLOY / "prometheus" / "rules.test.yml")["tests"]:
        yield from (Query(test["name"], each["series"]) for each in test["input_series"])


QUERIES = tuple(queries())


def test_names_are_found_in_queries() -> None:
    query = 'sum by (bot, le) (rate(a_total{bot="x{y}", job=~"$j"}[5m])) / on(job) b:c offset 1h > 1.5e9 and time() > 2'
    assert metric_names(query) == {"a_total", "b:c"}
    assert matched_labels(query) == [("a_total", "bot"), ("a_total", "job")]
    assert grouped_labels(query) == {"bot", "le", "job"}


def test_there_is_something_to_look_at() -> None:
    assert [path.stem for path in DASHBOARDS] == ["connection", "orders", "overview"]
    assert len(QUERIES) > 100


def test_only_metrics_that_exist_are_asked_for() -> None:
    known = series() | OF_PROMETHEUS
    assert {(each.where, name) for each in QUERIES for name in metric_names(each.text) - known} == set()
    assert [each for each in QUERIES if not metric_names(each.text)] == []


def test_only_labels_that_they_have_are_asked_for() -> None:
    labels = {name: OF_SCRAPES | set(metric.labels) for metric in METRICS.values() for name in metric.series}
    labels |= dict.fromkeys(OF_PROMETHEUS, OF_SCRAPES)
    for each in QUERIES:
        assert [pair for pair in matched_labels(each.text) if pair[1] not in labels[pair[0]]] == [], each
        known = frozenset().union(*(labels[name] for name in metric_names(each.text)))
        assert grouped_labels(each.text) <= known, each


def test_only_states_that_there_are_are_asked_for() -> None:
    asked = {"state": {each.value for each in BotActivity}, "status": {*LIVE, *OVER}, "purpose": {"entry", "exit"}}
    for each in QUERIES:
        for label, words in re.findall(r'\b(state|status|purpose)=~?"([^"$]*)"', each.text):
            assert set(words.split("|")) <= asked[label], each


def test_every_metric_is_shown_or_judged_somewhere() -> None:
    used = {name for each in QUERIES for name in metric_names(each.text)}
    spare = {"rulebot_engine_info", "process_virtual_memory_bytes"}
    assert {metric.name for metric in METRICS.values() if not used & set(metric.series)} == spare


def test_counters_are_asked_for_how_they_rise() -> None:
    counters = {name for metric in METRICS.values() if metric.kind is not Kind.GAUGE for name in metric.series}
    for each in QUERIES:
        if each.where in {rule["alert"] for rule in alerts()} and "{" in each.text and "instance=" in each.text:
            continue  # a series of a test
        for name in metric_names(each.text) & counters:
            if not each.text.startswith(name):
                assert re.search(rf"(rate|increase)\({name}\b", each.text), each


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_that_grafana_takes(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["uid"] == f"rulebot-{path.stem}"
    assert board["schemaVersion"] >= 36
    assert board["templating"]["list"][0]["type"] == "datasource"
    names = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", path.read_text(encoding="utf-8"))) - {"__all"} <= names
    found = panels(path)
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["targets"]
            assert len({each["refId"] for each in panel["targets"]}) == len(panel["targets"])
            assert {each["datasource"]["uid"] for each in panel["targets"]} == {"${source}"}
    for one, other in combinations([panel["gridPos"] for panel in found], 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert is_beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], path


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["alert"].startswith("Rulebot")


def test_every_alert_is_tried() -> None:
    tests = yaml(DEPLOY / "prometheus" / "rules.test.yml")["tests"]
    assert [test["name"] for test in tests] == ["all is well", *(rule["alert"] for rule in alerts())]
    for test in tests[1:]:
        (sample,) = test["promql_expr_test"][0]["exp_samples"]
        assert sample == {"labels": f'{{alertname="{test["name"]}"}}', "value": 1}


def test_the_page_has_every_metric_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    outstanding = [
        f"| `{metric.shown}` | {metric.kind.value} | {', '.join(metric.labels)} | {metric.unit} | {metric.meaning} |"
        for metric in METRICS.values()
    ]
    rows = [line for line in text.split("\n") if re.match(r"\| `(rulebot|process)_\w+` \|", line)]
    assert rows == outstanding


def test_the_page_has_every_alert() -> None:
    text = PAGE.read_text(encoding="utf-8")
    outstanding = [(rule["alert"], rule["labels"]["severity"]) for rule in alerts()]
    assert re.findall(r"^\| `(Rulebot\w+)` \| (\w+) \|", text, re.MULTILINE) == outstanding


def test_the_configuration_asks_where_the_metrics_are() -> None:
    found = yaml(DEPLOY / "prometheus" / "prometheus.yml")
    (job,) = found["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("rulebot", "/metrics")
    assert set(job["authorization"]) == {"credentials_file"}
    assert [(DEPLOY / "prometheus" / name).is_file() for name in found["rule_files"]] == [True]
