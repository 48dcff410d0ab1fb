"""What docs/ gives to Prometheus and Grafana fits the metrics that are really exported, and the page describes each."""

import json
import re

import pytest
import yaml
from prometheus_client import CollectorRegistry

from mongojobs.plugins.prometheus import PrometheusPlugin
from mongojobs.plugins.prometheus_queues import QueueMetrics
from tests.support.command_line import ROOT
from tests.support.prometheus import series_names

PAGE = (ROOT / "docs" / "observability.md").read_text()
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "mongojobs.json").read_text())
ALERTS = yaml.safe_load((ROOT / "docs" / "prometheus" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
LABELS = {"queue", "job", "outcome", "state", "worker", "reason", "version", "le", "schedule", "result"}
OUTCOMES = {"completed", "failed", "retried", "discarded", "cancelled", "snoozed", "deferred", "interrupted"}
STATES = {"ready", "scheduled", "running", "cancelling", "failed"}


@pytest.fixture(scope="module")
def exported():
    """Return the names of all series that a query can use."""
    registry = CollectorRegistry()
    PrometheusPlugin(registry)
    queues = QueueMetrics(lambda: None, seconds=1)
    return series_names([*registry.collect(), *queues.describe()])


def names_in(query):
    return set(re.findall(r"\bmongojobs_\w+", query))


def labels_in(query):
    grouped = ",".join(re.findall(r"by \(([^)]*)\)", query))
    matched = re.findall(r"(\w+)=~?\"", query)
    return {label.strip() for label in grouped.split(",") if label.strip()} | set(matched)


@pytest.mark.parametrize("query", [*QUERIES, *(rule["expr"] for rule in RULES)])
class TestAQuery:
    def test_asks_for_metrics_that_are_exported(self, query, exported):
        assert names_in(query)
        assert names_in(query) <= exported

    def test_uses_labels_and_values_that_there_are(self, query):
        values = {label: set(found.split("|")) for label, found in re.findall(r"(outcome|state)=~?\"([^\"]*)\"", query)}

        assert labels_in(query) <= LABELS
        assert values.get("outcome", set()) <= OUTCOMES
        assert values.get("state", set()) <= STATES


class TestTheDashboard:
    def test_shows_every_metric_but_counts_of_histograms(self, exported):
        shown = {name for query in QUERIES for name in names_in(query)}

        assert {name for name in exported if not name.endswith(("_count", "_sum", "_bucket"))} <= shown

    def test_has_panels_that_do_not_lie_upon_each_other(self):
        places = [
            (x, y)
            for grid in (panel["gridPos"] for panel in DASHBOARD["panels"])
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]

        assert len(places) == len(set(places))
        assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


class TestTheAlerts:
    def test_are_about_latency_failures_workers_stuck_jobs_and_heartbeats(self):
        assert [rule["alert"] for rule in RULES] == [
            "MongojobsQueueLate",
            "MongojobsJobsFail",
            "MongojobsNoWorkers",
            "MongojobsJobStuck",
            "MongojobsWorkerSilent",
        ]

    def test_say_what_is_wrong_and_what_to_do(self):
        assert all({"summary", "description"} <= rule["annotations"].keys() for rule in RULES)

    def test_name_only_labels_that_their_query_leaves(self):
        named = {
            rule["alert"]: set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) - labels_in(rule["expr"])
            for rule in RULES
        }

        assert {alert: labels for alert, labels in named.items() if labels} == {}


class TestThePage:
    def test_describes_every_metric_and_no_other(self, exported):
        told = set(re.findall(r"`(mongojobs_\w+)`", PAGE))
        bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported}

        assert told == bare

    def test_names_the_files(self):
        assert {"grafana/mongojobs.json", "prometheus/alerts.yml"} <= set(re.findall(r"\]\(([^)]+)\)", PAGE))
