"""Performance: for each job name, how long its jobs run and wait, and what they cost in all."""

from __future__ import annotations

from typing import Final

from mongojobs.core.stats import OTHER
from mongojobs.web.charts import RANGES
from mongojobs.web.context import Page, RequestContext

SORTS: Final = ("total", "runs", "errors", "p95", "wait", "name")
MOST_SHOWN: Final = 200


def show(visit: RequestContext) -> Page:
    """Show the heaviest names first."""
    time_range, name = RANGES[visit.choice("range", tuple(RANGES))], visit.text("name") or None
    sort = visit.choice("sort", SORTS)
    by_name = visit.summary(time_range).by_name
    keys = {
        "total": lambda item: -item[1].run.seconds,
        "runs": lambda item: -item[1].runs,
        "errors": lambda item: -item[1].errors,
        "p95": lambda item: -(item[1].run.percentile(95) or 0),
        "wait": lambda item: -(item[1].wait.percentile(95) or 0),
        "name": lambda item: item[0],
    }
    rows = sorted(by_name.items(), key=keys[sort])
    return Page(
        "performance.html",
        {
            "rows": rows[:MOST_SHOWN],
            "total_seconds": sum(figures.run.seconds for figures in by_name.values()),
            "ranges": RANGES,
            "range": visit.text("range") or next(iter(RANGES)),
            "sort": sort,
            "name": name,
            "other": OTHER,
            "columns": visit.columns(time_range, name),
            "width": time_range.column,
            "keeps_completed": visit.app.settings.keep_completed is not None,
        },
    )
