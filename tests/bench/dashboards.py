"""How long the pages of the dashboard take, with a million jobs in the collection."""

import math
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import OK
from urllib.parse import quote

import click

import mongojobs
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.stats import STEPS, StatsByJob, Step, begin_of
from mongojobs.store.stats.merging import MERGED, SETTLED
from mongojobs.web.charts import RANGES
from mongojobs.web.search import term
from tests.bench.app import nothing
from tests.bench.ground import Ground
from tests.support.dashboard import Visitor

_TURNS = 5
_QUEUES = 8
_NAMES = 40
_STATES = {
    "ready": 500_000,
    "scheduled": 150_000,
    "failed": 250_000,
    "completed": 80_000,
    "cancelled": 19_000,
    "running": 1_000,
}
_PERIODS: dict[Step, int] = {"minute": 6 * 60 + 1, "hour": 7 * 24 + 1, "day": 8}
"""As many as the dashboard's longest range with this step has."""
_TRACE = "\n".join(
    f'  File "/app/shop/part{n}.py", line {n}, in step\n    call(order, user, amount)' for n in range(20)
)


def dashboard(ground: Ground) -> dict[str, float]:
    """Open each page, and each kind of list, some times for the first time; the slowest of their medians counts."""
    ground.clear()
    for state, count in _STATES.items():
        _fill(ground, state, ground.size(count))
    _fill_statistics(processes=4, names=_NAMES)
    slowest = _slowest(_paths())
    _fill_statistics(processes=max(ground.size(20, least=2), 2), names=200)
    return {
        "ms, the slowest page of the dashboard, 1M jobs": slowest,
        "ms, the slowest page of the dashboard, 20 processes of 200 names": _slowest(_statistical_paths()),
    }


def _slowest(paths: Iterator[str]) -> float:
    """Open each page, and return how long the slowest of them takes."""
    times = {path: statistics.median(_milliseconds(path) for _ in range(_TURNS)) for path in paths}
    for path, milliseconds in sorted(times.items(), key=lambda item: -item[1]):
        click.echo(f"   {milliseconds:6.0f} ms  {path}", err=True)
    return max(times.values())


def _paths() -> Iterator[str]:
    app = mongojobs.default_app()
    yield from (
        "/failures",
        "/failures?queue=queue3",
        "/queues",
        "/workers",
        "/system",
    )
    yield from _statistical_paths()
    for state in ("", *_STATES):
        listed = f"/jobs?state={state}"
        yield listed
        yield f"{listed}&q=queue:queue3"
        yield f"{listed}&q=name:job7"
        yield f"{listed}&q=name:nowhere"
        yield f"{listed}&q=arg.0:17"
        yield f"{listed}&q=since:1h"
        yield f"{listed}&q=error:nowhere"
        if after := app.find(JobFilter(state=state or None), limit=500).next:
            yield f"{listed}&after={after}"
    yield f"/jobs?state=failed&q={quote(term('error', 'in step'))}"
    for state in ("ready", "failed", "running"):
        yield f"/job?id={app.find(JobFilter(state=state), limit=1).jobs[0].id}"


def _statistical_paths() -> Iterator[str]:
    for span in RANGES:
        yield f"/?range={span}"
        yield f"/performance?range={span}"
        yield f"/performance?range={span}&name=job7"


def _milliseconds(path: str) -> float:
    """Return how long the page takes in a dashboard that has read nothing yet: for ever, if the database gives up."""
    visitor = Visitor(mongojobs.default_app())
    begun = time.perf_counter()
    status = visitor.get(path).status_code
    return (time.perf_counter() - begun) * 1000 if status == OK else math.inf


def _fill(ground: Ground, state: str, count: int) -> None:
    """Store jobs of a state, of several names and queues, some earlier and some later."""
    now = datetime.now(UTC)
    parts = _NAMES
    for part in range(parts):
        at = now - timedelta(minutes=part)
        ground.fill(
            nothing, max(count // parts, 1), name=f"job{part}", queue=f"queue{part % _QUEUES}", **_fields(state, at)
        )


def _fields(state: str, at: datetime) -> dict[str, object]:
    error = f"ValueError: no such order\nTraceback (most recent call last):\n{_TRACE}"
    errors = [{"at": at, "attempt": 1, "error": "ValueError: no such order", "trace": _TRACE, "worker": "w"}]
    match state:
        case "ready":
            return {"run_at": at}
        case "scheduled":
            return {"run_at": at + timedelta(days=1)}
        case "failed":
            return {
                "state": state,
                "finished_at": at,
                "failed_at": at,
                "attempts": 1,
                "last_error": error,
                "errors": errors,
            }
        case "running":
            lock = {"locked_at": at, "locked_by": "w", "locked_until": at + timedelta(hours=2), "lock_token": "t"}
            return {"state": state, **lock}
        case _:
            return {"state": state, "finished_at": at, "expire_at": at + timedelta(days=9)}


def _fill_statistics(*, processes: int, names: int) -> None:
    """Store what so many processes would have written in a week, merged as far as workers would have done that."""
    stats = mongojobs.default_app().stats_store
    stats.collection.drop()
    tally, now = _tally(names), stats.clock.now()
    merged = StatsByJob()
    for _ in range(processes):
        merged.include(tally)
    for step, periods in _PERIODS.items():
        settled = begin_of(step, now - SETTLED[step])
        for period in range(periods):
            at = begin_of(step, now) - period * STEPS[step]
            if at < settled:
                stats.write({(step, at, MERGED): merged}, worker="w")
            else:
                for number in range(processes):
                    stats.write({(step, at, f"p{number}"): tally}, worker="w")


def _tally(names: int) -> StatsByJob:
    tally = StatsByJob()
    for part in range(names):
        figures = tally.of(f"job{part}", f"queue{part % _QUEUES}")
        figures.outcomes["completed"] = 100
        for milliseconds in range(0, 2000, 40):
            figures.run.add(milliseconds / 1000)
            figures.wait.add(milliseconds / 3000)
    return tally
