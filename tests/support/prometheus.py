"""Reading metrics as Prometheus does, and the rules of its linter (``promtool check metrics``) for their names."""

import re
from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

_NOT_BASE = re.compile(r"(milli|micro|nano)?(seconds|bytes)|_ms\b|minutes|hours|kilo|mega|percent")
_BASE_UNITS = ("seconds", "bytes")


def families(text: str) -> dict[str, Metric]:
    """Return the metrics that *text* shows, by name."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def series_names(metrics: Iterable[Metric]) -> set[str]:
    """Return the names that a query can use: a histogram has three, and a counter ends in ``_total``."""
    parts = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
    return {family.name + part for family in metrics for part in parts.get(family.type, ("",))}


def faults_of(metrics: Iterable[Metric]) -> Iterator[str]:
    """Yield what the linter would object to."""
    for metric in metrics:
        name = metric.name
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            yield f"{name}: not in snake case"
        if not metric.documentation:
            yield f"{name}: no help text"
        if metric.type not in ("counter", "gauge", "histogram"):
            yield f"{name}: of no type"
        if metric.type != "counter" and name.endswith("_total"):
            yield f"{name}: ends as a counter does"
        if metric.type != "histogram" and name.endswith(("_count", "_sum", "_bucket")):
            yield f"{name}: ends as a histogram does"
        if metric.type in name.split("_"):
            yield f"{name}: has its type in its name"
        units = [found[0] for found in _NOT_BASE.finditer(name)]
        if any(unit not in _BASE_UNITS for unit in units) or any(not name.endswith(unit) for unit in units):
            yield f"{name}: a unit that is no base unit, or does not stand at the end"
        labels = {label for sample in metric.samples for label in sample.labels}
        if labels & {"job_id", "error", "id"}:
            yield f"{name}: a label of any number of values"
